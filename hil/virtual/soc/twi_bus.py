"""The two-wire bus as TWIM and TWI see it: pulled up, and nobody on it who answers to an address.

(nRF52840 Product Specification, TWIM, Master write sequence and FREQUENCY.) That both lines have pull-up resistors
is assumed; on a bench without them a transfer would not even get to its address.
"""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_SECOND

RATES = {0x0198_0000: 100_000, 0x0400_0000: 250_000, 0x0640_0000: 400_000}
"""Bits per second by FREQUENCY; other values are not specified, and taken here as the slowest."""
ANACK = 2
"""ERRORSRC: the address was not acknowledged."""
PIN = 0x8000_003F


def bit_ticks(frequency: int) -> int:
    """Time of one bit at this value of FREQUENCY."""
    return TICKS_PER_SECOND // RATES.get(frequency, 100_000)


def address_ticks(frequency: int) -> int:
    """From the start condition to the acknowledge bit of the address."""
    return 10 * bit_ticks(frequency)
