"""UART without EasyDMA (nRF52840 Product Specification, UART): a byte at a time through RXD and TXD.

Reception goes through a FIFO of six bytes; RXDRDY comes each time a byte moves to RXD, so that RXD has to be read
once for each. With flow control RTS is deactivated when the FIFO has room for four bytes only, and activated again
when all bytes have been read. STOPRX, and SUSPEND, let four more bytes in, until RXTO.

Assumed, no source found: RXTO comes four byte times after STOPRX; a byte written to TXD while one is on the wire
replaces one that waits; reading RXD while no byte is there gives the last one again.
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.virtual.kernel import Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.peripheral import InterruptLines
from hil.virtual.soc.uart_base import OVERRUN, UartBase
from hil.virtual.uart import UartLine

FIFO = 6
RTS_RESERVE = 4


class Uart(UartBase):
    """UART0."""

    ENABLED = 4
    STATE = (
        *("_receiving", "_stopping", "_throttled", "_fifo", "_shown", "_arrival", "_timeout"),
        *("_sending", "_shifting", "_waiting", "_departure", "_held", "_overrun"),
    )

    def __init__(
        self,
        index: int,
        base: int,
        irq: int,
        uart_lines: Sequence[UartLine],
        ports: Sequence[Gpio],
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__(f"UART{index}", base, irq, uart_lines, ports, kernel, bus, lines)
        self._receiving = self._stopping = False
        self._throttled = False
        """RTS was deactivated since the FIFO filled up."""
        self._overrun = False
        self._fifo = bytearray()
        self._shown = False
        """Whether RXD holds a byte that was not read yet: the first of the FIFO."""
        self._arrival: Event | None = None
        self._timeout: Event | None = None
        self._sending = False
        self._shifting: int | None = None
        self._waiting: int | None = None
        """The byte in TXD behind the one on the wire."""
        self._departure: Event | None = None
        self._held = False
        self.task(0x000, self._start_rx)
        self.task(0x004, self._stop_rx)
        self.task(0x008, self._start_tx)
        self.task(0x00C, self._stop_tx)
        self.task(0x01C, self._suspend)
        self.RXDRDY = self.event(0x108)
        self.TXDRDY = self.event(0x11C)
        self.interrupts()
        self.shortcuts({3: (self.CTS, self._start_rx), 4: (self.NCTS, self._stop_rx)})
        self.RXD = self.register(0x518, read=self._read, read_only=True)
        self.TXD = self.register(0x51C, write=self._write)

    @property
    def ready(self) -> bool:
        return self._receiving and not self._stopping and not self._throttled

    def halt(self) -> None:
        for event in (self._arrival, self._timeout, self._departure):
            self.kernel.cancel(event)
        self._arrival = self._timeout = self._departure = None
        self._receiving = self._stopping = self._throttled = self._overrun = False
        self._fifo.clear()
        self._shown = False
        self._sending = False
        self._shifting = self._waiting = None

    def line_changed(self) -> None:
        held = not self.clear_to_send()
        if held != self._held:
            self._held = held
            if self.enabled and self.flow_control:
                self.fire(self.NCTS if held else self.CTS)
        self._send()
        self._await_byte()

    # -- receiver ---------------------------------------------------------------------------------------

    def _start_rx(self) -> None:
        if not self.enabled:
            return
        self.kernel.cancel(self._timeout)
        self._timeout = None
        self._receiving, self._stopping = True, False
        self._await_byte()

    def _stop_rx(self) -> None:
        if not self.enabled or not self._receiving or self._stopping:
            return
        self._stopping = True
        self._timeout = self.kernel.after(RTS_RESERVE * self.byte_ticks, self._timed_out)

    def _timed_out(self) -> None:
        self._timeout = None
        if self._arrival is not None and self._arrival.when <= self.kernel.now:
            self.kernel.cancel(self._arrival)  # the last byte ends at the same time, and is in
            self._arrived()
        self._receiving = self._stopping = False
        self.fire(self.RXTO)

    def _await_byte(self) -> None:
        """Schedule the end of the next byte on the wire, if the far end sends one."""
        line = self.rx_line()
        if line is None or not line.queue:
            self.kernel.cancel(self._arrival)
            self._arrival = None
        elif self._arrival is None and (not line.flow_control or self.request_to_send(line)):
            self._arrival = self.kernel.after(self.byte_ticks, self._arrived)

    def _arrived(self) -> None:
        self._arrival = None
        line = self.rx_line()
        if line is None or not line.queue:
            return
        byte = line.queue.pop(0)
        if self._receiving:
            self._take(byte)
        self._await_byte()

    def receive_broken(self, byte: int, errors: int) -> None:
        if self._receiving:
            self.error(errors)
            self._take(byte)

    def _take(self, byte: int) -> None:
        if len(self._fifo) >= FIFO:
            if not self._overrun:
                self._overrun = True
                self.error(OVERRUN)
            return
        self._fifo.append(byte)
        if len(self._fifo) >= FIFO - RTS_RESERVE:
            self._throttled = True
        self._show()

    def _show(self) -> None:
        """Move the next byte to RXD, if it was read."""
        if self._fifo and not self._shown:
            self._shown = True
            self.values[self.RXD] = self._fifo[0]
            self.fire(self.RXDRDY)

    def _read(self) -> int:
        value = self.values[self.RXD]
        if self._shown:
            self._shown = False
            del self._fifo[0]
            self._overrun = False
            if not self._fifo:
                self._throttled = False
            self._show()
            self._await_byte()
        return value

    # -- transmitter ------------------------------------------------------------------------------------

    def _start_tx(self) -> None:
        if self.enabled:
            self._sending = True
            self._send()

    def _stop_tx(self) -> None:
        self._sending = False
        self._waiting = None

    def _suspend(self) -> None:
        """SUSPEND: the byte on the wire is finished; the receiver stops as by STOPRX."""
        self._sending = False
        self._stop_rx()

    def _write(self, value: int) -> None:
        if self._sending:
            self._waiting = value & 0xFF
            self._send()

    def _send(self) -> None:
        if self._sending and self._shifting is None and self._waiting is not None and not self._held:
            self._shifting, self._waiting = self._waiting, None
            self._departure = self.kernel.after(self.byte_ticks, self._sent)

    def _sent(self) -> None:
        self._departure = None
        byte, self._shifting = self._shifting, None
        line = self.tx_line()
        if line is not None and byte is not None:
            line.deliver(bytes([byte]))
        self._send()
        self.fire(self.TXDRDY)
