"""RTC: 24-bit counter of LFCLK periods (nRF52840 Product Specification, RTC).

The counter is computed from the time, never ticked. An event exists only while INTEN or EVTEN enables it,
so only those are scheduled. LFCLK edges lie at whole multiples of its period since time 0.

Kinder than the chip: tasks take effect at once, not at an LFCLK edge or later, and a CC written one above the
counter always matches, where the chip guarantees two.
"""

from __future__ import annotations

from functools import partial

from hil.virtual.kernel import TICKS_PER_LFCLK, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.clock import Clock
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

WRAP = 1 << 24


class Rtc(Peripheral):
    STATE = ("_started", "_counting", "_base", "_base_edge", "_evten", "_event")

    def __init__(
        self,
        index: int,
        base: int,
        irq: int,
        compares: int,
        clock: Clock,
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__(f"RTC{index}", base, irq, kernel, bus, lines)
        self._clock = clock
        clock.on_lfclk.append(self._clock_changed)
        self._started = False
        self._counting = False
        self._base = 0
        self._base_edge = 0
        self._evten = 0
        self._event: Event | None = None
        self.task(0x000, self._start)
        self.task(0x004, self._stop)
        self.task(0x008, self._clear)
        self.task(0x00C, self._trigger_overflow)
        self.TICK = self.event(0x100)
        self.OVRFLW = self.event(0x104)
        self.COMPARE = [self.event(0x140 + 4 * n) for n in range(compares)]
        self.interrupts()
        bus.register(base + 0x340, self._read_evten, self._write_evten)
        bus.register(base + 0x344, self._read_evten, self._set_evten)
        bus.register(base + 0x348, self._read_evten, self._clear_evten)
        self.register(0x504, read=self.counter, read_only=True)
        self.PRESCALER = self.register(0x508, mask=0xFFF, write=self._write_prescaler)
        self.CC = [
            self.register(0x540 + 4 * n, write=partial(self._write_cc, 0x540 + 4 * n))
            for n in range(compares)
        ]

    def counter(self) -> int:
        """The counter now."""
        if not self._counting:
            return self._base
        return (self._base + self._increments(self.kernel.now)) % WRAP

    def on_reset(self, cause: ResetCause) -> None:
        self.kernel.cancel(self._event)
        self._started = self._counting = False
        self._base = 0
        self._evten = 0

    def observed_changed(self) -> None:
        self._schedule()

    def _start(self) -> None:
        self._started = True
        self._clock_changed()

    def _stop(self) -> None:
        self._settle()
        self._started = self._counting = False
        self._schedule()

    def _clear(self) -> None:
        self._rebase(0)

    def _trigger_overflow(self) -> None:
        self._rebase(0xFF_FFF0)

    def _rebase(self, counter: int) -> None:
        self._base = counter
        self._base_edge = self.kernel.now // TICKS_PER_LFCLK
        self._schedule()

    def _settle(self) -> None:
        self._base = self.counter()
        self._base_edge = self.kernel.now // TICKS_PER_LFCLK

    def _clock_changed(self) -> None:
        """START, or LFCLK started or stopped: count from here on if both run."""
        self._settle()
        self._counting = self._started and self._clock.lfclk_running
        self._schedule()

    def _write_prescaler(self, value: int) -> None:
        # Only writable while the RTC is stopped.
        if not self._started:
            self.values[self.PRESCALER] = value & 0xFFF

    def _write_cc(self, offset: int, value: int) -> None:
        self.values[offset] = value & (WRAP - 1)
        self._schedule()

    def _read_evten(self) -> int:
        return self._evten

    def _write_evten(self, value: int) -> None:
        self._evten = value
        self._schedule()

    def _set_evten(self, value: int) -> None:
        self._write_evten(self._evten | value)

    def _clear_evten(self, value: int) -> None:
        self._write_evten(self._evten & ~value)

    def _increments(self, now: int) -> int:
        return (now // TICKS_PER_LFCLK - self._base_edge) // (self.values[self.PRESCALER] + 1)

    def _next(self, offset: int) -> int | None:
        """Increments since the base at which the event ``offset`` comes next, if it is enabled."""
        if not self.event_bits[offset] & (self.inten | self._evten):
            return None
        done = self._increments(self.kernel.now)
        if offset == self.TICK:
            return done + 1
        target = 0 if offset == self.OVRFLW else self.values[self.CC[self.COMPARE.index(offset)]]
        return done + ((target - self._base - done - 1) % WRAP) + 1

    def _schedule(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None
        if not self._counting:
            return
        wanted = [self._next(offset) for offset in self.event_bits]
        increments = min((count for count in wanted if count is not None), default=None)
        if increments is not None:
            edge = self._base_edge + increments * (self.values[self.PRESCALER] + 1)
            self._event = self.kernel.at(edge * TICKS_PER_LFCLK, self._incremented)

    def _incremented(self) -> None:
        """The counter has just taken a value that an enabled event waits for."""
        self._event = None
        counter = self.counter()
        enabled = self.inten | self._evten
        due = [self.TICK] if self.event_bits[self.TICK] & enabled else []
        if counter == 0 and self.event_bits[self.OVRFLW] & enabled:
            due.append(self.OVRFLW)
        for compare, register in zip(self.COMPARE, self.CC, strict=True):
            if self.event_bits[compare] & enabled and self.values[register] == counter:
                due.append(compare)
        for offset in due:
            self.fire(offset)
        self._schedule()
