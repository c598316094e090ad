"""Sags, notches, bounces: a voltage over time, played on a supply point by point."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hil.errors import InputError
from hil.supply.base import Limits, Ramp

MAX_POINTS = 10_000


class Playable(Protocol):
    """The part of a supply that a shape is played on."""

    @property
    def max_volts(self) -> float: ...

    @property
    def max_amperes(self) -> float: ...

    def set_volts(self, volts: float) -> None: ...

    def ramp(self, start: float, stop: float, seconds: float) -> Ramp: ...


def play(
    supply: Playable, start: float, points: Sequence[tuple[float, float]], sleep: Callable[[float], None]
) -> None:
    """Let the voltage go from `start` through `points`, each (seconds, volts): a straight line of so many seconds to so
    many volts. A time of 0 is a step. Returns at the end of the last line.

    All points are checked before the first is played: InputError for one above the supply's limit, that is not
    finite or whose time is negative, and for more than `MAX_POINTS`.
    """
    limits = Limits(supply.max_volts, supply.max_amperes)
    if len(points) > MAX_POINTS:
        raise InputError(f"supply: a shape of {len(points)} points; {MAX_POINTS} at most")
    limits.volts(start)
    for seconds, volts in points:
        limits.volts(volts)
        if seconds != 0:
            limits.seconds(seconds)
    now = start
    for seconds, volts in points:
        if seconds == 0:
            supply.set_volts(volts)
        elif volts == now:
            sleep(seconds)
        else:
            left = supply.ramp(now, volts, seconds).left_seconds
            if left > 0:
                sleep(left)
        now = volts
