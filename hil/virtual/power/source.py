"""What feeds a rail: a bench supply following a voltage profile, or a battery.

Between two breakpoints an open-circuit voltage is a straight line in time as long as the current does not
change, so the rail can compute the exact tick at which a threshold is crossed instead of sampling.
"""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from typing import Protocol

from hil.virtual.kernel import TICKS_PER_SECOND


class Source(Protocol):
    """A voltage behind a series resistance; volts, ohms, amperes, kernel ticks."""

    resistance: float

    def draw(self, until: int, current: float) -> None:
        """Account for ``current`` having flowed since the last call."""

    def voltage(self, now: int, current: float) -> float:
        """Open-circuit voltage at ``now``, with ``current`` flowing since the last ``draw``."""

    def breakpoint(self, now: int, current: float) -> int | None:
        """First tick after ``now`` at which the slope changes; None when it never does."""

    def save(self) -> object: ...

    def restore(self, state: object) -> None: ...


class Profile:
    """An ideal supply: piecewise linear voltage over time, constant before the first and after the last
    point.
    """

    def __init__(self, volts: float = 0.0, resistance: float = 0.0) -> None:
        self.resistance = resistance
        self.points: list[tuple[int, float]] = [(0, volts)]

    def set_points(self, points: Sequence[tuple[int, float]]) -> None:
        """Replace the profile; two points at the same tick make a step (the later one holds from that
        tick).
        """
        if not points:
            raise ValueError("a voltage profile needs at least one point")
        if any(later[0] < earlier[0] for earlier, later in itertools.pairwise(points)):
            raise ValueError("the points of a voltage profile go forward in time")
        self.points = list(points)

    def draw(self, until: int, current: float) -> None:
        """An ideal supply does not run down."""

    def voltage(self, now: int, current: float) -> float:
        before = self.points[0]
        for point in self.points:
            if point[0] > now:
                if before[0] >= point[0] or now < before[0]:
                    return before[1]
                return before[1] + (point[1] - before[1]) * (now - before[0]) / (point[0] - before[0])
            before = point
        return before[1]

    def breakpoint(self, now: int, current: float) -> int | None:
        return next((when for when, _ in self.points if when > now), None)

    def save(self) -> object:
        return list(self.points), self.resistance

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        points, self.resistance = state
        self.points = list(points)


CR2032_CURVE: tuple[tuple[float, float], ...] = (
    (0.0, 1.8),
    (0.05, 2.3),
    (0.15, 2.6),
    (0.3, 2.75),
    (0.9, 2.95),
    (1.0, 3.05),
)
"""Open-circuit voltage by remaining charge of a lithium coin cell: flat, then a knee, as data sheets draw
it.
"""


class Battery:
    """A cell: open-circuit voltage by remaining charge (0..1), internal resistance in ohms, capacity in
    coulombs.
    """

    def __init__(
        self,
        *,
        capacity: float = 0.22 * 3600,
        resistance: float = 12.0,
        charge: float = 1.0,
        curve: Sequence[tuple[float, float]] = CR2032_CURVE,
    ) -> None:
        if capacity <= 0 or resistance < 0 or not 0 <= charge <= 1:
            raise ValueError("a battery needs capacity > 0 C, resistance >= 0 ohm and charge within 0..1")
        if len(curve) < 2 or any(high[0] <= low[0] for low, high in itertools.pairwise(curve)):
            raise ValueError("a battery's curve needs two or more points of rising charge")
        self.capacity = capacity
        self.resistance = resistance
        self.charge = charge
        self.curve = tuple(curve)
        self._since = 0

    def draw(self, until: int, current: float) -> None:
        self.charge = self._charge_at(until, current)
        self._since = until

    def voltage(self, now: int, current: float) -> float:
        charge = self._charge_at(now, current)
        low = self.curve[0]
        if charge <= low[0]:
            return low[1]
        for high in self.curve[1:]:
            if charge <= high[0]:
                return low[1] + (high[1] - low[1]) * (charge - low[0]) / (high[0] - low[0])
            low = high
        return low[1]

    def breakpoint(self, now: int, current: float) -> int | None:
        if current <= 0:
            return None
        charge = self._charge_at(now, current)
        below = [point[0] for point in self.curve if point[0] < charge]
        if not below:
            return None
        seconds = (charge - max(below)) * self.capacity / current
        return now + max(1, round(seconds * TICKS_PER_SECOND))

    def save(self) -> object:
        return self.charge, self._since, self.resistance

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        self.charge, self._since, self.resistance = copy.copy(state)

    def _charge_at(self, now: int, current: float) -> float:
        used = current * (now - self._since) / TICKS_PER_SECOND / self.capacity
        return max(0.0, self.charge - used)
