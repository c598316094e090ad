"""How far virtual time may go: as far as wall time has, and no further."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable

from hil.virtual.kernel import TICKS_PER_SECOND

log = logging.getLogger(__name__)

LAG_LIMIT_S = 0.25
"""A bench that is behind by less catches up; one that is behind by more gives the time up for lost."""


class Pacer:
    """Maps wall time to ticks of the kernel, one to one.

    `clock` gives seconds that never run backwards. Virtual time may fall behind; it is never let ahead.
    """

    def __init__(self, now: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._first_tick = self._base_tick = now
        self._first_second = self._base_second = clock()
        self.slips = 0
        """How often time was given up for lost."""
        self.lost_seconds = 0.0
        """Wall time that virtual time did not follow, s."""

    def due(self, now: int) -> int:
        """The tick that belongs to this moment; `now`, where the kernel stands, tells whether it keeps up."""
        second = self._clock()
        tick = self._base_tick + round((second - self._base_second) * TICKS_PER_SECOND)
        lag = (tick - now) / TICKS_PER_SECOND
        if lag <= LAG_LIMIT_S:
            return tick
        if not self.slips:
            log.warning(
                "this host is too slow for real time, or was stopped: virtual time is %.2f s behind and stays so "
                "(told once; counted at the end)",
                lag,
            )
        self.slips += 1
        self.lost_seconds += lag
        self._base_tick, self._base_second = now, second
        return now

    def seconds_until(self, tick: int) -> float:
        """Wall time until `tick` may be reached, s; negative when it is overdue."""
        return (tick - self._base_tick) / TICKS_PER_SECOND - (self._clock() - self._base_second)

    def summary(self, now: int) -> str:
        """One line: virtual time, wall time, their ratio, and what was lost."""
        virtual = (now - self._first_tick) / TICKS_PER_SECOND
        wall = self._clock() - self._first_second
        ratio = virtual / wall if wall > 0 else 1.0
        return (
            f"{virtual:.3f} s of virtual time in {wall:.3f} s of wall time (ratio {ratio:.4f}), "
            f"{self.slips} slips, {self.lost_seconds:.3f} s lost"
        )
