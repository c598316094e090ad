"""TWIS: two-wire slave with EasyDMA (nRF52840 Product Specification, TWIS).

No master is on the bus, so that it is never addressed: only STOP answers.
"""

from __future__ import annotations

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral
from hil.virtual.soc.twi_bus import PIN

ENABLED = 9


class Twis(Peripheral):
    def __init__(
        self, index: int, base: int, irq: int, kernel: Kernel, bus: Bus, lines: InterruptLines
    ) -> None:
        super().__init__(f"TWIS{index}", base, irq, kernel, bus, lines)
        self.task(0x014, self._stop)
        for offset in (0x01C, 0x020, 0x030, 0x034):  # SUSPEND, RESUME, PREPARERX, PREPARETX
            self.task(offset, _await_master)
        self.STOPPED = self.event(0x104)
        self.ERROR = self.event(0x124)
        self.RXSTARTED = self.event(0x14C)
        self.TXSTARTED = self.event(0x150)
        self.WRITE = self.event(0x164)
        self.READ = self.event(0x168)
        self.interrupts(inten=True)
        self.shortcuts({13: (self.WRITE, _await_master), 14: (self.READ, _await_master)})
        self.ERRORSRC = self.register(0x4D0, write=self._clear_errors)
        self.MATCH = self.register(0x4D4, read_only=True)
        self.ENABLE = self.register(0x500, mask=0xF)
        self.PSEL_SCL = self.register(0x508, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_SDA = self.register(0x50C, reset=0xFFFF_FFFF, mask=PIN)
        for pointer in (0x534, 0x544):  # RXD, TXD: PTR, MAXCNT, AMOUNT, LIST
            self.register(pointer)
            self.register(pointer + 4, mask=0xFFFF)
            self.register(pointer + 8, read_only=True)
            self.register(pointer + 12, mask=3)
        self.ADDRESS = [self.register(offset, mask=0x7F) for offset in (0x588, 0x58C)]
        self.CONFIG = self.register(0x594, reset=1, mask=3)
        self.ORC = self.register(0x5C0, mask=0xFF)

    def _clear_errors(self, value: int) -> None:
        self.values[self.ERRORSRC] &= ~value

    def _stop(self) -> None:
        if self.values[self.ENABLE] == ENABLED:
            self.fire(self.STOPPED)


def _await_master() -> None:
    """What it prepares for never comes."""
