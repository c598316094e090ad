"""EGU: events that software triggers, shared with the SWI interrupts (nRF52840 Product Specification, EGU)."""

from __future__ import annotations

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral

CHANNELS = 16


class Egu(Peripheral):
    def __init__(self, index: int, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__(f"EGU{index}", 0x4001_4000 + 0x1000 * index, 20 + index, kernel, bus, lines)
        self.TRIGGERED = [self.event(0x100 + 4 * n) for n in range(CHANNELS)]
        for n in range(CHANNELS):
            self.task(4 * n, self.fire, self.TRIGGERED[n])
        self.interrupts(inten=True)
