"""Going on with a run that was killed or interrupted: what it had asked for, and whether that is still the same."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from hil import __version__
from hil.errors import InputError
from hil.report.run_folder import Row, RunRecord
from hil.rig.schema import RigFile
from hil.run.asked import Asked
from hil.run.plan import Plan

FINISHED = "finished.json"
"""The instances that had ended before the run went on, as a JSON list: they are not run again."""


@dataclass(frozen=True)
class Former:
    """A run that goes on: its folder, its record, the results that it has, and what was asked of it."""

    folder: Path
    run: Row
    results: list[Row]
    asked: Asked

    def check(self, rigs: Mapping[str, RigFile], plan: Plan, digests: dict[str, str], modules: str) -> None:
        """Raises InputError when rig file, plan, cases, firmware or hil are not those that the run began with: its
        results would then be of two kinds.
        """
        parts = {
            "the rig file": (_json(self.folder / "rig.json"), next(iter(rigs.values())).record()),
            "the plan": (self.run.get("plan_file"), json.loads(plan.model_dump_json(by_alias=True))),
            "the source of the cases": (self.run.get("modules"), modules),
            "the firmware": (self.run.get("firmware"), digests),
            "the version of hil": (self.run.get("versions", {}).get("hil"), __version__),
        }
        if len(rigs) > 1:
            every = {file.name: file.record() for file in rigs.values()}
            parts["one of the rig files"] = (_json(self.folder / "rigs.json"), every)
        for name, (then, now) in parts.items():
            if then != now:
                raise InputError(
                    f"{self.folder}: {name} is not the one that the run began with; start a new run"
                    + _first_difference(then, now)
                )


def read(asked: Asked) -> Former:
    """The run that `asked.resume` names; it goes on with the rig, plan and seed that it began with.

    Raises InputError when it is no run folder, or nothing of it can go on.
    """
    assert asked.resume is not None
    record = RunRecord.load(asked.resume)
    try:
        settings = record.run["settings"]
        former = dataclasses.replace(
            asked,
            rig=str(settings["rig"]),
            rigs=tuple(str(name) for name in settings.get("rigs") or ()),
            plan=str(settings["plan"]),
            seed=int(record.run["seed"]),
            cases=tuple(str(case) for case in settings["cases"]),
            defect=settings["defect"],
            fail_unmodelled=bool(settings["fail_unmodelled"]),
            controls=asked.controls or bool(settings.get("controls")),
        )
    except (KeyError, TypeError, ValueError):
        raise InputError(f"{asked.resume}: run.json does not say how the run began") from None
    if settings["plan"] is None:
        raise InputError(f"{asked.resume}: was run by pytest and not by `hil run`: it cannot go on")
    return Former(asked.resume, record.run, record.results, former)


def _json(path: Path) -> object:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def _first_difference(then: object, now: object) -> str:
    if not (isinstance(then, dict) and isinstance(now, dict)):
        return ""
    for key in sorted({*then, *now}):
        if then.get(key) != now.get(key):
            inner = _first_difference(then.get(key), now.get(key))
            return inner or f" ({key}: {then.get(key)!r} then, {now.get(key)!r} now)"[:200]
    return ""
