"""UARTE: UART with EasyDMA (nRF52840 Product Specification, UARTE).

Bytes move in bursts: a transfer costs one event at its end, however long it is. RAM, the events and the
counters are settled at every access to the peripheral and at the end of each burst; only an interrupt,
shortcut or PPI channel on RXDRDY or TXDRDY makes it go byte by byte.

The two directions are ``Transmitter`` and ``UarteReceiver``; ``Uarte`` holds the registers both share.
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.peripheral import InterruptLines
from hil.virtual.soc.uart_base import UartBase
from hil.virtual.soc.uarte_receive import UarteReceiver
from hil.virtual.soc.uarte_transmit import Transmitter
from hil.virtual.uart import UartLine


class Uarte(UartBase):
    """UARTE0 or UARTE1."""

    ENABLED = 8

    def __init__(
        self,
        index: int,
        base: int,
        irq: int,
        uart_lines: Sequence[UartLine],
        ports: Sequence[Gpio],
        dma: EasyDma,
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__(f"UARTE{index}", base, irq, uart_lines, ports, kernel, bus, lines)
        self.rx = UarteReceiver(self, dma)
        self.tx = Transmitter(self, dma)
        self.task(0x000, self.rx.start)
        self.task(0x004, self.rx.stop)
        self.task(0x008, self.tx.start)
        self.task(0x00C, self.tx.stop)
        self.task(0x02C, self.rx.flush)
        self.RXDRDY = self.event(0x108, self.rx.settle)
        self.ENDRX = self.event(0x110)
        self.TXDRDY = self.event(0x11C, self.tx.settle)
        self.ENDTX = self.event(0x120)
        self.RXSTARTED = self.event(0x14C)
        self.TXSTARTED = self.event(0x150)
        self.TXSTOPPED = self.event(0x158)
        self.interrupts(inten=True)
        self.shortcuts({5: (self.ENDRX, self.rx.start), 6: (self.ENDRX, self.rx.stop)})
        self.RXD_PTR = self.register(0x534)
        self.RXD_MAXCNT = self.register(0x538, mask=0xFFFF)
        self.RXD_AMOUNT = self.register(0x53C, read_only=True)
        self.TXD_PTR = self.register(0x544)
        self.TXD_MAXCNT = self.register(0x548, mask=0xFFFF)
        self.TXD_AMOUNT = self.register(0x54C, read_only=True)

    @property
    def ready(self) -> bool:
        return self.rx.ready

    def settle(self) -> None:
        self.rx.settle()
        self.tx.settle()

    def halt(self) -> None:
        self.rx.reset()
        self.tx.reset()

    def receive_broken(self, byte: int, errors: int) -> None:
        if self.rx.listening:
            self.error(errors)
            self.rx.receive(byte)

    def line_changed(self) -> None:
        self.rx.settle()
        self.tx.clear_to_send_changed()

    def observed_changed(self) -> None:
        self.settle()

    def save(self) -> object:
        return super().save(), self.rx.save(), self.tx.save()

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        shared, rx, tx = state
        super().restore(shared)
        self.rx.restore(rx)
        self.tx.restore(tx)
