"""Finds the cases that a run will have, without running them."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import pytest

from hil.errors import InputError
from hil.run.asked import Asked, arguments, configuration
from hil.run.cases import CaseInfo, info_of
from hil.run.interrupt import from_outside
from hil.run.plan import Plan

Cases = dict[str, tuple[str, CaseInfo]]
"""The instance id and the description of each case, by pytest's id of the test."""


def collect(folder: Path, plan: Plan, asked: Asked) -> Cases:
    """The cases that will run, by pytest's id of the test: instance id and description.

    Raises InputError when a plan or a test module is wrong.
    """
    known = _Collected()
    _quietly(configuration(folder), known)
    if known.broken:
        raise InputError(f"{known.broken[0]}")
    plan.check(sorted({info.id for _, info in known.cases.values()}))
    chosen = _Collected()
    _quietly(arguments(folder, asked), chosen)
    for wanted in asked.cases:
        if not any(wanted in (instance, info.id) for instance, info in chosen.cases.values()):
            raise InputError(f'--case "{wanted}": plan {plan.name} has no such case')
    instances = Counter(instance for instance, _ in chosen.cases.values())
    repeated = sorted(instance for instance, times in instances.items() if times > 1)
    if repeated:
        raise InputError(f"{folder}: more than one test is case {repeated[0]}")
    return chosen.cases


def _quietly(arguments: Sequence[str], collected: _Collected) -> None:
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
        self.cases: Cases = {}
        self.broken: list[str] = []
        self.interrupted = False
        self.output: TextIO | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        write_pytests_output_to(config, self.output)

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


def write_pytests_output_to(config: pytest.Config, file: TextIO | None) -> None:
    """Let pytest's own reporter write there instead of to the terminal, which is the display's."""
    before = config.pluginmanager.get_plugin("terminalreporter")
    if before is not None:
        config.pluginmanager.unregister(before)
        reporter = pytest.TerminalReporter(config, file)
        config.pluginmanager.register(reporter, "terminalreporter")
