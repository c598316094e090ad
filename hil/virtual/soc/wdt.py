"""WDT: watchdog timer on LFCLK (nRF52840 Product Specification, WDT).

Once started it cannot be stopped or reconfigured until the next reset that reaches it: soft and lockup
resets do not; pin, watchdog and power resets and the wake-up from System OFF do. The watchdog keeps LFRC
running by itself. "Once the TIMEOUT event has been generated, the impending watchdog reset will always be
effectuated": reload requests come too late then, and so does a pause.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hil.virtual.kernel import TICKS_PER_LFCLK, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import WORD, InterruptLines, Peripheral, ResetCause

RELOAD = 0x6E52_4635
RUN_IN_SLEEP, RUN_IN_HALT = 1, 8
RESET_DELAY = 2 * TICKS_PER_LFCLK


class Wdt(Peripheral):
    """``on_bite`` resets the chip; ``set_sleeping`` and ``set_halted`` tell what the CPU does."""

    STATE = ("running", "_requests", "_event", "_left", "_sleeping", "_halted", "_timed_out")

    def __init__(self, kernel: Kernel, bus: Bus, lines: InterruptLines, on_bite: Callable[[], None]) -> None:
        super().__init__("WDT", 0x4001_0000, 16, kernel, bus, lines)
        self.on_bite = on_bite
        self.running = False
        self._timed_out = False
        self._requests = 0
        self._event: Event | None = None
        self._left: int | None = None
        self._sleeping = False
        self._halted = False
        self.task(0x000, self._start)
        self.TIMEOUT = self.event(0x100)
        self.interrupts()
        self.register(0x400, read=self._runstatus, read_only=True)
        self.register(0x404, read=self._reqstatus, read_only=True)
        self.CRV = self.register(0x504, reset=WORD, write=partial(self._write_locked, 0x504, WORD))
        self.RREN = self.register(0x508, reset=1, write=partial(self._write_locked, 0x508, 0xFF))
        self.CONFIG = self.register(0x50C, reset=1, write=partial(self._write_locked, 0x50C, 9))
        for n in range(8):
            bus.register(self.base + 0x600 + 4 * n, None, partial(self._reload, n))

    def reset(self, cause: ResetCause) -> None:
        if cause not in (ResetCause.SOFT, ResetCause.LOCKUP, ResetCause.DEBUG):
            super().reset(cause)

    def on_reset(self, cause: ResetCause) -> None:
        self.kernel.cancel(self._event)
        self._event = self._left = None
        self.running = self._timed_out = False
        self._requests = 0

    def set_sleeping(self, sleeping: bool) -> None:
        self._sleeping = sleeping
        self._pause()

    def set_halted(self, halted: bool) -> None:
        self._halted = halted
        self._pause()

    def _runstatus(self) -> int:
        return int(self.running)

    def _reqstatus(self) -> int:
        # Before the start all enabled requests read as pending.
        return self._requests if self.running else self.values[self.RREN]

    def _write_locked(self, offset: int, mask: int, value: int) -> None:
        if not self.running:
            self.values[offset] = max(value, 0xF) if offset == self.CRV else value & mask

    def _start(self) -> None:
        if not self.running:
            self.running = True
            self._restart()

    def _reload(self, index: int, value: int) -> None:
        if value != RELOAD or not self.running or self._timed_out:
            return
        self._requests &= ~(1 << index)
        if self._requests == 0:
            self._restart()

    def _restart(self) -> None:
        self._requests = self.values[self.RREN]
        self.kernel.cancel(self._event)
        self._event = None
        self._left = (self.values[self.CRV] + 1) * TICKS_PER_LFCLK
        self._pause()

    def _pause(self) -> None:
        """Count or hold, by CONFIG and by what the CPU does."""
        config = self.values[self.CONFIG]
        hold = (self._sleeping and not config & RUN_IN_SLEEP) or (self._halted and not config & RUN_IN_HALT)
        if not self.running or self._timed_out:
            return
        if hold and self._event is not None and self._event.pending and self._left is None:
            self._left = max(0, self._event.when - self.kernel.now)
            self.kernel.cancel(self._event)
        elif not hold and self._left is not None:
            self._event = self.kernel.after(self._left, self._timeout)
            self._left = None

    def _timeout(self) -> None:
        self._timed_out = True
        self.fire(self.TIMEOUT)
        # With the interrupt enabled, software gets two LFCLK periods to save what it can.
        delay = RESET_DELAY if self.inten & self.event_bits[self.TIMEOUT] else 0
        self._event = self.kernel.after(delay, self.on_bite)
