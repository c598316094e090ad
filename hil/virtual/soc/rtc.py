"""RTC: 24-bit counter of LFCLK periods (nRF52840 Product Specification, RTC).

The counter is computed from the time, never ticked. An event exists only while INTEN or EVTEN enables it,
so only those are scheduled. LFCLK edges lie at whole multiples of its period since time 0.

A task takes effect with the rising edge of LFCLK that follows the next falling one, 15 to 46 us later; the first
increment after START comes with that very edge. While LFCLK does not run tasks take effect at once: assumed, no
source found. Kinder than the chip: a CC written one above the counter always matches, where the chip guarantees
two.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hil.virtual.kernel import TICKS_PER_LFCLK, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.clock import Clock
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

WRAP = 1 << 24


class Rtc(Peripheral):
    STATE = ("_started", "_counting", "_base", "_base_edge", "_evten", "_event", "_tasks", "_tasks_event")

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
        self._tasks: list[str] = []
        """Tasks that wait for their edge."""
        self._tasks_event: Event | None = None
        self._actions: dict[str, Callable[[int], None]] = {
            "START": self._start,
            "STOP": self._stop,
            "CLEAR": partial(self._set_counter, 0),
            "TRIGOVRFLW": partial(self._set_counter, 0xFF_FFF0),
        }
        for offset, name in ((0x000, "START"), (0x004, "STOP"), (0x008, "CLEAR"), (0x00C, "TRIGOVRFLW")):
            self.task(offset, self._trigger, name)
        self.TICK = self.event(0x100)
        self.OVRFLW = self.event(0x104)
        self.COMPARE = [self.event(0x140 + 4 * n) for n in range(compares)]
        self.interrupts()
        self._possible = sum(self.event_bits.values())
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
        self.kernel.cancel(self._tasks_event)
        self._tasks = []
        self._started = self._counting = False
        self._base = 0
        self._evten = 0

    def observed_changed(self) -> None:
        self._schedule()

    def _trigger(self, name: str) -> None:
        if not self._clock.lfclk_running:
            self._actions[name](self.kernel.now // TICKS_PER_LFCLK + 1)
            return
        self._tasks.append(name)
        if len(self._tasks) == 1:
            # Number of the rising edge behind the next falling one; falling edges lie in the middle.
            edge = -((TICKS_PER_LFCLK - 2 * self.kernel.now) // (2 * TICKS_PER_LFCLK)) + 1
            self._tasks_event = self.kernel.at(edge * TICKS_PER_LFCLK, self._edge)

    def _edge(self) -> None:
        """The tasks triggered since the last one take effect."""
        tasks, self._tasks = self._tasks, []
        for name in tasks:
            self._actions[name](self.kernel.now // TICKS_PER_LFCLK)

    def _start(self, edge: int) -> None:
        if self._started:
            return
        self._started = True
        self._clock_changed()
        self._base_edge = edge - 1
        if self._counting and self.values[self.PRESCALER] == 0:
            self._incremented()
        else:
            self._schedule()

    def _stop(self, edge: int) -> None:
        self._settle()
        self._started = self._counting = False
        self._schedule()

    def _set_counter(self, counter: int, edge: int) -> None:
        self._base = counter
        self._base_edge = edge
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
        self._evten = value & self._possible
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
        """The counter has just taken a value that an enabled event may wait for."""
        self.kernel.cancel(self._event)
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
