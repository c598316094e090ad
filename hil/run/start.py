"""Runs a plan: collects its cases, runs them in pytest, and says how it ended."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TextIO

import pytest

from hil import bundled
from hil.errors import BenchError, HilError, InputError
from hil.filelock import FileLock
from hil.lab.reserved import reserved
from hil.report.run_folder import RunRecord
from hil.rig import files
from hil.rig.schema import RigFile
from hil.run import controls, resume, rounds
from hil.run import plan as plans
from hil.run.asked import Asked, digest_of, folder_of
from hil.run.collect import Cases, collect
from hil.run.display import Display
from hil.run.folder import RunFolder, check_parent
from hil.run.plan import Plan
from hil.run.signals import own_stdout, sigterm_interrupts
from hil.run.writer import RunWriter

INTERRUPTED = 130


def run(asked: Asked) -> tuple[int, Path | None]:
    """Run a plan, or the rest of one; returns the exit code and the run folder.

    Raises InputError when the rig file, the plan or an argument is wrong, before anything is switched on, and
    BenchError when the record cannot be written.
    """
    with sigterm_interrupts():
        if asked.lab is None:
            return _run(asked)
        with reserved(asked.lab, asked.rig) as place:
            rig = str(place.rig)
            return _run(dataclasses.replace(asked, rig=rig, rigs=(rig,), reserved=place))


def _run(asked: Asked) -> tuple[int, Path | None]:
    former = resume.read(asked) if asked.resume is not None else None
    if former is not None:
        asked = former.asked
    rigs = {name: files.load(name) for name in dict.fromkeys(asked.rigs or (asked.rig,))}
    rounds.check(rigs)
    rig = next(iter(rigs.values()))
    plan = plans.load(asked.plan)
    workers = rounds.workers_for(rigs, asked.workers, plan)
    modules = folder_of(asked.plan)
    cases = collect(modules, plan, asked)
    defective = controls.chosen(rig, cases) if asked.controls else {}
    if former is None:
        out = asked.out or bundled.reports()
        check_parent(out)
    with own_stdout() as stream:
        digests = _build_firmware(rig, asked.defect, stream)
        if former is not None:
            former.check(rigs, plan, digests, digest_of(modules))
            folder = RunFolder.at(former.folder)
        else:
            folder = RunFolder.create(out, plan.name)
        lock = FileLock(folder.path / "run.json", "run")
        try:
            return _in_folder(
                rigs, folder, former, asked, plan, cases, defective, modules, workers, digests, stream
            )
        finally:
            lock.release()


def _in_folder(
    rigs: rounds.Rigs,
    folder: RunFolder,
    former: resume.Former | None,
    asked: Asked,
    plan: Plan,
    cases: Cases,
    defective: dict[str, list[str]],
    modules: Path,
    workers: int,
    digests: dict[str, str],
    stream: TextIO,
) -> tuple[int, Path]:
    finished = {str(result["id"]) for result in former.results} if former is not None else set[str]()
    if former is not None:
        folder.mend(finished)
    display = Display(stream, len(cases), former.results if former is not None else ())

    def begin(writer: RunWriter, is_first: bool) -> None:
        before = former.run if former is not None else None
        if not is_first:
            before = RunRecord.load(folder.path).run
        writer.begin(
            plan,
            digests,
            before,
            controls=asked.controls,
            modules=digest_of(modules),
            lab=asked.reserved.record() if asked.reserved is not None else None,
        )

    left = [instance for instance, _ in cases.values() if instance not in finished]
    code, writer = rounds.run(
        rigs, modules, asked, cases, folder, plan, display, workers=workers, finished=finished, begin=begin
    )
    told = _exit_code(code, writer, nothing_left=not left)
    if defective and told != INTERRUPTED:
        outcome = controls.run(defective, modules, asked, cases, folder, plan, stream)
        writer.controls(outcome.rows)
        if outcome.interrupted:
            told = INTERRUPTED
        elif told == 0 and not outcome.all_failed:
            told = BenchError.exit_code
    display.summary(writer.record)
    _remember(folder.path, stream)
    return told, folder.path


def _remember(folder: Path, stream: TextIO) -> None:
    """Add the run to the history beside it. What goes wrong there is told, and is no fault of the run."""
    from hil.history.store import History, default_path

    try:
        with History(default_path(folder.resolve().parent)) as history:
            history.add(RunRecord.load(folder))
    except HilError as error:
        stream.write(f"history was not written: {error}; `hil history add {folder}` repeats it\n")


def _exit_code(code: int, writer: RunWriter, *, nothing_left: bool) -> int:
    if writer.interrupted:
        return INTERRUPTED
    if code == pytest.ExitCode.USAGE_ERROR:
        raise InputError("pytest refused its arguments, see above")
    if code == pytest.ExitCode.NO_TESTS_COLLECTED and not nothing_left:
        raise InputError("the arguments after -- leave no case to run")
    if code == pytest.ExitCode.INTERNAL_ERROR:
        return BenchError.exit_code
    return writer.exit_code


def _build_firmware(rig: RigFile, defect: str | None, stream: TextIO) -> dict[str, str]:
    """Build the bundled firmware before the cases, where its errors are told in one line; returns its digests."""
    if rig.device.firmware != "bundled":
        return {}
    from hil.run import firmware

    built = firmware.build(stream, defect=defect)
    programs = [built.boot] + ([built.application] if built.application is not None else [])
    return {program.name: program.sha256 for program in programs}
