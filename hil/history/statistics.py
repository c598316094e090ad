"""Whether a series of figures has changed: robust statistics, no fixed percentage.

The last value is held against those before it by their median and their median absolute deviation (MAD), which one
outlier in four does not move. Its distance in units of 1.4826 MAD, the standard deviation of a normal distribution
(Rousseeuw and Croux, Alternatives to the median absolute deviation, 1993), must exceed THRESHOLD. A virtual bench
repeats its figures to the bit, so its MAD is 0: there, and wherever the noise is smaller, a change must exceed
LEAST_RELEVANT of the median.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

THRESHOLD = 4.0
"""Distances beyond this are a change: of normal noise one in 16,000 is."""
LEAST_RELEVANT = 0.01
"""Smaller changes, as a share of the median, are nobody's concern, however exact the series is."""
LEAST_RUNS = 4
"""Values before the last one that are needed to say anything."""
WINDOW = 20
"""Values before the last one that are looked at."""

Verdict = Literal["too short", "steady", "better", "worse", "changed"]

_HIGHER_IS_BETTER = ("B/s", "kB/s")
_LOWER_IS_BETTER = ("s", "ms")


@dataclass(frozen=True)
class Change:
    """What became of the last value of a series."""

    verdict: Verdict
    value: float
    median: float
    spread: float
    """1.4826 MAD of the values before, or what LEAST_RELEVANT allows if that is more."""

    @property
    def percent(self) -> float:
        """The change in percent of the median; 0 where the median is 0."""
        return 100 * (self.value - self.median) / abs(self.median) if self.median else 0.0


def change(series: Sequence[float], unit: str) -> Change:
    """Judge the last value of a series, oldest first. What is better follows from the unit, if from anything."""
    if not series:
        raise ValueError("a series needs a value")
    last, before = series[-1], list(series[-1 - WINDOW : -1])
    if len(before) < LEAST_RUNS:
        return Change("too short", last, statistics.median(before) if before else last, 0.0)
    median = statistics.median(before)
    deviation = 1.4826 * statistics.median(abs(value - median) for value in before)
    least = LEAST_RELEVANT * abs(median)
    limit = max(THRESHOLD * deviation, least)
    distance = last - median
    if abs(distance) <= limit:
        return Change("steady", last, median, max(deviation, least))
    return Change(_direction(distance, unit), last, median, max(deviation, least))


def _direction(distance: float, unit: str) -> Verdict:
    if unit in _HIGHER_IS_BETTER:
        return "better" if distance > 0 else "worse"
    if unit in _LOWER_IS_BETTER:
        return "better" if distance < 0 else "worse"
    return "changed"


def sparkline(series: Sequence[float], width: int = 24) -> str:
    """The last values as a line of blocks, lowest to highest."""
    shown = list(series[-width:])
    if not shown:
        return ""
    low, high = min(shown), max(shown)
    blocks = "▁▂▃▄▅▆▇█"
    span = high - low
    return "".join(blocks[3] if span == 0 else blocks[round((value - low) / span * 7)] for value in shown)
