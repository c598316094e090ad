"""A kit whose CPU spins, driven from the debugger's side of the bus."""

from __future__ import annotations

import struct

from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.kit import Kit

UARTE0, RTC1, TIMER1, WDT, NVMC, ACL, POWER, CLOCK, SAADC, PPI = (
    0x4000_2000,
    0x4001_1000,
    0x4000_9000,
    0x4001_0000,
    0x4001_E000,
    0x4001_E000,
    0x4000_0000,
    0x4000_0000,
    0x4000_7000,
    0x4001_F000,
)
RAM = 0x2000_0000


class FarEnd:
    """Collects what the kit sends, with the tick at which each burst ended."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self.data = bytearray()
        self.times: list[int] = []

    def receive(self, data: bytes) -> None:
        self.data += data
        self.times.append(self._kernel.now)


class Board:
    def __init__(
        self, *, seed: int = 1, volts: float = 3.0, without_anomalies: frozenset[int] = frozenset()
    ) -> None:
        self.kernel = Kernel(seed)
        self.kit = Kit(self.kernel, without_anomalies=without_anomalies)
        self.soc = self.kit.soc
        self.far = FarEnd(self.kernel)
        self.kit.console.far_end = self.far
        spin = struct.pack("<II", 0x2004_0000, 0x101)
        self.soc.memory.write(0, spin + b"\xff" * 0xF8 + b"\xfe\xe7")
        self.kit.rail.set_voltage(volts)
        self.run(2 * TICKS_PER_MS)

    def run(self, ticks: int) -> None:
        self.kernel.advance(self.kernel.now + ticks)

    def read(self, address: int) -> int:
        return self.soc.debug.bus_read(address, 4)

    def write(self, address: int, value: int) -> None:
        self.soc.debug.bus_write(address, 4, value)

    def set(self, base: int, **registers: int) -> None:
        """Write registers given as hexadecimal offsets: ``r504=2``."""
        for name, value in registers.items():
            self.write(base + int(name[1:], 16), value)

    def pending(self, irq: int) -> bool:
        """Whether the interrupt is pending in the NVIC."""
        return bool(self.read(0xE000_E200 + 4 * (irq // 32)) >> irq % 32 & 1)

    def halt(self) -> None:
        """Halt the CPU, so that long times pass quickly."""
        self.write(0xE000_EDF0, 0xA05F_0003)
