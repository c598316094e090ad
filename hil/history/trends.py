"""What the history says of a case: changes of its figures, and whether it is flaky or broken."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from hil.history.statistics import Change, change
from hil.history.store import Point, Result

State = Literal["holds", "broken", "flaky", "bench", "skipped"]


@dataclass(frozen=True)
class Trend:
    """One figure of one instance over the runs, and what became of it last."""

    instance: str
    name: str
    unit: str
    values: tuple[float, ...]
    run: str
    """The run of the last value."""
    change: Change


@dataclass(frozen=True)
class Health:
    """What can be said of one instance of a case."""

    instance: str
    state: State
    since: str | None
    """Broken: the first run of the unbroken row of failures. Flaky: the latest run that differed."""
    last_good: str | None
    text: str


def trends(points: Iterable[Point], until: str | None = None) -> list[Trend]:
    """A trend for each figure; with `until`, of the runs up to that one, and only of figures that it has."""
    series: dict[tuple[str, str], list[Point]] = defaultdict(list)
    done: set[tuple[str, str]] = set()
    for point in points:
        key = (point.instance, point.name)
        if key not in done:
            series[key].append(point)
            if point.run == until:
                done.add(key)
    found = []
    for key, listed in sorted(series.items()):
        last = listed[-1]
        if until is None or key in done:
            values = tuple(point.value for point in listed)
            found.append(Trend(*key, last.unit, values, last.run, change(values, last.unit)))
    return found


def health(results: Iterable[Result]) -> list[Health]:
    """Tell, for each instance, flaky from broken.

    Flaky: the same firmware and the same seed once passed and once failed, so that nothing that was changed can be the
    reason. Broken: it has failed in each run since some run. What a bench's trouble prevented counts as neither.
    """
    by_instance: dict[str, list[Result]] = defaultdict(list)
    for result in results:
        by_instance[result.instance].append(result)
    return [_judge(instance, listed) for instance, listed in sorted(by_instance.items())]


def _judge(instance: str, listed: list[Result]) -> Health:
    told = [result for result in listed if result.outcome in ("passed", "failed")]
    if not told:
        outcomes = {result.outcome for result in listed}
        if "error" in outcomes:
            return Health(
                instance, "bench", None, None, "the bench failed each time: nothing is known of the device"
            )
        return Health(instance, "skipped", None, None, "was skipped each time")
    good = next((result.run for result in reversed(told) if result.outcome == "passed"), None)
    same: dict[tuple[str, int, str], set[str]] = defaultdict(set)
    for result in told:
        same[(result.firmware, result.seed, result.bench)].add(result.outcome)
    if any(len(outcomes) > 1 for outcomes in same.values()):
        last = told[-1]
        failed = sum(result.outcome == "failed" for result in told)
        return Health(
            instance,
            "flaky",
            last.run,
            good,
            f"differs with the same firmware and seed: {failed} of {len(told)} runs failed",
        )
    if told[-1].outcome == "passed":
        return Health(instance, "holds", None, good, f"held in the last of {len(told)} runs")
    since = told[-1].run
    for result in reversed(told):
        if result.outcome == "passed":
            break
        since = result.run
    before = f", held last in {good}" if good else ", has never held"
    return Health(instance, "broken", since, good, f"has failed since {since}{before}: {told[-1].reason}")
