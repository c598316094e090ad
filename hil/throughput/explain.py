"""What is true of the ATT MTU at the link layer, by calculation: the rate of a link of 251-octet PDUs at every MTU.

It is often said that an MTU of 502 is best and that 512 wastes a packet. An SDU is the MTU and four octets of L2CAP
header (Core 5.4, Vol 3 Part A, 3.1), and it is that which fills PDUs: two of 251 octets hold an SDU of 502, which is
an ATT MTU of 498. An MTU of 502 needs a third PDU for its last four octets already, just as 512 does.
"""

from __future__ import annotations

from typing import Any

from hil.airtime import (
    ATT_WRITE_HEADER_OCTETS,
    L2CAP_HEADER_OCTETS,
    MAX_PAYLOAD_OCTETS,
    Phy,
    exchange_us,
    fragments,
)

LARGEST_MTU = 517
LONGEST_VALUE = 512
"""An attribute value has at most so many octets (Core 5.4, Vol 3 Part F, 3.2.9)."""
NAMED = (23, 185, 244, 247, 251, 498, 502, 512, 517)
"""MTUs that stacks use or that are recommended somewhere."""


def explain() -> dict[str, Any]:
    """By PHY: (MTU, bytes/s on the air alone) for each MTU, and the same with PDUs and waste for some of them."""
    phys = (Phy.LE_1M, Phy.LE_2M)
    return {
        "mtu_curve": {
            phy.label: [[mtu, round(rate(phy, mtu), 1)] for mtu in range(23, LARGEST_MTU + 1)] for phy in phys
        },
        "mtu_named": [_named(mtu) for mtu in NAMED],
        "mtu_best": best_mtu(Phy.LE_2M),
        "mtu_words": words(),
    }


def rate(phy: Phy, mtu: int, pdu_octets: int = MAX_PAYLOAD_OCTETS) -> float:
    """Bytes per second of value in write commands back to back, with no ends of connection events."""
    time_us = sum(exchange_us(phy, size) for size in fragments(_sdu(mtu), pdu_octets))
    return (_sdu(mtu) - L2CAP_HEADER_OCTETS - ATT_WRITE_HEADER_OCTETS) * 1e6 / time_us


def _sdu(mtu: int) -> int:
    """The longest SDU of a write at that MTU."""
    return min(mtu, LONGEST_VALUE + ATT_WRITE_HEADER_OCTETS) + L2CAP_HEADER_OCTETS


def best_mtu(phy: Phy) -> int:
    """The MTU with the highest rate; the lowest of equal ones."""
    return max(range(23, LARGEST_MTU + 1), key=lambda mtu: (rate(phy, mtu), -mtu))


def words() -> str:
    """The finding in a few sentences, with its figures."""
    best = best_mtu(Phy.LE_2M)
    top = rate(Phy.LE_2M, best)
    lost = {mtu: 1 - rate(Phy.LE_2M, mtu) / top for mtu in (247, 502, 512, 517)}
    return (
        f"With PDUs of 251 octets an ATT MTU of {best} is best: with four octets of L2CAP header it makes an SDU of "
        f"{best + L2CAP_HEADER_OCTETS}, exactly two PDUs. 502 is the length of that SDU and not an MTU: an MTU of 502 "
        f"sends a third PDU for its last 4 octets and carries {lost[502]:.1%} less on 2M; 512 sends a third PDU for 14 "
        f"and carries {lost[512]:.1%} less, 517 {lost[517]:.1%}. 247, one whole PDU, is within {lost[247]:.1%}. So 512 "
        "does waste a packet, but 502 wastes the same one. A client may ask for any MTU and still write 495 bytes at "
        "a time, as ours does."
    )


def _named(mtu: int) -> dict[str, Any]:
    sizes = fragments(_sdu(mtu), MAX_PAYLOAD_OCTETS)
    return {
        "mtu": mtu,
        "sdu": _sdu(mtu),
        "pdus": len(sizes),
        "last": sizes[-1],
        **{phy.label: round(rate(phy, mtu), 1) for phy in (Phy.LE_1M, Phy.LE_2M)},
    }
