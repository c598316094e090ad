"""The pytest plugin: the fixtures of a rig, and the options that choose one.

It is loaded into every pytest run of an environment in which hil is installed. So it imports nothing of hil before
a test asks for a fixture, a test is a case, or an option is given.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from hil.rig.rig import Rig
    from hil.run.writer import RunWriter

_MARKER_LINE = "hil_case(info): a case of a test plan; written by hil.case.case"
_WORKER_FOLDER = "hil_folder"

WRITER: pytest.StashKey[RunWriter] = pytest.StashKey()
_FOLDER: pytest.StashKey[Path] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options of a run; `hil run` sets them."""
    group = parser.getgroup("hil", "hardware-in-the-loop")
    group.addoption("--hil-rig", dest="hil_rig", metavar="NAME|FILE", help="rig to run on (default: virtual)")
    group.addoption(
        "--hil-plan", dest="hil_plan", metavar="NAME|FILE", help="plan that chooses among the cases"
    )
    group.addoption("--hil-out", dest="hil_out", metavar="DIR", help="write a run folder under this folder")
    group.addoption(
        "--hil-seed", dest="hil_seed", metavar="N", type=int, help="seed of the run (default: the plan's)"
    )
    group.addoption(
        "--hil-case",
        dest="hil_case",
        metavar="ID",
        action="append",
        default=[],
        help="run only this case; repeatable",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set up what the options ask for."""
    config.addinivalue_line("markers", _MARKER_LINE)
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None and _WORKER_FOLDER in workerinput:
        config.stash[_FOLDER] = Path(workerinput[_WORKER_FOLDER])
    if config.getoption("hil_plan") or config.getoption("hil_case"):
        _select(config)
    if config.getoption("hil_out") and workerinput is None:
        _write_run_folder(config)


def _select(config: pytest.Config) -> None:
    from hil.errors import InputError
    from hil.run import settings
    from hil.run.selection import Selection

    try:
        plan = settings.plan_of(config)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    config.pluginmanager.register(Selection(plan, tuple(config.getoption("hil_case"))), "hil-selection")
    if plan is not None:
        if plan.marker and not config.option.markexpr:
            config.option.markexpr = plan.marker
        if plan.limits.stop_after and not config.option.maxfail:
            config.option.maxfail = plan.limits.stop_after


def _write_run_folder(config: pytest.Config) -> None:
    from hil.errors import InputError
    from hil.rig import files
    from hil.run import settings
    from hil.run.folder import RunFolder
    from hil.run.writer import RunWriter

    try:
        asked = settings.of(config)
        rig = files.load(asked.rig)
        plan = settings.plan_of(config)
        folder = RunFolder.create(
            Path(config.getoption("hil_out")), plan.name if plan is not None else "cases"
        )
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_FOLDER] = folder.path
    config.stash[WRITER] = writer = RunWriter(folder, asked, rig, plan)
    config.pluginmanager.register(writer, "hil-writer")
    if not config.option.xmlpath:
        config.option.xmlpath = str(folder.path / "junit.xml")
    if config.pluginmanager.hasplugin("html") and not config.option.htmlpath:
        config.option.htmlpath = str(folder.path / "report.html")
        config.option.self_contained_html = True


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """Tell a pytest-xdist worker where the run folder is."""
    if _FOLDER in node.config.stash:
        node.workerinput[_WORKER_FOLDER] = str(node.config.stash[_FOLDER])


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Watch over the cases, if there are any."""
    if not any(item.get_closest_marker("hil_case") for item in items):
        return
    from hil.errors import InputError
    from hil.rig import files
    from hil.run import settings
    from hil.run.hooks import CaseHooks

    try:
        asked = settings.of(config)
        rig = files.load(asked.rig)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})
    worker = str(workerinput.get("workerid", "main"))
    hooks = CaseHooks(asked, rig, config.stash.get(_FOLDER, None), worker)
    config.pluginmanager.register(hooks, "hil-cases")


@pytest.fixture(scope="session")
def hil_rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The rig of this session, before a case has begun; cases use `rig`."""
    from hil.rig import files
    from hil.rig.rig import open_rig
    from hil.run import settings

    with open_rig(files.load(settings.of(request.config).rig)) as opened:
        yield opened


@pytest.fixture
def rig(request: pytest.FixtureRequest, hil_rig: Rig, hil_case_folder: Path) -> Generator[Rig, None, None]:
    """The bench, in the state in which every case begins: power off, nothing connected, its own seed."""
    from hil.run.hooks import has_failed, recorder_of

    recorder = recorder_of(request.node)
    try:
        hil_rig.begin_case(recorder.instance, recorder.seed, hil_case_folder)
        recorder.clock = hil_rig.clock
        yield hil_rig
    finally:
        recorder.notes["seconds"] = hil_rig.clock()
        recorder.notes |= hil_rig.end_case(failed=has_failed(request.node))


@pytest.fixture
def hil_case_folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where this case's logs and captures go: into the run folder, or to a temporary one when none is written."""
    from hil.run.folder import RunFolder, case_folder_name
    from hil.run.hooks import instance_id

    name = instance_id(request.node)
    folder = request.config.stash.get(_FOLDER, None)
    if folder is not None:
        return RunFolder(folder).case_folder(name)
    return tmp_path_factory.mktemp(case_folder_name(name), numbered=True)
