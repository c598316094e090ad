"""TIMER: counter from the 16 MHz clock or of COUNT tasks (nRF52840 Product Specification, TIMER).

The counter is computed from the time. A compare that nothing observes (no interrupt, shortcut or PPI
channel) is not scheduled: its event register is worked out when somebody reads it.
"""

from __future__ import annotations

from functools import partial

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

TICKS_PER_16MHZ = TICKS_PER_US // 16
BITS = (16, 8, 24, 32)
TIMER_MODE = 0


class Timer(Peripheral):
    STATE = ("_running", "_base", "_base_time", "_settled_total", "_event")

    def __init__(
        self, index: int, base: int, irq: int, compares: int, kernel: Kernel, bus: Bus, lines: InterruptLines
    ) -> None:
        super().__init__(f"TIMER{index}", base, irq, kernel, bus, lines)
        self._running = False
        self._base = 0
        self._base_time = 0
        self._settled_total = 0
        self._event: Event | None = None
        self.task(0x000, self._start)
        self.task(0x004, self._stop)
        self.task(0x008, self._count)
        self.task(0x00C, self._clear)
        self.task(0x010, self._shutdown)
        self.COMPARE = [self.event(0x140 + 4 * n, self._settle) for n in range(compares)]
        for n in range(compares):
            self.task(0x040 + 4 * n, self._capture, n)
        self.interrupts()
        clears = {n: (self.COMPARE[n], self._clear) for n in range(compares)}
        stops = {8 + n: (self.COMPARE[n], self._stop) for n in range(compares)}
        self.shortcuts(clears | stops)
        self.MODE = self.register(0x504, mask=3, write=partial(self._write_setting, 0x504, 3))
        self.BITMODE = self.register(0x508, mask=3, write=partial(self._write_setting, 0x508, 3))
        self.PRESCALER = self.register(0x510, reset=4, mask=15, write=partial(self._write_setting, 0x510, 15))
        self.CC = [
            self.register(0x540 + 4 * n, write=partial(self._write_cc, 0x540 + 4 * n))
            for n in range(compares)
        ]

    def on_reset(self, cause: ResetCause) -> None:
        self.kernel.cancel(self._event)
        self._running = False
        self._base = self._settled_total = 0

    def observed_changed(self) -> None:
        self._settle()
        self._schedule()

    @property
    def _modulus(self) -> int:
        return 1 << BITS[self.values[self.BITMODE]]

    @property
    def _period(self) -> int:
        return TICKS_PER_16MHZ << min(self.values[self.PRESCALER], 9)

    def _total(self) -> int:
        """The count without wrapping, since it was last cleared."""
        if self._running and self.values[self.MODE] == TIMER_MODE:
            return self._base + (self.kernel.now - self._base_time) // self._period
        return self._base

    def _rebase(self) -> None:
        """Continue from the present count, keeping the phase of the prescaler."""
        total = self._total()
        if self._running and self.values[self.MODE] == TIMER_MODE:
            self._base_time += (total - self._base) * self._period
        self._base = total

    def _start(self) -> None:
        if not self._running:
            self._running = True
            self._base_time = self.kernel.now
            self._schedule()

    def _stop(self) -> None:
        self._settle()
        self._rebase()
        self._running = False
        self._schedule()

    def _shutdown(self) -> None:
        self._stop()
        self._clear()

    def _clear(self) -> None:
        self._settle()
        self._base = self._settled_total = 0
        self._base_time = self.kernel.now
        self._schedule()

    def _count(self) -> None:
        if self._running and self.values[self.MODE] != TIMER_MODE:
            self._base += 1
            self._settle()

    def _capture(self, index: int) -> None:
        self._settle()
        self.values[self.CC[index]] = self._total() % self._modulus
        self._schedule()

    def _write_setting(self, offset: int, mask: int, value: int) -> None:
        self._settle()
        self._rebase()
        self.values[offset] = value & mask
        self._schedule()

    def _write_cc(self, offset: int, value: int) -> None:
        self._settle()
        self.values[offset] = value
        self._schedule()

    def on_event_written(self, offset: int) -> None:
        # A compare that matched before this write must not show up after it.
        value = self.values[offset]
        self._settle()
        self.values[offset] = value

    def _settle(self) -> None:
        """Bring the compare events up to now."""
        total = self._total()
        if total <= self._settled_total:
            return
        modulus = self._modulus
        matched = []
        for compare, register in zip(self.COMPARE, self.CC, strict=True):
            # Of CC only the bits that BITMODE leaves count.
            distance = (self.values[register] - self._settled_total - 1) % modulus + 1
            if self._settled_total + distance <= total:
                matched.append(compare)
        self._settled_total = total
        for compare in matched:
            self.fire(compare)

    def _schedule(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None
        if not self._running or self.values[self.MODE] != TIMER_MODE:
            return
        modulus = self._modulus
        total = self._total()
        distances = [
            (self.values[register] - total - 1) % modulus + 1
            for compare, register in zip(self.COMPARE, self.CC, strict=True)
            if self.observed(compare)
        ]
        if distances:
            counts = total + min(distances) - self._base
            self._event = self.kernel.at(self._base_time + counts * self._period, self._matched)

    def _matched(self) -> None:
        self._event = None
        self._settle()
        self._schedule()
