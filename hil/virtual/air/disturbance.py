"""What disturbs a packet on its way: bursts of loss, others in the band, and distance.

Probabilities are per packet and from 0 to 1. Whoever calls draws from the random stream of the air, so that the same
seed gives the same losses.
"""

from __future__ import annotations

import math
import random

SENSITIVITY_BIT_ERROR_RATE = 0.001
"""The bit error rate that defines the receiver sensitivity (Core 5.4, Vol 6 Part A, section 4.1)."""

_ACCESS_ADDRESS_BITS = 32
_EXPONENT_AT_SENSITIVITY = -math.log(2 * SENSITIVITY_BIT_ERROR_RATE)


def probability(value: float) -> float:
    """The value itself; ValueError if it is not a probability."""
    if not 0.0 <= value <= 1.0:
        raise ValueError(f"a probability is from 0 to 1, not {value}")
    return value


class Bursts:
    """Gilbert's and Elliott's channel: a good state that loses nothing and a bad one that loses with `loss`.

    Each packet first moves the state: into the bad one with `begin`, out of it with `end`. So a burst lasts 1 / `end`
    packets in the mean, and begin / (begin + end) of all packets fall into one.
    """

    def __init__(self, begin: float, end: float, loss: float) -> None:
        self._begin, self._end, self._loss = probability(begin), probability(end), probability(loss)
        self._bad = False

    def lose(self, source: random.Random) -> bool:
        """Whether the next packet is lost."""
        if source.random() < (self._end if self._bad else self._begin):
            self._bad = not self._bad
        return self._bad and source.random() < self._loss


def bit_error_rate(margin_db: float) -> float:
    """Errors per bit at `margin_db` above the receiver's sensitivity (below it, less than 0).

    Non-coherent FSK: a half times e to the minus signal-to-noise ratio, scaled to the rate at the sensitivity.
    """
    return 0.5 * math.exp(-_EXPONENT_AT_SENSITIVITY * 10.0 ** (margin_db / 10.0))


def reception(margin_db: float, pdu_octets: int, source: random.Random) -> bool | None:
    """What becomes of a packet so much above the sensitivity: heard (True), heard with a bad CRC, or missed (None).

    Missed is what has an error in its access address. `pdu_octets` count header, payload and MIC.
    """
    rate = bit_error_rate(margin_db)
    if rate < 1e-12:
        return True
    if source.random() >= (1.0 - rate) ** _ACCESS_ADDRESS_BITS:
        return None
    return source.random() < (1.0 - rate) ** (8 * (pdu_octets + 3))
