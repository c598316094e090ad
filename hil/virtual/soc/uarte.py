"""UARTE: UART with EasyDMA (nRF52840 Product Specification, UARTE).

Bytes move in bursts: a transfer costs one event at its end, however long it is. RAM, the events and the
counters are settled at every access to the peripheral and at the end of each burst; only an interrupt,
shortcut or PPI channel on RXDRDY or TXDRDY makes it go byte by byte.

The two directions are ``Transmitter`` and ``UarteReceiver``; ``Uarte`` holds the registers both share.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hil.virtual.kernel import TICKS_PER_US, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.uarte_receive import UarteReceiver
from hil.virtual.soc.uarte_transmit import Transmitter
from hil.virtual.uart import UartLine

TICKS_PER_16MHZ = TICKS_PER_US // 16
ENABLED = 8
DISCONNECTED = 1 << 31


class Uarte(Peripheral):
    """``lines`` are the board's connections; the PSEL registers choose among them."""

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
        super().__init__(f"UARTE{index}", base, irq, kernel, bus, lines)
        self._uart_lines = uart_lines
        self._ports = ports
        self.rx = UarteReceiver(self, dma)
        self.tx = Transmitter(self, dma)
        self.task(0x000, self.rx.start)
        self.task(0x004, self.rx.stop)
        self.task(0x008, self.tx.start)
        self.task(0x00C, self.tx.stop)
        self.task(0x02C, self.rx.flush)
        settled = (self.rx.settle, self.tx.settle)
        self.CTS = self.event(0x100)
        self.NCTS = self.event(0x104)
        self.RXDRDY = self.event(0x108, settled[0])
        self.ENDRX = self.event(0x110)
        self.TXDRDY = self.event(0x11C, settled[1])
        self.ENDTX = self.event(0x120)
        self.ERROR = self.event(0x124)
        self.RXTO = self.event(0x144)
        self.RXSTARTED = self.event(0x14C)
        self.TXSTARTED = self.event(0x150)
        self.TXSTOPPED = self.event(0x158)
        self.interrupts(inten=True)
        self.shortcuts({5: (self.ENDRX, self.rx.start), 6: (self.ENDRX, self.rx.stop)})
        self.ERRORSRC = self.register(0x480, write=self._clear_errors)
        self.ENABLE = self.register(0x500, mask=0xF, write=partial(self._configure, 0x500, 0xF))
        psel = {
            name: self.register(
                offset, reset=0xFFFF_FFFF, write=partial(self._configure, offset, 0x8000_003F)
            )
            for name, offset in (("RTS", 0x508), ("TXD", 0x50C), ("CTS", 0x510), ("RXD", 0x514))
        }
        self.PSEL_RTS, self.PSEL_TXD, self.PSEL_CTS, self.PSEL_RXD = psel.values()
        self.BAUDRATE = self.register(
            0x524, reset=0x0400_0000, write=partial(self._configure, 0x524, 0xFFFF_FFFF)
        )
        self.RXD_PTR = self.register(0x534)
        self.RXD_MAXCNT = self.register(0x538, mask=0xFFFF)
        self.RXD_AMOUNT = self.register(0x53C, read_only=True)
        self.TXD_PTR = self.register(0x544)
        self.TXD_MAXCNT = self.register(0x548, mask=0xFFFF)
        self.TXD_AMOUNT = self.register(0x54C, read_only=True)
        self.CONFIG = self.register(0x56C, mask=0x1F, write=partial(self._configure, 0x56C, 0x1F))
        for line in uart_lines:
            line.receivers.append(self)

    @property
    def enabled(self) -> bool:
        return self.values[self.ENABLE] == ENABLED

    @property
    def flow_control(self) -> bool:
        return bool(self.values[self.CONFIG] & 1)

    @property
    def byte_ticks(self) -> int:
        """One character on the wire: start bit, 8 data bits, parity if configured, 1 or 2 stop bits."""
        config = self.values[self.CONFIG]
        bits = 10 + (1 if config >> 1 & 7 == 7 else 0) + (config >> 4 & 1)
        # The baud rate generator divides 16 MHz by a whole number: that gives the "actual rates" of the
        # table.
        rate = self.values[self.BAUDRATE] or 1
        divider = max(16, round((1 << 32) / rate))
        return bits * divider * TICKS_PER_16MHZ

    def tx_line(self) -> UartLine | None:
        """The line whose TXD pin this UARTE drives."""
        pin = self.values[self.PSEL_TXD]
        return next((line for line in self._uart_lines if line.txd == pin), None) if self.enabled else None

    def rx_line(self) -> UartLine | None:
        """The line whose RXD pin this UARTE listens to."""
        pin = self.values[self.PSEL_RXD]
        return next((line for line in self._uart_lines if line.rxd == pin), None) if self.enabled else None

    def clear_to_send(self) -> bool:
        """CTS, when flow control is on and the pin connected; otherwise nothing holds the transmitter."""
        if not self.flow_control or self.values[self.PSEL_CTS] & DISCONNECTED:
            return True
        line = next((line for line in self._uart_lines if line.cts == self.values[self.PSEL_CTS]), None)
        return line is None or line.ready

    def request_to_send(self, line: UartLine) -> bool:
        """Whether the far end sees the kit's RTS asserted (low)."""
        if line.rts is None:
            return True
        if self.flow_control and self.values[self.PSEL_RTS] == line.rts:
            return self.rx.ready
        port, number = self._ports[line.rts >> 5], line.rts & 31
        driven = port.values[port.PIN_CNF[number]] & 1
        return bool(driven) and not port.level(number)

    def line_changed(self) -> None:
        """Far end queued bytes, or its RTS changed."""
        self.rx.settle()
        self.tx.clear_to_send_changed()

    def observed_changed(self) -> None:
        self.rx.settle()
        self.tx.settle()

    def error(self, source: int) -> None:
        """Record an ERRORSRC bit and generate ERROR."""
        self.values[self.ERRORSRC] |= source
        self.fire(self.ERROR)

    def reset(self, cause: ResetCause) -> None:
        line = self.rx_line()
        super().reset(cause)
        self._stopped_listening(line)

    def listens(self, line: UartLine) -> bool:
        """Whether this UARTE is enabled with its RXD on the line."""
        return self.rx_line() is line

    def on_reset(self, cause: ResetCause) -> None:
        self.rx.reset()
        self.tx.reset()

    def save(self) -> object:
        return super().save(), self.rx.save(), self.tx.save()

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        shared, rx, tx = state
        super().restore(shared)
        self.rx.restore(rx)
        self.tx.restore(tx)

    def _clear_errors(self, value: int) -> None:
        self.values[self.ERRORSRC] &= ~value

    def _configure(self, offset: int, mask: int, value: int) -> None:
        self.rx.settle()
        self.tx.settle()
        line = self.rx_line()
        self.values[offset] = value & mask
        self._stopped_listening(line)
        if not self.enabled:
            self.rx.reset()
            self.tx.reset()
        self.rx.settle()
        self.tx.clear_to_send_changed()

    def _stopped_listening(self, line: UartLine | None) -> None:
        """What a far end without flow control had still to send goes past a receiver that is gone."""
        if line is not None and not line.flow_control and not self.listens(line):
            line.queue.clear()
