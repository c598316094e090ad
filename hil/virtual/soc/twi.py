"""TWI: two-wire master without EasyDMA (nRF52840 Product Specification, TWI, deprecated).

Nobody is on the bus (see twi_bus.py): each transfer ends with ERROR, ERRORSRC.ANACK, once its address was sent.
Assumed, no source found: SUSPEND takes effect at once.
"""

from __future__ import annotations

from hil.virtual.kernel import Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.twi_bus import ANACK, PIN, address_ticks, bit_ticks

ENABLED = 5


class Twi(Peripheral):
    STATE = ("_event",)

    def __init__(
        self, index: int, base: int, irq: int, kernel: Kernel, bus: Bus, lines: InterruptLines
    ) -> None:
        super().__init__(f"TWI{index}", base, irq, kernel, bus, lines)
        self._event: Event | None = None
        self.task(0x000, self._start)
        self.task(0x008, self._start)
        self.task(0x014, self._stop)
        self.task(0x01C, self._suspend)
        self.task(0x020, self._resume)
        self.STOPPED = self.event(0x104)
        self.RXDREADY = self.event(0x108)
        self.TXDSENT = self.event(0x11C)
        self.ERROR = self.event(0x124)
        self.BB = self.event(0x138)
        self.SUSPENDED = self.event(0x148)
        self.interrupts()
        self.shortcuts({0: (self.BB, self._suspend), 1: (self.BB, self._stop)})
        self.ERRORSRC = self.register(0x4C4, write=self._clear_errors)
        self.ENABLE = self.register(0x500, mask=0xF, write=self._write_enable)
        self.PSEL_SCL = self.register(0x508, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_SDA = self.register(0x50C, reset=0xFFFF_FFFF, mask=PIN)
        self.RXD = self.register(0x518, read_only=True)
        self.TXD = self.register(0x51C, mask=0xFF)
        self.FREQUENCY = self.register(0x524, reset=0x0400_0000)
        self.ADDRESS = self.register(0x588, mask=0x7F)

    def on_reset(self, cause: ResetCause) -> None:
        self._abandon()

    def _abandon(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None

    @property
    def _enabled(self) -> bool:
        return self.values[self.ENABLE] == ENABLED

    def _write_enable(self, value: int) -> None:
        self.values[self.ENABLE] = value & 0xF
        if not self._enabled:
            self._abandon()

    def _clear_errors(self, value: int) -> None:
        self.values[self.ERRORSRC] &= ~value

    def _start(self) -> None:
        if self._enabled:
            self._abandon()
            ticks = address_ticks(self.values[self.FREQUENCY])
            self._event = self.kernel.after(ticks, self._not_acknowledged)

    def _not_acknowledged(self) -> None:
        self._event = None
        self.values[self.ERRORSRC] |= ANACK
        self.fire(self.ERROR)

    def _stop(self) -> None:
        if self._enabled:
            self._abandon()
            self._event = self.kernel.after(bit_ticks(self.values[self.FREQUENCY]), self._stopped)

    def _stopped(self) -> None:
        self._event = None
        self.fire(self.STOPPED)

    def _suspend(self) -> None:
        if self._enabled:
            self.fire(self.SUSPENDED)

    def _resume(self) -> None:
        """RESUME: nothing to go on with, since no transfer gets past its address."""
