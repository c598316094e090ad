"""The SPI wires as SPIM and SPI see them: nothing is connected, MISO has the level its pin gives it.

(nRF52840 Product Specification, SPIM, Electrical specification and FREQUENCY.)
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.virtual.kernel import TICKS_PER_SECOND
from hil.virtual.soc.gpio import Gpio

DISCONNECTED = 1 << 31
RATES = {
    0x0200_0000: 125_000,
    0x0400_0000: 250_000,
    0x0800_0000: 500_000,
    0x1000_0000: 1_000_000,
    0x2000_0000: 2_000_000,
    0x4000_0000: 4_000_000,
    0x8000_0000: 8_000_000,
    0x0A00_0000: 16_000_000,
    0x1400_0000: 32_000_000,
}
"""Bits per second by FREQUENCY; other values are not specified, and taken here as the slowest."""


def byte_ticks(frequency: int) -> int:
    """Time of eight bits at this value of FREQUENCY."""
    return 8 * TICKS_PER_SECOND // RATES.get(frequency, 125_000)


def idle_byte(ports: Sequence[Gpio], miso: int) -> int:
    """What is read where nobody drives MISO: all ones or zeros, as the pin is pulled; zeros without a pin."""
    if miso & DISCONNECTED:
        return 0
    port, pin = ports[miso >> 5 & 1], miso & 31
    return 0xFF if pin < port.pins and port.level(pin) else 0x00
