"""The pytest plugin: the fixtures of a rig, and the options that choose one.

It is loaded into every pytest run of an environment in which hil is installed. So it imports nothing of hil before
a test asks for a fixture, a test is a case, or an option is given.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest

if TYPE_CHECKING:
    from hil.ble.central import Central
    from hil.console.serial import SerialConsole
    from hil.image.sign import SignedImage
    from hil.initiator.program import Initiator
    from hil.probe.base import Probe
    from hil.rig.device import Device
    from hil.rig.foreign import Images
    from hil.rig.power_log import LoggedSupply
    from hil.rig.product import Product
    from hil.rig.rig import Rig
    from hil.run.reported import ReportedImages, ReportedUpdate

_MARKER_LINE = "hil_case(info): a case of a test plan; written by hil.case.case"
_WORKER_FOLDER = "hil_folder"

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
        "--hil-folder",
        dest="hil_folder",
        metavar="DIR",
        help="write into this run folder, which `hil run` made",
    )
    group.addoption(
        "--hil-leave-out", dest="hil_leave_out", metavar="FILE", help="JSON list of cases that are not run"
    )
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
    group.addoption(
        "--hil-fail-unmodelled",
        dest="hil_fail_unmodelled",
        action="store_true",
        default=None,
        help="fail a case whose firmware touches what the virtual bench does not model (default: the plan's)",
    )
    group.addoption(
        "--hil-record",
        dest="hil_record",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep a log of what crosses the wires (default: on every bench but a virtual one)",
    )
    group.addoption(
        "--hil-replay", dest="hil_replay", metavar="RUN", help="replay the wire logs of this run folder"
    )
    group.addoption(
        "--hil-defect",
        dest="hil_defect",
        metavar="NAME",
        help="run on a bootloader with this check left out, to see that the case for it fails",
    )


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    """Set up what the options ask for."""
    config.addinivalue_line("markers", _MARKER_LINE)
    config.addinivalue_line("markers", "sweep: a power-fail sweep (select with -m sweep)")
    workerinput: dict[str, Any] | None = getattr(config, "workerinput", None)
    if workerinput is not None and _WORKER_FOLDER in workerinput:
        config.stash[_FOLDER] = Path(workerinput[_WORKER_FOLDER])
        if hasattr(os, "setpgid"):
            # A terminal sends Ctrl-C to its whole process group. The run's main process alone takes it and ends its
            # workers, once: a worker that took both would be interrupted again while it switches its supply off.
            os.setpgid(0, 0)
    if config.getoption("hil_plan") or config.getoption("hil_case"):
        _select(config)
    if (config.getoption("hil_out") or config.getoption("hil_folder")) and workerinput is None:
        _write_run_folder(config)


def _select(config: pytest.Config) -> None:
    from hil.errors import InputError
    from hil.run import settings
    from hil.run.selection import Selection

    try:
        plan = settings.plan_of(config)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    left_out: list[str] = []
    if config.getoption("hil_leave_out"):
        left_out = json.loads(Path(config.getoption("hil_leave_out")).read_text(encoding="utf-8"))
    selection = Selection(plan, tuple(config.getoption("hil_case")), frozenset(left_out))
    config.pluginmanager.register(selection, "hil-selection")
    if plan is not None:
        if plan.marker and not config.option.markexpr:
            config.option.markexpr = plan.marker
        if plan.limits.stop_after and not config.option.maxfail:
            config.option.maxfail = plan.limits.stop_after


def _write_run_folder(config: pytest.Config) -> None:
    from hil.errors import InputError
    from hil.run import settings
    from hil.run.folder import RunFolder
    from hil.run.writer import WRITER, RunWriter

    try:
        asked = settings.of(config)
        rig = settings.rig_of(asked)
        plan = settings.plan_of(config)
        within = config.getoption("hil_folder")
        if within:
            folder = RunFolder.at(Path(within))
        else:
            folder = RunFolder.create(
                Path(config.getoption("hil_out")), plan.name if plan is not None else "cases"
            )
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    config.stash[_FOLDER] = folder.path
    config.stash[WRITER] = writer = RunWriter(folder, asked, rig, plan)
    config.pluginmanager.register(writer, "hil-writer")
    if not within:
        writer.begin(plan, {})


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
    from hil.run import settings
    from hil.run.hooks import CaseHooks

    try:
        asked = settings.of(config)
        rig = settings.rig_of(asked)
    except InputError as error:
        raise pytest.UsageError(str(error)) from None
    workerinput: dict[str, Any] = getattr(config, "workerinput", {})
    worker = str(workerinput.get("workerid", "main"))
    hooks = CaseHooks(asked, rig, config.stash.get(_FOLDER, None), worker)
    config.pluginmanager.register(hooks, "hil-cases")
    if rig.bench != "virtual" and rig.recovery.retries:
        from hil.run.retry import Retry

        config.pluginmanager.register(Retry(hooks.again), "hil-retry")


@pytest.fixture(scope="session")
def hil_rig(request: pytest.FixtureRequest) -> Iterator[Rig]:
    """The rig of this session, before a case has begun; cases use `rig`."""
    from hil.rig.rig import open_rig
    from hil.run import settings

    asked = settings.of(request.config)
    rig = settings.rig_of(asked)
    folder = request.config.stash.get(_FOLDER, None)
    with open_rig(rig, folder, record=settings.records(asked, rig)) as opened:
        yield opened


@pytest.fixture
def rig(request: pytest.FixtureRequest, hil_rig: Rig, hil_case_folder: Path) -> Generator[Rig, None, None]:
    """The bench, in the state in which every case begins: power off, nothing connected, its own seed."""
    from hil.run.hooks import has_failed, recorder_of

    recorder = recorder_of(request.node)
    try:
        hil_rig.begin_case(recorder.instance, recorder.seed, hil_case_folder)
        recorder.clock = hil_rig.clock
        recorder.unmodelled = hil_rig.unmodelled
        recorder.ailing = hil_rig.ailing
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


# ---- The device ----


@pytest.fixture(scope="session")
def product(request: pytest.FixtureRequest, hil_rig: Rig) -> Product:
    """The bundled firmware with the key and the provisioning page of the bundled device."""
    from hil.rig.product import bundled_product

    if hil_rig.file.device.firmware != "bundled":
        pytest.skip(f"rig {hil_rig.name} uses the device's own firmware")
    return bundled_product(hil_rig.file.device, defect=request.config.getoption("hil_defect"))


@pytest.fixture
def images(request: pytest.FixtureRequest, hil_rig: Rig) -> ReportedImages:
    """Makes the images that a case needs: versions, variants, broken forms."""
    from hil.rig.foreign import CannotMake, images_of
    from hil.run.reported import ReportedImages

    if hil_rig.file.device.firmware == "bundled":
        product: Product = request.getfixturevalue("product")
        return ReportedImages(cast("Images", product.images()))
    try:
        return ReportedImages(images_of(hil_rig.file))
    except CannotMake as reason:
        pytest.skip(str(reason))


@pytest.fixture
def base_image(images: ReportedImages, hil_rig: Rig) -> SignedImage:
    """The image that `dut` runs at first: version 1.0.0, or the lowest of the images that the rig file names."""
    from hil.rig.foreign import versions

    return images.make(versions(hil_rig.file)[0])


@pytest.fixture
def next_image(images: ReportedImages, hil_rig: Rig) -> SignedImage:
    """A sound update for `dut`: version 1.1.0, or the next of the images that the rig file names."""
    from hil.rig.foreign import versions

    return images.make(versions(hil_rig.file)[1])


@pytest.fixture
def blank_dut(rig: Rig) -> Device:
    """The device as it is found: nothing is written to it, and its power is off."""
    from hil.rig.device import Device

    return Device(rig)


@pytest.fixture
def dut(request: pytest.FixtureRequest, blank_dut: Device) -> Device:
    """The device, running: with the bundled firmware freshly provisioned and `base_image` booted, or as it is."""
    from hil.case import stage

    if blank_dut.file.firmware == "bundled":
        product: Product = request.getfixturevalue("product")
        base: SignedImage = request.getfixturevalue("base_image")
        with stage("provision"):
            blank_dut.provision(
                bootloader=product.bootloader,
                provisioning=product.provisioning.page(),
                image=base,
                progress=_show,
            )
    elif blank_dut.file.install is not None:
        with_image = blank_dut.file.install.base_image
        with stage("install"):
            blank_dut.install(request.getfixturevalue("base_image") if with_image else None, progress=_show)
    else:
        blank_dut.power_on()
    with stage("boot"):
        blank_dut.wait_booted()
    return blank_dut


@pytest.fixture
def update(rig: Rig, dut: Device) -> Iterator[ReportedUpdate]:
    """Updates the device by the transport that the rig file names."""
    import contextlib

    from hil.dfu.reach import SerialReach
    from hil.errors import DeviceError
    from hil.run.reported import ReportedUpdate

    reach = SerialReach(rig.console) if rig.file.device.transport == "serial" else dut.air()
    updating = ReportedUpdate(rig.run, reach)
    yield updating
    # The case may well have left the device without power or link: nothing is to be said of that here.
    with contextlib.suppress(DeviceError):
        updating.close()


@pytest.fixture
def initiator(rig: Rig, dut: Device, hil_case_folder: Path) -> Iterator[Initiator]:
    """The program of [initiator], which drives the update itself."""
    from hil.initiator.program import Initiator

    started = Initiator(rig, dut, hil_case_folder)
    yield started
    started.close()


# ---- Instruments ----


@pytest.fixture
def probe(rig: Rig, dut: Device) -> Probe:
    """The debug probe, connected to the running device."""
    return rig.probe


@pytest.fixture
def supply(rig: Rig) -> LoggedSupply:
    """The power supply of the device."""
    return rig.supply


@pytest.fixture
def central(rig: Rig) -> Central:
    """The Bluetooth LE adapter."""
    return rig.central


@pytest.fixture
def console(rig: Rig) -> SerialConsole:
    """The device's serial console."""
    return rig.console


def _show(done: int, total: int) -> None:
    from hil.case import progress

    progress(done, total)
