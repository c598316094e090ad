"""What a sweep found, as JSON: for people's pages, for the gate, and for `hil sweep replay`."""

from __future__ import annotations

import hashlib
import itertools
from collections import Counter
from collections.abc import Iterator
from typing import Any

from hil import __version__
from hil.rig.machine import FLASH_PAGE, TEAR_MODEL
from hil.sweep.explore import Explorer, Place
from hil.sweep.judge import ORDER, Judge, shortest_paths
from hil.sweep.scenario import Scenario
from hil.sweep.tears import Point

FORMAT = "hil-sweep-1"
MOST_VIOLATIONS = 10
"""Violations of one invariant that are written down with what leads to them; the count is of all."""

COLUMNS = 120
"""Slices of time in the map."""

Json = dict[str, Any]


def told(
    scenario: Scenario,
    explorer: Explorer,
    judge: Judge,
    *,
    closed: bool,
    stopped: str,
    seconds: float,
    instructions: int,
    remembered: Any,
    settings: Json,
) -> Json:
    """The whole result. `stopped` says where an exploration that is not closed ended."""
    counts = explorer.counts
    edges = sum(len(node.next) for node in explorer.nodes)
    verdict = f"{len(explorer.nodes)} states, {edges} edges, {len(judge.violations)} violations"
    return {
        "format": FORMAT,
        "hil": __version__,
        "scenario": scenario.name,
        "sentence": scenario.sentence,
        "firmware": scenario.firmware,
        "flash": hashlib.sha256(scenario.flash).hexdigest(),
        "settings": settings,
        "verdict": f"closed: {verdict}" if closed else f"not closed, {stopped}: {verdict}",
        "closed": closed,
        "tear_model": TEAR_MODEL,
        "invariants": [{"name": each.name, "sentence": each.sentence} for each in (*judge.invariants, ORDER)],
        "counts": {
            "states": len(explorer.nodes),
            "edges": edges,
            "points": counts.points,
            "same_state": counts.same_state,
            "same_cause": counts.same_cause,
            "not_visited": counts.not_visited,
            "booted": counts.booted,
            "checked": counts.checked,
            "joined": explorer.joined,
            "starts_recorded": len(explorer.traces),
            "crypto_executed": remembered.executed if remembered is not None else 0,
            "crypto_answered": remembered.answered if remembered is not None else 0,
            "crypto_compared": remembered.compared if remembered is not None else 0,
        },
        "speed": {
            "seconds": round(seconds, 1),
            "points_per_second": round(counts.points / seconds) if seconds else 0,
            "booted_per_second": round(counts.booted / seconds, 1) if seconds else 0,
            "instructions_per_second": round(instructions / seconds) if seconds else 0,
        },
        "outcomes": dict(Counter(judge.programs.values()) + explorer.outcomes),
        "map": flash_map(explorer, judge),
        "violations": list(_violations(scenario, explorer, judge)),
        "violations_found": len(judge.violations),
    }


def flash_map(explorer: Explorer, judge: Judge) -> Json:
    """Where and when the first start writes, and what became of the cuts there: a cell for each page and
    slice of time.

    A cut is `lost` where an invariant was broken when the device was started after it.
    """
    operations = explorer.traces[0].operations
    if not operations:
        return {"columns": 0, "seconds": 0.0, "cells": []}
    last = operations[-1].seconds or 1.0
    broken = {each.state for each in judge.violations}
    lost: Counter[int] = Counter()
    cuts: Counter[int] = Counter()
    for state in explorer.nodes[0].next:
        place = explorer.nodes[state].place
        if place is not None and place.origin == 0 and place.point is not None:
            cuts[place.operation] += 1
            lost[place.operation] += state in broken
    cells: dict[tuple[int, int], list[int]] = {}
    for index, operation in enumerate(operations):
        column = min(COLUMNS - 1, int(COLUMNS * operation.seconds / last))
        cell = cells.setdefault((operation.address // FLASH_PAGE, column), [index, index, 0, 0])
        cell[1] = index
        cell[2] += cuts[index]
        cell[3] += lost[index]
    return {
        "columns": COLUMNS,
        "seconds": round(last, 6),
        "cells": [
            {"page": page, "column": column, "first": first, "last": end, "cuts": count, "lost": bad}
            for (page, column), (first, end, count, bad) in sorted(cells.items())
        ],
    }


def _violations(scenario: Scenario, explorer: Explorer, judge: Judge) -> Iterator[Json]:
    """Those that are reached by the fewest cuts, and of each kind a few."""
    paths = shortest_paths(explorer, {each.state for each in judge.violations})
    shown: Counter[str] = Counter()
    for each in sorted(judge.violations, key=lambda violation: len(paths[violation.state])):
        if shown[each.invariant] >= MOST_VIOLATIONS:
            continue
        shown[each.invariant] += 1
        path = paths[each.state]
        edges = [explorer.edge(origin, state) for origin, state in itertools.pairwise(path)]
        yield {
            "invariant": each.invariant,
            "text": each.text,
            "path": [step(scenario, explorer, edge) for edge in edges],
        }


def step(scenario: Scenario, explorer: Explorer, place: Place) -> Json:
    """One cut or reset, in words and in the numbers that repeat it."""
    trace = explorer.traces[explorer.nodes[place.origin].starts[place.reading]]
    found: Json = {"reading": place.reading, "operation": place.operation}
    if place.point is None:
        return found | {"point": "reset", "depth": 0.0, "words": "reset after it had settled"}
    operation = trace.operations[place.operation]
    function = scenario.function_at(operation.pc)
    where = f"page {operation.address // FLASH_PAGE}" if operation.kind != "write" else "a word"
    return found | {
        "point": place.point.phase,
        "depth": place.point.depth,
        "kind": operation.kind,
        "address": operation.address,
        "pc": operation.pc,
        "symbol": function,
        "seconds": round(operation.seconds, 6),
        "words": f"{place.point} {operation.kind} of {where} at 0x{operation.address:05x}"
        + (f", in {function}" if function else ""),
    }


def point_of(found: Json) -> Point | None:
    """The point of a step; None for a reset."""
    return None if found["point"] == "reset" else Point(str(found["point"]), float(found["depth"]))
