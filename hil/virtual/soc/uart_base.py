"""What UART and UARTE have in common: pins, frame, baud rate, flow control (nRF52840 Product Specification, UARTE).

``lines`` are the board's connections; the PSEL registers choose among them.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from functools import partial

from hil.virtual.kernel import TICKS_PER_US, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.uart import UartLine

TICKS_PER_16MHZ = TICKS_PER_US // 16
DISCONNECTED = 1 << 31
OVERRUN = 1
"""ERRORSRC; the other bits come from the wire: PARITY, FRAMING and BREAK of hil.virtual.uart."""


class UartBase(Peripheral):
    """``ENABLED`` is the value of ENABLE that means this one, UART or UARTE."""

    ENABLED = 0

    def __init__(
        self,
        name: str,
        base: int,
        irq: int,
        uart_lines: Sequence[UartLine],
        ports: Sequence[Gpio],
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__(name, base, irq, kernel, bus, lines)
        self._uart_lines = uart_lines
        self._ports = ports
        self.CTS = self.event(0x100)
        self.NCTS = self.event(0x104)
        self.ERROR = self.event(0x124)
        self.RXTO = self.event(0x144)
        self.ERRORSRC = self.register(0x480, write=self._clear_errors)
        self.ENABLE = self.register(0x500, mask=0xF, write=partial(self._configure, 0x500, 0xF))
        self.PSEL_RTS, self.PSEL_TXD, self.PSEL_CTS, self.PSEL_RXD = (
            self.register(offset, reset=0xFFFF_FFFF, write=partial(self._configure, offset, 0x8000_003F))
            for offset in (0x508, 0x50C, 0x510, 0x514)
        )
        self.BAUDRATE = self.register(
            0x524, reset=0x0400_0000, write=partial(self._configure, 0x524, 0xFFFF_FFFF)
        )
        self.CONFIG = self.register(0x56C, mask=0x1F, write=partial(self._configure, 0x56C, 0x1F))
        for line in uart_lines:
            line.receivers.append(self)

    # -- what the two directions of either kind do ------------------------------------------------------

    @property
    def ready(self) -> bool:
        """RTS is asserted: the receiver takes bytes."""
        raise NotImplementedError

    def settle(self) -> None:
        """Account for what has moved by now."""

    def halt(self) -> None:
        """Both directions stop where they are: disabled, or reset."""
        raise NotImplementedError

    def receive_broken(self, byte: int, errors: int) -> None:
        """A character came in now that is not right: ERRORSRC bits; it is taken all the same."""
        raise NotImplementedError

    def line_changed(self) -> None:
        """Far end queued bytes, or its RTS changed; also after the registers of the pins changed."""
        raise NotImplementedError

    # -- pins -------------------------------------------------------------------------------------------

    @property
    def enabled(self) -> bool:
        return self.values[self.ENABLE] == self.ENABLED

    @property
    def flow_control(self) -> bool:
        return bool(self.values[self.CONFIG] & 1)

    @property
    def byte_ticks(self) -> int:
        """One character on the wire: start bit, 8 data bits, parity if configured, 1 or 2 stop bits."""
        return _byte_ticks(self.values[self.BAUDRATE], self.values[self.CONFIG])

    def tx_line(self) -> UartLine | None:
        """The line whose TXD pin this peripheral drives."""
        if self.values[self.ENABLE] != self.ENABLED:
            return None
        pin = self.values[self.PSEL_TXD]
        for line in self._uart_lines:
            if line.txd == pin:
                return line
        return None

    def rx_line(self) -> UartLine | None:
        """The line whose RXD pin this peripheral listens to."""
        if self.values[self.ENABLE] != self.ENABLED:
            return None
        pin = self.values[self.PSEL_RXD]
        for line in self._uart_lines:
            if line.rxd == pin:
                return line
        return None

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
            return self.ready
        port, number = self._ports[line.rts >> 5], line.rts & 31
        return port.is_output(number) and not port.level(number)

    def listens(self, line: UartLine) -> bool:
        """Whether it is enabled with its RXD on the line."""
        return self.rx_line() is line

    # -- life -------------------------------------------------------------------------------------------

    def error(self, source: int) -> None:
        """Record an ERRORSRC bit and generate ERROR."""
        self.values[self.ERRORSRC] |= source
        self.fire(self.ERROR)

    def reset(self, cause: ResetCause) -> None:
        line = self.rx_line()
        super().reset(cause)
        self._stopped_listening(line)

    def on_reset(self, cause: ResetCause) -> None:
        self.halt()

    def _clear_errors(self, value: int) -> None:
        self.values[self.ERRORSRC] &= ~value

    def _configure(self, offset: int, mask: int, value: int) -> None:
        self.settle()
        line = self.rx_line()
        self.values[offset] = value & mask
        self._stopped_listening(line)
        if not self.enabled:
            self.halt()
        self.line_changed()

    def _stopped_listening(self, line: UartLine | None) -> None:
        """What a far end without flow control had still to send goes past a receiver that is gone."""
        if line is not None and not line.flow_control and not self.listens(line):
            line.queue.clear()


@functools.lru_cache(maxsize=64)
def _byte_ticks(baudrate: int, config: int) -> int:
    """One character by the registers BAUDRATE and CONFIG."""
    bits = 10 + (1 if config >> 1 & 7 == 7 else 0) + (config >> 4 & 1)
    # The baud rate generator divides 16 MHz by a whole number: that gives the "actual rates" of the table.
    return bits * max(16, round((1 << 32) / (baudrate or 1))) * TICKS_PER_16MHZ
