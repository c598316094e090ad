"""Goes through the steps of a check, tells of each, and leaves the supply off."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Literal

from hil.errors import HilError
from hil.rig.check.cut import cut_steps
from hil.rig.check.remedy import with_remedy
from hil.rig.check.steps import Said, Step, steps
from hil.rig.rig import open_rig
from hil.rig.schema import RigFile

Outcome = Literal["ok", "failed", "not tried"]


@dataclass(frozen=True)
class Finding:
    """What one step found: `text` is what the instrument said, or what is wrong and how to mend it."""

    instrument: str
    step: str
    outcome: Outcome
    text: str
    wall_seconds: float
    figures: dict[str, Any] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Nothing is wrong here."""
        return self.outcome == "ok"


def check(
    file: RigFile,
    *,
    cuts: int = 10,
    begin: Callable[[str], None] = lambda name: None,
    told: Callable[[Finding], None] = lambda finding: None,
) -> list[Finding]:
    """One finding for each step that the rig file's instruments allow; the supply is off when this returns.

    `cuts` is how often the power is cut to measure how long that takes. `begin` is called with the name of
    each step in front of it, `told` with its finding. A step that builds on one that failed is not tried; an
    instrument that is missing keeps none of the others from being tried.
    """
    found: list[Finding] = []
    failed: set[str] = set()

    def note(finding: Finding) -> None:
        found.append(finding)
        told(finding)

    with open_rig(file) as rig:
        began = time.perf_counter()
        begin("bench: ready")
        try:
            rig.begin_case("check", 0)
        except HilError as error:
            text = with_remedy(str(error))
            # The others are looked at all the same: who sets up a bench wants to know of all that is wrong.
            note(Finding("bench", "ready", "failed", text, round(time.perf_counter() - began, 3)))
        for step in (*steps(rig), *cut_steps(rig, cuts)):
            name = f"{step.instrument}: {step.name}"
            lacking = next((each for each in step.after if each in failed), None)
            if lacking is not None:
                failed.add(name)
                note(Finding(step.instrument, step.name, "not tried", f"needs {lacking}", 0.0))
                continue
            begin(name)
            note(_tried(step))
            if not found[-1].ok:
                failed.add(name)
        began = time.perf_counter()
        try:
            # In good order: the probe lets go of the device before the power goes.
            rig.end_case(failed=False)
        except HilError as error:
            note(Finding("bench", "end", "failed", str(error), round(time.perf_counter() - began, 3)))
    return found


def _tried(step: Step) -> Finding:
    began = time.perf_counter()
    outcome: Outcome = "ok"
    try:
        said = step.run()
    except HilError as error:
        outcome, said = "failed", Said(with_remedy(str(error)))
    seconds = round(time.perf_counter() - began, 3)
    return Finding(step.instrument, step.name, outcome, said.text, seconds, said.figures)
