"""Negative controls: the same cases on deliberately defective firmware, where they must fail.

A case that holds on a sound device says something only if it can fail. Each defect leaves one check out of the
firmware; the cases that name it (hil.case.case, `controls`) run on that firmware into RUN/controls/DEFECT, a run folder
like any other.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console
from rich.markup import escape

from hil.errors import InputError
from hil.report.run_folder import CONTROLS, Row, RunRecord, read_results
from hil.rig.schema import RigFile
from hil.run import firmware
from hil.run.asked import Asked
from hil.run.collect import Cases
from hil.run.folder import RunFolder
from hil.run.plan import Plan
from hil.run.session import run_session
from hil.run.writer import RunWriter
from hil.toolchain.variants import DEFECTS


@dataclass(frozen=True)
class Outcome:
    """How the controls ended: a row for each."""

    rows: list[Row]
    interrupted: bool

    @property
    def all_failed(self) -> bool:
        """Whether every control failed, as it must."""
        return all(row["held"] for row in self.rows)


def chosen(rig: RigFile, cases: Cases) -> dict[str, list[str]]:
    """The instances that run on each defect.

    A plan may give a case other parameters than the one that its control names: that control is not run. Raises
    InputError when a case names a defect that cannot be built, or when the rig's device is not the bundled one.
    """
    if rig.device.firmware != "bundled":
        raise InputError(
            f"rig {rig.name}: --controls needs the bundled firmware: a defect can be built into no other"
        )
    instances = {instance for instance, _ in cases.values()}
    found: dict[str, set[str]] = {}
    for _, info in cases.values():
        for control in info.controls:
            if control.defect not in DEFECTS:
                raise InputError(
                    f'case {info.id}: controls: "{control.defect}" is no defect; '
                    f"choose one of {', '.join(DEFECTS)}"
                )
            if control.instance(info.id) in instances:
                found.setdefault(control.defect, set()).add(control.instance(info.id))
    return {defect: sorted(found[defect]) for defect in sorted(found)}


def run(
    defective: dict[str, list[str]],
    modules: Path,
    asked: Asked,
    cases: Cases,
    folder: RunFolder,
    plan: Plan,
    stream: TextIO,
) -> Outcome:
    """Run the controls that have not ended yet, one defect after the other."""
    console = Console(file=stream, soft_wrap=True, highlight=False)
    total = sum(len(instances) for instances in defective.values())
    console.print(f"{total} negative controls: these must fail, each on firmware with one check left out")
    for defect, instances in defective.items():
        inner = RunFolder.at(folder.path / CONTROLS / defect)
        ended = {str(result["id"]) for result in read_results(inner.path)}
        left = [instance for instance in instances if instance not in ended]
        if not left:
            continue
        inner.mend(ended)
        former = RunRecord.load(inner.path).run if ended else None
        built = firmware.build(stream, defect=defect)
        digests = {program.name: program.sha256 for program in (built.boot, built.application) if program}
        wanted = dataclasses.replace(asked, defect=defect, cases=tuple(left), controls=False, resume=None)

        def begin(writer: RunWriter, former: Row | None = former, digests: dict[str, str] = digests) -> None:
            writer.begin(plan, digests, former)

        display = _ControlDisplay(console, defect)
        _, writer = run_session(modules, wanted, cases, inner.path, display, begin=begin)
        if writer.interrupted:
            return Outcome(_rows(folder.path, defective), True)
    return Outcome(_rows(folder.path, defective), False)


def _rows(folder: Path, defective: dict[str, list[str]]) -> list[Row]:
    rows = []
    for defect, instances in defective.items():
        results = {str(result["id"]): result for result in read_results(folder / CONTROLS / defect)}
        for instance in instances:
            result = results.get(instance, {"outcome": "not run", "reason": ""})
            rows.append(
                {
                    "case": instance,
                    "defect": defect,
                    "outcome": result["outcome"],
                    "reason": result["reason"],
                    "held": result["outcome"] == "failed",
                }
            )
    return rows


class _ControlDisplay:
    """A pytest plugin that tells of each control in one line."""

    def __init__(self, console: Console, defect: str) -> None:
        self._console = console
        self._defect = defect

    def watch(self, folder: Path) -> None:
        """Nothing to show between two cases."""

    def stop(self) -> None:
        """Nothing to stop."""

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell of a control that has ended."""
        result: Row | None = getattr(report, "hil_result", None)
        if result is None:
            return
        failed = result["outcome"] == "failed"
        word = "[green]failed, as it must[/]" if failed else f"[bold red]{result['outcome']}, must fail[/]"
        self._console.print(f"control {self._defect}: {escape(str(result['id']))}  {word}")
        if not failed and result["reason"]:
            self._console.print(f"        {escape(str(result['reason']))}")
