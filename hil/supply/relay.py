"""A relay on a serial port, in the device's supply line."""

from __future__ import annotations

import contextlib
from typing import Any

import serial

from hil.errors import BenchError
from hil.supply.switch import Switch
from hil.wire import DIRECT, Wires

BAUD = 9600


def lcus_message(channel: int, on: bool) -> bytes:
    """The message of LCUS boards (a CH340 and a microcontroller): start 0xA0, channel from 1, state, their sum.

    Source: the board's data sheet, as told in github.com/jarwyg/USB_RELAY and github.com/exmakhina/xm_tesmes.
    """
    body = bytes((0xA0, channel, int(on)))
    return body + bytes((sum(body) & 0xFF,))


class Relay(Switch):
    """A relay that is switched by a message on a serial port; `on_message` and `off_message` are its bytes.

    Such boards do not answer, so nobody knows whether the relay has moved: only a message that could not be sent is an
    error. `safe_off` opens the port anew where it has gone.
    """

    def __init__(
        self,
        port: str,
        *,
        on_message: bytes,
        off_message: bytes,
        nominal_volts: float,
        max_volts: float,
        baud: int = BAUD,
        timeout_s: float = 2.0,
        wires: Wires = DIRECT,
    ) -> None:
        super().__init__(port, nominal_volts, max_volts)
        self._port = port
        self._baud = baud
        self._timeout_s = timeout_s
        self._messages = {True: on_message, False: off_message}
        self._wires = wires
        self._serial: Any = None
        self._open()

    def identity(self) -> str:
        return f"relay on {self._port}; it does not say who it is"

    def _open(self) -> None:
        try:
            self._serial = self._wires.serial(
                "supply",
                lambda: serial.serial_for_url(
                    self._port, self._baud, timeout=self._timeout_s, write_timeout=self._timeout_s
                ),
            )
        except (OSError, ValueError) as error:  # SerialException is an OSError
            raise BenchError(f"supply {self._port}: cannot be opened: {_line(error)}") from None

    def _turn(self, on: bool) -> None:
        message = self._messages[on]
        try:
            if self._serial is None:
                self._open()
            sent = self._serial.write(message)
            self._serial.flush()
        except (OSError, ValueError) as error:
            self._release()
            raise BenchError(
                f"supply {self._port}: {message.hex(' ')} could not be sent: {_line(error)}"
            ) from None
        if sent not in (None, len(message)):
            raise BenchError(f"supply {self._port}: {sent} bytes of {message.hex(' ')} were sent")

    def _again(self, attempt: int) -> None:
        if attempt > 1:
            self._release()

    def _release(self) -> None:
        port, self._serial = self._serial, None
        if port is not None:
            with contextlib.suppress(OSError):
                port.close()


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
