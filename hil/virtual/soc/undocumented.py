"""Registers that no specification names, and that Nordic's start-up code and drivers touch for an anomaly.

They hold what is written and do nothing: the anomalies they work around are not in the model. Addresses and
anomalies are those of Nordic's nrfx.
"""

from __future__ import annotations

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral

ANOMALIES = {
    0x4000_0638: 197,  # POWER: DCDC of REG0
    0x4000_0C34: 192,  # CLOCK: LFRC calibration
    0x4000_0E00: 198,  # SPIM3: transmit data may be corrupted
    0x4000_0EE4: 217,  # RAM: content after System OFF
    0x4000_173C: 182,  # RADIO: fixes that do not take effect
    0x4000_7640: 212,  # SAADC: settings lost when switching
    0x4000_7644: 212,
    0x4000_7648: 212,
    0x4002_F004: 195,  # SPIM3: current when disabled
}


class Undocumented(Peripheral):
    def __init__(self, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("undocumented", 0, None, kernel, bus, lines)
        for address in ANOMALIES:
            self.register(address)
