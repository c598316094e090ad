"""Runs a plan: collects its cases, runs them in pytest, and says how it ended."""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import FrameType
from typing import TextIO

import pytest

from hil import bundled
from hil.errors import BenchError, InputError
from hil.rig import files
from hil.rig.schema import RigFile
from hil.run import plan as plans
from hil.run.cases import CaseInfo, info_of
from hil.run.display import Display
from hil.run.folder import check_parent
from hil.run.interrupt import from_outside
from hil.run.plan import Plan
from hil.run.writer import WRITER, RunWriter, exit_code_for

INTERRUPTED = 130


@dataclass(frozen=True)
class Asked:
    """What the command line asked for."""

    rig: str = files.DEFAULT
    plan: str = plans.DEFAULT
    out: Path | None = None
    seed: int | None = None
    cases: tuple[str, ...] = ()
    workers: int | None = None
    defect: str | None = None
    fail_unmodelled: bool = False
    pytest_arguments: tuple[str, ...] = field(default=())


def run(asked: Asked) -> tuple[int, Path | None]:
    """Run a plan; returns the exit code and the run folder.

    Raises InputError when the rig file, the plan or an argument is wrong, before anything is switched on.
    """
    with _sigterm_interrupts():
        return _run(asked)


def _run(asked: Asked) -> tuple[int, Path | None]:
    rig = files.load(asked.rig)
    plan = plans.load(asked.plan)
    workers = asked.workers or plan.workers
    if workers > 1 and rig.bench != "virtual":
        raise InputError(f"rig {rig.name}: a real bench runs one case at a time; give --workers 1")
    folder = bundled.testplans() if Path(asked.plan).suffix != ".toml" else _folder_of(Path(asked.plan))
    cases = _collect(folder, plan, asked)
    out = asked.out or bundled.reports()
    check_parent(out)
    with _own_stdout() as stream:
        _build_firmware(rig, asked.defect, stream)
        keeper = _Keeper(Display(stream, len(cases)), cases)
        arguments = _arguments(folder, asked)
        arguments += [f"--hil-out={out}"]
        if workers > 1:
            arguments += ["-n", str(workers), "--dist", "load"]
        try:
            code = pytest.main([*arguments, *asked.pytest_arguments], plugins=[keeper])
        except KeyboardInterrupt:
            # Before the first case, or after the last one while the report is written, where pytest lets it pass.
            code = pytest.ExitCode.INTERRUPTED
            if keeper.writer is None:
                raise
            keeper.writer.interrupted = True
            keeper.writer.finish()
        finally:
            keeper.display.stop()
        if keeper.writer is None:
            raise InputError("pytest refused the arguments after --, see above")
        keeper.writer.workers = workers
        if keeper.writer.record["state"] == "running":
            keeper.writer.finish()
        keeper.display.summary(keeper.writer.record)
        return _exit_code(int(code), keeper), keeper.writer.folder.path


def _folder_of(plan: Path) -> Path:
    """Where a plan's cases are: beside the plan when there are test modules, else the bundled ones."""
    here = plan.resolve().parent
    return here if any(here.glob("test_*.py")) else bundled.testplans()


def _configuration(folder: Path) -> list[str]:
    # Neither the user's configuration nor the folder the command is given in may change what a plan does.
    ini = folder / "pytest.ini"
    arguments = ["-c", str(ini) if ini.is_file() else os.devnull, f"--rootdir={folder}", str(folder)]
    # Where hypothesis is installed its plugin takes longer to import than a short case to run.
    return [*arguments, "-p", "no:hypothesispytest"]


def _arguments(folder: Path, asked: Asked) -> list[str]:
    arguments = [*_configuration(folder), f"--hil-rig={asked.rig}", f"--hil-plan={asked.plan}"]
    if asked.seed is not None:
        arguments.append(f"--hil-seed={asked.seed}")
    if asked.defect is not None:
        arguments.append(f"--hil-defect={asked.defect}")
    if asked.fail_unmodelled:
        arguments.append("--hil-fail-unmodelled")
    return arguments + [f"--hil-case={case}" for case in asked.cases]


def _exit_code(code: int, keeper: _Keeper) -> int:
    if keeper.writer is not None and keeper.writer.interrupted:
        return INTERRUPTED
    outcomes = [result["outcome"] for result in keeper.writer.results] if keeper.writer is not None else []
    if code == pytest.ExitCode.USAGE_ERROR:
        raise InputError("pytest refused its arguments, see above")
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        raise InputError("the arguments after -- leave no case to run")
    if code == pytest.ExitCode.INTERNAL_ERROR:
        return BenchError.exit_code
    return exit_code_for(outcomes)


def _collect(folder: Path, plan: Plan, asked: Asked) -> dict[str, tuple[str, CaseInfo]]:
    """The cases that will run, by pytest's id of the test: instance id and description.

    Raises InputError when a plan or a test module is wrong.
    """
    known = _Collected()
    _collect_quietly(_configuration(folder), known)
    if known.broken:
        raise InputError(f"{known.broken[0]}")
    plan.check(sorted({info.id for _, info in known.cases.values()}))
    chosen = _Collected()
    _collect_quietly(_arguments(folder, asked), chosen)
    for wanted in asked.cases:
        if not any(wanted in (instance, info.id) for instance, info in chosen.cases.values()):
            raise InputError(f'--case "{wanted}": plan {plan.name} has no such case')
    instances = Counter(instance for instance, _ in chosen.cases.values())
    repeated = sorted(instance for instance, times in instances.items() if times > 1)
    if repeated:
        raise InputError(f"{folder}: more than one test is case {repeated[0]}")
    return chosen.cases


def _collect_quietly(arguments: Sequence[str], collected: _Collected) -> None:
    with Path(os.devnull).open("w") as nowhere:
        collected.output = nowhere
        code = pytest.main([*arguments, "--collect-only", "-q", "--no-header"], plugins=[collected])
    if collected.interrupted:
        raise KeyboardInterrupt
    if code == pytest.ExitCode.USAGE_ERROR:
        raise InputError("pytest refused its arguments, see above")


class _Collected:
    """A pytest plugin that notes what was collected."""

    def __init__(self) -> None:
        self.cases: dict[str, tuple[str, CaseInfo]] = {}
        self.broken: list[str] = []
        self.interrupted = False
        self.output: TextIO | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        _write_pytests_output_to(config, self.output)

    def pytest_keyboard_interrupt(self, excinfo: pytest.ExceptionInfo[BaseException]) -> None:
        self.interrupted = from_outside(excinfo)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            lines = [line for line in report.longreprtext.strip().splitlines() if line.strip()]
            last = lines[-1].removeprefix("E").strip() if lines else "unknown error"
            self.broken.append(f"{report.nodeid}: cannot be read as cases: {last}")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        from hil.run.hooks import instance_id

        for item in session.items:
            info = info_of(item)
            if info is not None:
                self.cases[item.nodeid] = (instance_id(item), info)


class _Keeper:
    """A pytest plugin that ties the display to the run, and keeps the run's writer for after its end."""

    def __init__(self, display: Display, cases: dict[str, tuple[str, CaseInfo]]) -> None:
        self.display = display
        self._cases = cases
        self.writer: RunWriter | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self.writer = config.stash[WRITER]
        self.writer.cases = self._cases
        config.pluginmanager.register(self.display, "hil-display")
        log = (self.writer.folder.path / "pytest.log").open("w", encoding="utf-8")
        config.add_cleanup(log.close)
        _write_pytests_output_to(config, log)

    def pytest_sessionstart(self) -> None:
        if self.writer is not None:
            self.display.watch(self.writer.folder.path)


def _write_pytests_output_to(config: pytest.Config, file: TextIO | None) -> None:
    """Let pytest's own reporter write there instead of to the terminal, which is the display's."""
    before = config.pluginmanager.get_plugin("terminalreporter")
    if before is not None:
        config.pluginmanager.unregister(before)
        reporter = pytest.TerminalReporter(config, file)
        config.pluginmanager.register(reporter, "terminalreporter")


def _build_firmware(rig: RigFile, defect: str | None, stream: TextIO) -> None:
    """Build the bundled firmware before the cases, where its errors are told in one line."""
    if rig.device.firmware == "bundled":
        from hil.run import firmware

        firmware.build(stream, defect=defect)


@contextmanager
def _own_stdout() -> Iterator[TextIO]:
    """The standard output as it is now: pytest captures the other one while cases run."""
    sys.stdout.flush()
    try:
        descriptor = os.dup(sys.stdout.fileno())
    except (OSError, ValueError):
        yield sys.stdout
        return
    with os.fdopen(descriptor, "w", encoding=sys.stdout.encoding or "utf-8", errors="replace") as stream:
        yield stream


@contextmanager
def _sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C: every way out leaves the supply off and the results on the disk."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        like_ctrl_c = signal.getsignal(
            signal.SIGINT
        )  # the virtual bench has one that waits for a sound moment
        if not callable(like_ctrl_c):
            raise KeyboardInterrupt
        like_ctrl_c(number, frame)

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread, where signals cannot be set
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
