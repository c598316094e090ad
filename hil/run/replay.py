"""Runs the cases of an earlier run again, with its wire logs in the place of the bench."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from rich.console import Console

from hil import __version__, bundled
from hil.errors import InputError
from hil.filelock import FileLock
from hil.replay.log import NAME
from hil.report.run_folder import Row, RunRecord
from hil.rig import drivers, files
from hil.rig.replayed import OUTCOME
from hil.rig.schema import RigFile
from hil.run import firmware, resume
from hil.run import plan as plans
from hil.run.asked import Asked, digest_of, folder_of
from hil.run.collect import Cases, collect
from hil.run.display import Display
from hil.run.folder import RunFolder, case_folder_name, check_parent
from hil.run.session import run_session
from hil.run.signals import own_stdout, sigterm_interrupts
from hil.run.writer import RunWriter

DIFFERS = 1
INTERRUPTED = 130
LEFT_OUT = "left-out.json"


@dataclass(frozen=True)
class Replayed:
    """How the replay of one case ended. `text` is empty when it was identical."""

    instance: str
    identical: bool
    text: str = ""


def replay(run: Path, cases: tuple[str, ...], out: Path | None, workers: int) -> tuple[int, Path]:
    """Replay the cases of a run that have a wire log; returns the exit code and the new run folder.

    0: each case did the same and ended the same; 1: one did not. Raises InputError when there is nothing to replay, or
    the firmware that would be built is another than that of the recording, and BenchError when the record cannot be
    written.
    """
    with sigterm_interrupts(), own_stdout() as stream:
        return _replay(run, cases, out, workers, stream)


def _replay(
    run: Path, cases: tuple[str, ...], out: Path | None, workers: int, stream: TextIO
) -> tuple[int, Path]:
    console = Console(file=stream, soft_wrap=True, highlight=False)
    recorded = RunRecord.load(run)
    asked = resume.read(Asked(resume=run)).asked
    asked = dataclasses.replace(
        asked, resume=None, controls=False, record=False, replay=run.resolve(), cases=cases or asked.cases
    )
    rig = files.load_recorded(run)
    _check_drivers(run, rig)
    results = {str(result["id"]): result for result in recorded.results}
    logged = {name for name in results if (run / "cases" / case_folder_name(name) / NAME).is_file()}
    if not logged:
        raise InputError(f"{run}: has no wire logs to replay; `hil run --record` keeps them")
    plan = plans.load(asked.plan)
    modules = folder_of(asked.plan)
    chosen = collect(modules, plan, asked)
    wanted = {instance for instance, _ in chosen.values()}
    there = sorted(wanted & logged)
    if not there:
        raise InputError(f"{run}: the cases asked for have no wire logs; `hil run --record` keeps them")
    _check_firmware(recorded, rig, asked, stream)
    for line in _changes(recorded, digest_of(modules)):
        console.print(line)
    check_parent(out or bundled.reports())
    folder = RunFolder.create(out or bundled.reports(), f"{plan.name}-replay")
    left_out = folder.path / LEFT_OUT
    folder.write_text(LEFT_OUT, json.dumps(sorted(wanted - set(there))) + "\n")
    lock = FileLock(folder.path / "run.json", "run")
    try:
        return _in_folder(
            folder, recorded, asked, plan, modules, chosen, results, there, left_out, workers, stream
        )
    finally:
        lock.release()


def _in_folder(
    folder: RunFolder,
    recorded: RunRecord,
    asked: Asked,
    plan: plans.Plan,
    modules: Path,
    chosen: Cases,
    results: dict[str, Row],
    there: list[str],
    left_out: Path,
    workers: int,
    stream: TextIO,
) -> tuple[int, Path]:
    console = Console(file=stream, soft_wrap=True, highlight=False)

    def begin(writer: RunWriter) -> None:
        writer.record["replays"] = {"run": recorded.name, "started": recorded.run.get("started")}
        writer.begin(plan, dict(recorded.run.get("firmware") or {}), modules=digest_of(modules))

    display = Display(stream, len(there))
    _, writer = run_session(
        modules, asked, chosen, folder.path, display, workers=workers, left_out=left_out, begin=begin
    )
    ended = {str(result["id"]): result for result in writer.results}
    told = [_compared(folder.path, name, results[name], ended.get(name)) for name in there]
    writer.record["replay"] = [dataclasses.asdict(each) for each in told]
    writer.finish()
    display.summary(writer.record)
    different = [each for each in told if not each.identical]
    for each in different:
        console.print(f"{each.instance}: {each.text}", markup=False)
    same = len(told) - len(different)
    console.print(f"replay of {recorded.name}: {same} of {len(told)} cases identical", markup=False)
    if writer.interrupted:
        return INTERRUPTED, folder.path
    return (DIFFERS if different else 0), folder.path


def _compared(folder: Path, name: str, then: Row, now: Row | None) -> Replayed:
    """Whether a case did the same on its wires and ended the same."""
    if now is None:
        return Replayed(name, False, "did not run")
    outcome: dict[str, Any] = {}
    with contextlib.suppress(OSError, ValueError):
        outcome = json.loads(
            (folder / "cases" / case_folder_name(name) / OUTCOME).read_text(encoding="utf-8")
        )
    if outcome.get("replay") == "differs":
        difference = outcome["difference"]
        place = f"entry {difference['entry']}" if difference["entry"] else "after the last entry"
        return Replayed(
            name,
            False,
            f"differs on the wire {difference['wire']}, {place}, t = {difference['time']:.6f} s\n"
            f"  recorded: {difference['expected']}\n  now:      {difference['got']}\n"
            f"  at:       {difference['where']}",
        )
    if outcome.get("replay") != "identical":
        return Replayed(name, False, f"could not be replayed: {now['reason']}")
    for key in ("outcome", "reason"):
        if then[key] != now[key]:
            return Replayed(
                name, False, f"the same on its wires, but its {key} is {now[key]!r}, was {then[key]!r}"
            )
    return Replayed(name, True)


def _check_drivers(run: Path, rig: RigFile) -> None:
    unknown = drivers.not_recorded(rig)
    if unknown:
        raise InputError(f"{run}: not replayable: {', '.join(unknown)} keeps no record of its wire")


def _check_firmware(recorded: RunRecord, rig: RigFile, asked: Asked, stream: TextIO) -> None:
    if rig.device.firmware != "bundled":
        return
    built = firmware.build(stream, defect=asked.defect)
    digests = {program.name: program.sha256 for program in (built.boot, built.application) if program}
    then = recorded.run.get("firmware") or {}
    other = sorted(name for name in {*digests, *then} if digests.get(name) != then.get(name))
    if other:
        raise InputError(
            f"{recorded.path}: the firmware differs from that of the recording ({', '.join(other)}): "
            "a device cannot be replayed with another; record again, or replay with the source it was built from"
        )


def _changes(recorded: RunRecord, modules: str) -> list[str]:
    """What is known to be different before the first case, a line each: a replay is there to show its effect."""
    lines = []
    version = (recorded.run.get("versions") or {}).get("hil")
    if version != __version__:
        lines.append(f"recorded by hil {version}, replayed by {__version__}")
    if recorded.run.get("modules") != modules:
        lines.append("the source of the cases has changed since the recording")
    return lines
