"""Runs a sweep from a scenario to its result."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from hil.rig.machine import open_machine
from hil.rig.schema import RigFile
from hil.sweep import result
from hil.sweep.content import Base
from hil.sweep.explore import Explorer
from hil.sweep.judge import Judge
from hil.sweep.scenario import Scenario
from hil.sweep.tears import DEPTHS

Watcher = Callable[[Explorer, float], None]
"""Told now and then how far it is, and the seconds since the beginning."""

_TELL_S = 0.5
ROUNDS = ((0.05, 0.0), (0.3, 0.0005), (1.0, 0.002), (1.0, 0.02), (1.0, 0.2), (1.0, 1.0))
"""With a budget, the shares of the operations where it matters and of the bulk that are cut, round by round:
what there is time for is spread over all of them.
"""


def sweep(
    rig: RigFile,
    scenario: Scenario,
    *,
    depths: tuple[float, ...] = DEPTHS,
    check: float = 0.05,
    seed: int = 0,
    budget_s: float | None = None,
    most_points: int | None = None,
    most_cuts: int | None = None,
    size: int | None = None,
    enough: int | None = None,
    remember_crypto: bool = False,
    watch: Watcher = lambda explorer, seconds: None,
    judge: Judge | None = None,
) -> dict[str, Any]:
    """Explore until nothing is left, until `enough` violations are found, until `budget_s` seconds of the
    wall clock are over or `most_points` cuts are decided, or until Ctrl-C.

    What was found by then is returned in each case.
    """
    began = time.monotonic()
    pure = scenario.pure if remember_crypto else None
    machine = open_machine(rig, scenario.flash, scenario.fixed, pure=pure, uicr=scenario.uicr)
    judging = judge or Judge(scenario)
    explorer = Explorer(
        machine, Base(scenario.flash, scenario.uicr), judging, depths=depths, check=check, seed=seed
    )
    told = 0.0
    stopped = ""

    def go_on() -> bool:
        nonlocal told, stopped
        now = time.monotonic() - began
        if now - told >= _TELL_S:
            told = now
            watch(explorer, now)
        if enough is not None and len(judging.violations) >= enough:
            stopped = f"stopped after {len(judging.violations)} violations"
            return False
        if most_points is not None and explorer.counts.points >= most_points:
            stopped = f"stopped after {explorer.counts.points} points"
            return False
        if budget_s is not None and now >= budget_s:
            stopped = f"stopped after the budget of {budget_s:g} s"
            return False
        return True

    closed = False
    try:
        explorer.first()
        bounded = budget_s is not None or most_points is not None
        for shares in ROUNDS if bounded else ROUNDS[-1:]:
            explorer.sample(*shares)
            closed = explorer.close(go_on)
            if stopped:
                break
        if closed and explorer.bounded:
            closed, stopped = False, f"bounded to {most_cuts} cuts in a row"
    except KeyboardInterrupt:
        stopped = "interrupted"
    judging.finish(explorer)
    return result.told(
        scenario,
        explorer,
        judging,
        closed=closed,
        stopped=stopped,
        seconds=time.monotonic() - began,
        instructions=machine.instructions,
        remembered=machine.remembered,
        settings={
            "depths": list(depths),
            "check": check,
            "seed": seed,
            "budget_seconds": budget_s,
            "most_points": most_points,
            "most_cuts": most_cuts,
            "size": size,
            "remember_crypto": remember_crypto,
        },
    )
