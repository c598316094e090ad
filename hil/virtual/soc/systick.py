"""SysTick (ARMv7-M Architecture Reference Manual, B3.3): a 24-bit down counter on the CPU clock.

The count is computed from the time when it is asked for; there is an event only while TICKINT wants
an exception.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.virtual.kernel import TICKS_PER_CPU_CYCLE, Event, Kernel

ENABLE, TICKINT, CLKSOURCE, COUNTFLAG = 1 << 0, 1 << 1, 1 << 2, 1 << 16
RELOAD_BITS = 0xFF_FFFF


class SysTick:
    """One SysTick; `pend` pends its exception."""

    def __init__(self, kernel: Kernel, pend: Callable[[], None]) -> None:
        self._kernel = kernel
        self._pend = pend
        self._event: Event | None = None
        self._control = 0
        self._reload = 0
        self._frozen = 0  # the count while it is disabled
        self._zero_at = 0  # the tick it next counts down to 0, while it is enabled
        self._flag = False

    def reset(self) -> None:
        self._kernel.cancel(self._event)
        self._event = None
        self._control = self._reload = self._frozen = self._zero_at = 0
        self._flag = False

    def save(self) -> object:
        return self._event, self._control, self._reload, self._frozen, self._zero_at, self._flag

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        self._event, self._control, self._reload, self._frozen, self._zero_at, self._flag = state

    def read_control(self) -> int:
        """SYST_CSR; reading clears COUNTFLAG."""
        self._settle()
        value = self._control | (COUNTFLAG if self._flag else 0)
        self._flag = False
        return value

    def write_control(self, value: int) -> None:
        self._settle()
        was = self._control
        # The nRF52840 has no external reference clock: CLKSOURCE reads as one.
        self._control = value & (ENABLE | TICKINT) | CLKSOURCE
        if was & ENABLE and not value & ENABLE:
            self._frozen = self._count()
        elif value & ENABLE and not was & ENABLE:
            self._start(self._frozen)
        self._schedule()

    def read_reload(self) -> int:
        return self._reload

    def write_reload(self, value: int) -> None:
        """SYST_RVR: used from the next reload on."""
        self._settle()
        self._reload = value & RELOAD_BITS

    def read_current(self) -> int:
        self._settle()
        return self._count() if self._control & ENABLE else self._frozen

    def write_current(self, value: int) -> None:
        """SYST_CVR: any write clears it, and COUNTFLAG; it reloads on the next clock."""
        del value
        self._flag = False
        self._frozen = 0
        if self._control & ENABLE:
            self._start(0)
            self._schedule()

    def read_calibration(self) -> int:
        """SYST_CALIB: no reference clock, and no calibration value."""
        return 1 << 31

    def _start(self, count: int) -> None:
        cycles = count or self._reload + 1  # one cycle to reload, then down to 0
        self._zero_at = self._kernel.now + cycles * TICKS_PER_CPU_CYCLE

    def _count(self) -> int:
        cycles = -(-(self._zero_at - self._kernel.now) // TICKS_PER_CPU_CYCLE)
        return cycles if cycles <= self._reload else 0

    def _settle(self) -> None:
        """Account for the times the count has reached 0 since it was last looked at."""
        behind = self._kernel.now - self._zero_at
        if not self._control & ENABLE or behind < 0:
            return
        self._flag = True
        period = (self._reload + 1) * TICKS_PER_CPU_CYCLE
        self._zero_at += (behind // period + 1) * period

    def _schedule(self) -> None:
        self._kernel.cancel(self._event)
        self._event = None
        # With a reload value of 0 the counter stops at 0 and there is no exception.
        if self._control & ENABLE and self._control & TICKINT and (self._reload or self._count()):
            self._event = self._kernel.at(self._zero_at, self._expire)

    def _expire(self) -> None:
        self._settle()
        self._event = None
        self._pend()
        self._schedule()
