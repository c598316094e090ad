"""TWIM: two-wire master with EasyDMA (nRF52840 Product Specification, TWIM).

Nobody is on the bus (see twi_bus.py): each transfer ends with ERROR, ERRORSRC.ANACK, once its address was sent; the
bus stays taken until STOP. Not modelled: the levels of SCL and SDA on their pins.

Assumed, no source found: RXSTARTED and TXSTARTED come with the task, before the address; SUSPEND takes effect
at once.
"""

from __future__ import annotations

from hil.virtual.kernel import Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.twi_bus import ANACK, PIN, address_ticks, bit_ticks

ENABLED = 6


class Twim(Peripheral):
    STATE = ("_event",)

    def __init__(
        self, index: int, base: int, irq: int, kernel: Kernel, bus: Bus, lines: InterruptLines
    ) -> None:
        super().__init__(f"TWIM{index}", base, irq, kernel, bus, lines)
        self._event: Event | None = None
        self.STOPPED = self.event(0x104)
        self.ERROR = self.event(0x124)
        self.SUSPENDED = self.event(0x148)
        self.RXSTARTED = self.event(0x14C)
        self.TXSTARTED = self.event(0x150)
        self.LASTRX = self.event(0x15C)
        self.LASTTX = self.event(0x160)
        self.task(0x000, self._start, self.RXSTARTED)
        self.task(0x008, self._start, self.TXSTARTED)
        self.task(0x014, self._stop)
        self.task(0x01C, self._suspend)
        self.task(0x020, self._resume)
        self.interrupts(inten=True)
        self.shortcuts(
            {
                7: (self.LASTTX, self._start_rx),
                8: (self.LASTTX, self._suspend),
                9: (self.LASTTX, self._stop),
                10: (self.LASTRX, self._start_tx),
                11: (self.LASTRX, self._suspend),
                12: (self.LASTRX, self._stop),
            }
        )
        self.ERRORSRC = self.register(0x4C4, write=self._clear_errors)
        self.ENABLE = self.register(0x500, mask=0xF, write=self._write_enable)
        self.PSEL_SCL = self.register(0x508, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_SDA = self.register(0x50C, reset=0xFFFF_FFFF, mask=PIN)
        self.FREQUENCY = self.register(0x524, reset=0x0400_0000)
        self.RXD_PTR = self.register(0x534)
        self.RXD_MAXCNT = self.register(0x538, mask=0xFFFF)
        self.RXD_AMOUNT = self.register(0x53C, read_only=True)
        self.RXD_LIST = self.register(0x540, mask=7)
        self.TXD_PTR = self.register(0x544)
        self.TXD_MAXCNT = self.register(0x548, mask=0xFFFF)
        self.TXD_AMOUNT = self.register(0x54C, read_only=True)
        self.TXD_LIST = self.register(0x550, mask=7)
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

    def _start_rx(self) -> None:
        self._start(self.RXSTARTED)

    def _start_tx(self) -> None:
        self._start(self.TXSTARTED)

    def _start(self, started: int) -> None:
        if not self._enabled:
            return
        self._abandon()
        self.values[self.RXD_AMOUNT if started == self.RXSTARTED else self.TXD_AMOUNT] = 0
        self._event = self.kernel.after(address_ticks(self.values[self.FREQUENCY]), self._not_acknowledged)
        self.fire(started)  # last, since what follows from it may stop the transfer again

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
