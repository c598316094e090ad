"""Runs the cases of a plan on one rig or several, and again elsewhere what the fault of one rig kept from a verdict.

In the first round the rigs share all cases. A case that ended by a fault of its bench, or that was not run because the
circuit breaker of its rig had opened, is held back and goes to a rig that has not had it yet, in a round of its own.
What no rig is left for is recorded as it last ended; what was not run at all is left to `hil run --resume`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path

from hil.errors import InputError
from hil.rig.claim import addresses
from hil.rig.schema import RigFile
from hil.run.allotment import Allotment
from hil.run.asked import Asked
from hil.run.cases import CaseInfo
from hil.run.collect import Cases
from hil.run.folder import RunFolder
from hil.run.plan import Plan
from hil.run.recorder import Row
from hil.run.resume import FINISHED
from hil.run.session import Shown, run_session
from hil.run.writer import RunWriter

_SAME = ("name", "board", "soc", "firmware", "protocol", "images", "install")
"""What of [device] the rigs of one run must agree in: else its results would be about several devices."""

Rigs = Mapping[str, RigFile]
"""Rig files by the names they were given by."""


def check(rigs: Rigs) -> None:
    """Raises InputError when rigs cannot share a plan: other devices, equal names, or an instrument in common."""
    files = list(rigs.values())
    first = files[0]
    names: set[str] = set()
    taken: dict[str, str] = {}
    for file in files:
        if file.name in names:
            raise InputError(f"--rig: two rigs are named {file.name}; give each a name of its own")
        names.add(file.name)
        for key in _SAME:
            mine, theirs = getattr(file.device, key), getattr(first.device, key)
            if mine != theirs:
                raise InputError(
                    f"--rig: {first.name} and {file.name} hold other devices (device.{key}); a run is about one"
                )
        for address in addresses(file) if file.bench != "virtual" else ():
            if address in taken:
                raise InputError(f"--rig: {taken[address]} and {file.name} share an instrument: {address}")
            taken[address] = file.name


def workers_for(rigs: Rigs, asked: int | None, plan: Plan) -> int:
    """How many cases run side by side. Raises InputError for a number that the rigs cannot have."""
    alone = all(file.bench != "virtual" for file in rigs.values())
    number = asked or max(len(rigs), 1 if alone else plan.workers)
    if number < len(rigs):
        raise InputError(f"{len(rigs)} rigs and --workers {number}: each rig needs a worker of its own")
    if alone and number > len(rigs):
        one = next(iter(rigs.values()))
        raise InputError(
            f"rig {one.name}: a {one.bench} bench runs one case at a time; give --workers {len(rigs)}"
        )
    return number


def run(
    rigs: Rigs,
    modules: Path,
    asked: Asked,
    cases: Cases,
    folder: RunFolder,
    plan: Plan,
    display: Shown,
    *,
    workers: int,
    finished: set[str],
    begin: Callable[[RunWriter, bool], None],
) -> tuple[int, RunWriter]:
    """Run what is not `finished`; returns pytest's exit code of the first round, and the writer of the last.

    `begin` is called with each round's writer, and whether it is the first.
    """
    instances = dict(cases.values())
    nodes = {nodeid: instance for nodeid, (instance, _) in cases.items()}
    given = {file.name: name for name, file in rigs.items()}
    tried: dict[str, list[Row]] = {}
    dead: set[str] = set()
    wanted = {
        instance: _able(set(info.needs), rigs)
        for instance, info in instances.items()
        if instance not in finished
    }
    first: int | None = None
    while True:
        used = {
            name: file
            for name, file in rigs.items()
            if first is None or any(name in each for each in wanted.values())
        }
        left_out = sorted(set(instances) - set(wanted)) if first is not None else sorted(finished)
        if left_out:
            folder.write_text(FINISHED, json.dumps(left_out) + "\n")
        allotment = Allotment(used, {node: wanted.get(instance, set()) for node, instance in nodes.items()})
        is_first = first is None

        def started(writer: RunWriter, is_first: bool = is_first) -> None:
            writer.share(rigs)
            writer.tried = tried
            begin(writer, is_first)

        code, writer = run_session(
            modules,
            dataclasses.replace(asked, rig=next(iter(used))),
            cases,
            folder.path,
            display,
            workers=workers if is_first else len(used),
            left_out=folder.path / FINISHED if left_out else None,
            begin=started,
            allotment=allotment if len(used) > 1 else None,
        )
        first = code if first is None else first
        writer.held += _never_begun(
            writer, [nodes[node] for node in allotment.collected if node in nodes], instances
        )
        for row in writer.held:
            name = given[str(row["rig"])]
            if row.get("not_run"):
                dead.add(name)
            else:
                tried.setdefault(str(row["id"]), []).append(row)
        stopped = (
            plan.limits.stop_after
            and sum(row["outcome"] == "failed" for row in writer.results) >= plan.limits.stop_after
        )
        wanted = {
            str(row["id"]): {
                name
                for name in _able(set(row["needs"]), rigs)
                if name not in dead
                and name not in {given[str(each["rig"])] for each in tried.get(str(row["id"]), ())}
            }
            for row in writer.held
        }
        wanted = {instance: names for instance, names in wanted.items() if names}
        again = bool(wanted) and not writer.interrupted and not stopped
        writer.settle({} if not again else wanted)
        if not again:
            return first, writer
        for instance in wanted.keys() & tried.keys():
            folder.put_aside(instance)  # what one rig left must not pass for what the next one measured


def _never_begun(writer: RunWriter, collected: list[str], instances: Mapping[str, CaseInfo]) -> list[Row]:
    """Rows for the cases that no rig took since those that could have had given up."""
    gave_up = [row for row in writer.held if row.get("not_run")]
    if not gave_up or writer.interrupted:
        return []
    ended = {str(row["id"]) for row in (*writer.results, *writer.held)}
    return [
        {
            "id": instance,
            "needs": list(instances[instance].needs),
            "rig": gave_up[-1]["rig"],
            "reason": gave_up[-1]["reason"],
            "not_run": True,
        }
        for instance in collected
        if instance not in ended
    ]


def _able(needs: set[str], rigs: Rigs) -> set[str]:
    """The rigs that have what a case needs; all of them if none has, since it is skipped just the same."""
    able = {name for name, file in rigs.items() if needs <= file.capabilities()}
    return able or set(rigs)
