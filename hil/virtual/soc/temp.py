"""TEMP: die temperature in quarters of a degree (nRF52840 Product Specification, TEMP).

The time of a measurement is assumed, no source found.
"""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import WORD, InterruptLines, Peripheral, ResetCause

MEASUREMENT = 36 * TICKS_PER_US
SLOPES = (0x326, 0x348, 0x3AA, 0x40E, 0x4BD, 0x5A3)
OFFSETS = (0x3FEF, 0x3FBE, 0x3FBE, 0x012, 0x124, 0x27C)
ENDS = (0xE2, 0x00, 0x19, 0x3C, 0x50)
"""Reset values of A0 to A5, B0 to B5 and T0 to T4."""


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
        for first, mask, resets in ((0x520, 0xFFF, SLOPES), (0x540, 0x3FFF, OFFSETS), (0x560, 0xFF, ENDS)):
            for index, reset in enumerate(resets):
                self.register(first + 4 * index, reset=reset, mask=mask)

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
