"""SPIS: SPI slave with EasyDMA (nRF52840 Product Specification, SPIS).

No master is connected, so that no transfer ever happens: what is left is the semaphore that CPU and SPIS share the
buffers by. ACQUIRE gives it to the CPU, RELEASE lets go of it.
"""

from __future__ import annotations

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral

ENABLED = 2
PIN = 0x8000_003F
FREE, CPU = 0, 1


class Spis(Peripheral):
    def __init__(
        self, index: int, base: int, irq: int, kernel: Kernel, bus: Bus, lines: InterruptLines
    ) -> None:
        super().__init__(f"SPIS{index}", base, irq, kernel, bus, lines)
        self.task(0x024, self._acquire)
        self.task(0x028, self._release)
        self.END = self.event(0x104)
        self.ENDRX = self.event(0x110)
        self.ACQUIRED = self.event(0x128)
        self.interrupts()
        self.shortcuts({2: (self.END, self._acquire)})
        self.SEMSTAT = self.register(0x400, reset=CPU, read_only=True)
        self.STATUS = self.register(0x440, write=self._clear_status)
        self.ENABLE = self.register(0x500, mask=0xF)
        for offset in (0x508, 0x50C, 0x510, 0x514):  # PSEL.SCK, MISO, MOSI, CSN
            self.register(offset, reset=0xFFFF_FFFF, mask=PIN)
        for pointer in (0x534, 0x544):  # RXD, TXD: PTR, MAXCNT, AMOUNT, LIST
            self.register(pointer)
            self.register(pointer + 4, mask=0xFFFF)
            self.register(pointer + 8, read_only=True)
            self.register(pointer + 12, mask=3)
        self.CONFIG = self.register(0x554, mask=7)
        self.DEF = self.register(0x55C, mask=0xFF)
        self.ORC = self.register(0x5C0, mask=0xFF)

    def _clear_status(self, value: int) -> None:
        self.values[self.STATUS] &= ~value

    def _acquire(self) -> None:
        if self.values[self.ENABLE] == ENABLED:
            self.values[self.SEMSTAT] = CPU
            self.fire(self.ACQUIRED)

    def _release(self) -> None:
        if self.values[self.ENABLE] == ENABLED:
            self.values[self.SEMSTAT] = FREE
