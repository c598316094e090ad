"""RNG: random bytes from the bench's seed (nRF52840 Product Specification, RNG).

The times to start and for each byte, with and without bias correction, are assumed, no source found.
"""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

START = 128 * TICKS_PER_US
BYTE = 30 * TICKS_PER_US
BYTE_CORRECTED = 120 * TICKS_PER_US


class Rng(Peripheral):
    STATE = ("_event",)

    def __init__(self, kit: str, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("RNG", 0x4000_D000, 13, kernel, bus, lines)
        self._random = kernel.random(f"{kit}/rng")
        self._event: Event | None = None
        self.task(0x000, self._start)
        self.task(0x004, self._stop)
        self.VALRDY = self.event(0x100)
        self.interrupts()
        self.shortcuts({0: (self.VALRDY, self._stop)})
        self.CONFIG = self.register(0x504, mask=1)
        self.VALUE = self.register(0x508, read_only=True)

    def on_reset(self, cause: ResetCause) -> None:
        self._stop()

    def _start(self) -> None:
        if self._event is None:
            self._event = self.kernel.after(START + self._byte_time(), self._ready)

    def _stop(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None

    def _byte_time(self) -> int:
        return BYTE_CORRECTED if self.values[self.CONFIG] else BYTE

    def _ready(self) -> None:
        self.values[self.VALUE] = self._random.getrandbits(8)
        self._event = self.kernel.after(self._byte_time(), self._ready)
        self.fire(self.VALRDY)
