"""The pins of the console, for firmware that was built for another board, and UARTs on pins that lead nowhere."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable

from hil.errors import InputError
from hil.virtual.soc.uart_base import DISCONNECTED, UartBase
from hil.virtual.uart import UartLine, pin

log = logging.getLogger(__name__)

_PIN = re.compile(r"P?([01])\.(\d{1,2})", re.IGNORECASE)
_PORT_PINS = (32, 16)
"""P0.00 to P0.31 and P1.00 to P1.15 (nRF52840 Product Specification, Pin assignments)."""


def rewire(line: UartLine, pins: str) -> None:
    """Connect a line to other pins of the kit, "TXD,RXD" or "TXD,RXD,RTS,CTS", e.g. "P0.20,P0.24".

    Raises InputError for text that is not that.
    """
    names = pins.split(",")
    if len(names) not in (2, 4):
        raise InputError(f'--console-pins "{pins}": expected TXD,RXD or TXD,RXD,RTS,CTS, e.g. P0.06,P0.08')
    numbers = [_number(name.strip(), pins) for name in names]
    if len(set(numbers)) != len(numbers):
        raise InputError(f'--console-pins "{pins}": one pin is named twice')
    line.txd, line.rxd = numbers[:2]
    line.rts, line.cts = numbers[2:] if len(numbers) == 4 else (None, None)


def _number(name: str, pins: str) -> int:
    found = _PIN.fullmatch(name)
    if found is None or int(found[2]) >= _PORT_PINS[int(found[1])]:
        raise InputError(
            f'--console-pins "{pins}": "{name}" is no pin; they are P0.00 to P0.31 and P1.00 to P1.15'
        )
    return pin(int(found[1]), int(found[2]))


class LooseUarts:
    """Tells, once for each pin, of a UART that sends where nothing is connected. Call `poll` now and then."""

    def __init__(self, uarts: Iterable[UartBase]) -> None:
        self._uarts = tuple(uarts)
        self._told: set[int] = set()

    def poll(self) -> None:
        """Look at the pins that are selected now."""
        for uart in self._uarts:
            number = uart.values[uart.PSEL_TXD]
            if (
                uart.enabled
                and not number & DISCONNECTED
                and uart.tx_line() is None
                and number not in self._told
            ):
                self._told.add(number)
                log.warning(
                    "%s sends on P%d.%02d, where nothing is connected (the console is on --console-pins)",
                    uart.name,
                    number >> 5,
                    number & 31,
                )
