"""SPI master without EasyDMA (nRF52840 Product Specification, SPI, deprecated): TXD and RXD double-buffered.

READY comes when a received byte moves to RXD. Nothing is connected to the wires: see spi_bus.py.
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.virtual.kernel import Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.spi_bus import byte_ticks, idle_byte

ENABLED = 1
PIN = 0x8000_003F


class Spi(Peripheral):
    STATE = ("_to_send", "_received", "_shown", "_event")

    def __init__(
        self,
        index: int,
        base: int,
        irq: int,
        ports: Sequence[Gpio],
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__(f"SPI{index}", base, irq, kernel, bus, lines)
        self._ports = ports
        self._to_send = 0
        """Bytes on the wire or behind it: 2 at most."""
        self._received: list[int] = []
        self._shown = False
        """Whether RXD holds a byte that was not read yet."""
        self._event: Event | None = None
        self.READY = self.event(0x108)
        self.interrupts()
        self.ENABLE = self.register(0x500, mask=0xF, write=self._write_enable)
        self.PSEL_SCK = self.register(0x508, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_MOSI = self.register(0x50C, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_MISO = self.register(0x510, reset=0xFFFF_FFFF, mask=PIN)
        self.RXD = self.register(0x518, read=self._read, read_only=True)
        self.TXD = self.register(0x51C, write=self._write)
        self.FREQUENCY = self.register(0x524, reset=0x0400_0000)
        self.CONFIG = self.register(0x554, mask=7)

    def on_reset(self, cause: ResetCause) -> None:
        self._abandon()

    def _abandon(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None
        self._to_send = 0
        self._received = []
        self._shown = False

    def _write_enable(self, value: int) -> None:
        self.values[self.ENABLE] = value & 0xF
        if self.values[self.ENABLE] != ENABLED:
            self._abandon()

    def _write(self, value: int) -> None:
        self.values[self.TXD] = value & 0xFF
        if self.values[self.ENABLE] == ENABLED and self._to_send < 2:
            self._to_send += 1
            self._shift()

    def _shift(self) -> None:
        if self._to_send and self._event is None:
            self._event = self.kernel.after(byte_ticks(self.values[self.FREQUENCY]), self._shifted)

    def _shifted(self) -> None:
        self._event = None
        self._to_send -= 1
        if len(self._received) < 2:
            self._received.append(idle_byte(self._ports, self.values[self.PSEL_MISO]))
        self._shift()
        self._show()

    def _show(self) -> None:
        if self._received and not self._shown:
            self._shown = True
            self.values[self.RXD] = self._received[0]
            self.fire(self.READY)

    def _read(self) -> int:
        value = self.values[self.RXD]
        if self._shown:
            self._shown = False
            del self._received[0]
            self._show()
        return value
