"""TEMP: die temperature in quarters of a degree (nRF52840 Product Specification, TEMP).

The time of a measurement is assumed, no source found.
"""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import WORD, InterruptLines, Peripheral, ResetCause

MEASUREMENT = 36 * TICKS_PER_US


class Temp(Peripheral):
    """``celsius`` is the temperature the die has."""

    STATE = ("celsius", "_event")

    def __init__(self, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("TEMP", 0x4000_C000, 12, kernel, bus, lines)
        self.celsius = 25.0
        self._event: Event | None = None
        self.task(0x000, self._start)
        self.task(0x004, self._stop)
        self.DATARDY = self.event(0x100)
        self.interrupts()
        self.TEMP = self.register(0x508, read_only=True)
        # Slopes, offsets and end points of the linearisation: drivers copy them from FICR.
        for offset in (*range(0x520, 0x538, 4), *range(0x540, 0x558, 4), *range(0x560, 0x574, 4)):
            self.register(offset)

    def on_reset(self, cause: ResetCause) -> None:
        self._stop()

    def _start(self) -> None:
        self.kernel.cancel(self._event)
        self._event = self.kernel.after(MEASUREMENT, self._ready)

    def _stop(self) -> None:
        self.kernel.cancel(self._event)

    def _ready(self) -> None:
        self.values[self.TEMP] = round(self.celsius * 4) & WORD
        self.fire(self.DATARDY)
