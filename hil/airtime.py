"""How long a packet is on the air, and the goodput a link cannot beat.

Closed forms from Bluetooth Core 5.4, Vol 6 Part B (sections 2.1, 2.2, 4.1, 4.5.1 and 4.5.10). Pure
functions of whole microseconds and octets, with no other module behind them, so that the virtual
link layer, the tests and the reports all compute from the same page.

A packet on a data channel, with n payload octets (a MIC counts as payload):

    1M      (1 preamble + 4 access address + 2 header + n + 3 CRC) x 8 us          =  80 +  8 n
    2M      (2 preamble + 4 access address + 2 header + n + 3 CRC) x 4 us          =  44 +  4 n
    Coded   80 preamble + 256 access address + 16 CI + 24 TERM1, then S us a bit
            (2 header + n + 3 CRC) x 8 S + 3 S            S=8: 720 + 64 n,   S=2: 462 + 16 n
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

T_IFS_US = 150
"""Inter-frame space between two packets of one connection event (section 4.1.1)."""

MIC_OCTETS = 4
"""Message integrity code added to every non-empty PDU of an encrypted link (section 2.4)."""

L2CAP_HEADER_OCTETS = 4
ATT_WRITE_HEADER_OCTETS = 3
"""Opcode and handle of ATT_WRITE_CMD, ATT_WRITE_REQ and ATT_HANDLE_VALUE_NTF."""

MIN_PAYLOAD_OCTETS = 27
MAX_PAYLOAD_OCTETS = 251

CODED_MIN_TX_TIME_US = 2704
"""27 octets and a MIC at S=8: no limit on a coded PHY goes below it (section 4.5.10)."""


class Phy(Enum):
    """A PHY and, for LE Coded, its coding. The value is (octet cost, packet cost) in us."""

    LE_1M = (8, 80)
    LE_2M = (4, 44)
    LE_CODED_S2 = (16, 462)
    LE_CODED_S8 = (64, 720)

    @property
    def coded(self) -> bool:
        """True on the LE Coded PHY, whichever the coding."""
        return self in (Phy.LE_CODED_S2, Phy.LE_CODED_S8)

    @property
    def label(self) -> str:
        """The name tables use: 1M, 2M, S2 or S8."""
        return self.name.removeprefix("LE_").removeprefix("CODED_")


def packet_us(phy: Phy, payload_octets: int) -> int:
    """Time on the air in us of a packet with 0 to 255 payload octets, a MIC included."""
    if not 0 <= payload_octets <= 255:
        raise ValueError(f"{payload_octets} payload octets: a packet carries 0 to 255")
    per_octet, fixed = phy.value
    return fixed + per_octet * payload_octets


def octets_within(phy: Phy, time_us: int, encrypted: bool = False) -> int:
    """The most PDU octets, without the MIC, whose packet takes at most `time_us` (may be 0)."""
    per_octet, fixed = phy.value
    return max(0, (time_us - fixed) // per_octet - (MIC_OCTETS if encrypted else 0))


def effective_tx_time_us(
    phy: Phy,
    interval_us: int,
    max_tx_time_us: int,
    remote_max_rx_time_us: int,
    effective_rx_octets: int,
    max_rx_time_us: int,
    remote_max_tx_time_us: int,
) -> int:
    """connEffectiveMaxTxTime in us (section 4.5.10).

    On an uncoded PHY it is the lesser of the two ends' limits. On LE Coded it also leaves room in
    the interval for the longest packet the peer may answer with, but is never below 2704 us: that is
    why a wide data length gains nothing on S=8 at a short interval.
    """
    uncoded = min(max_tx_time_us, remote_max_rx_time_us)
    if not phy.coded:
        return uncoded
    rx_time = max(CODED_MIN_TX_TIME_US, min(max_rx_time_us, remote_max_tx_time_us))
    required = 2 * T_IFS_US + min(rx_time, effective_rx_octets * 64 + 976)
    return max(CODED_MIN_TX_TIME_US, min(uncoded, interval_us - required))


def effective_octets(
    phy: Phy,
    interval_us: int,
    tx_octets: int = MAX_PAYLOAD_OCTETS,
    tx_time_us: int = 17040,
    rx_octets: int = MAX_PAYLOAD_OCTETS,
    rx_time_us: int = 17040,
    encrypted: bool = False,
) -> int:
    """The longest PDU, in octets without MIC, that a link with these negotiated limits sends.

    `tx_*` and `rx_*` are the effective values of the direction that carries the data and of the other
    one, as LE Data Length Change reports them on an uncoded PHY.
    """
    time_us = effective_tx_time_us(
        phy, interval_us, tx_time_us, tx_time_us, rx_octets, rx_time_us, rx_time_us
    )
    return min(tx_octets, octets_within(phy, time_us, encrypted))


def exchange_us(phy: Phy, payload_octets: int, back: Phy | None = None) -> int:
    """One PDU, the empty PDU that acknowledges it, and the two inter-frame spaces, in us."""
    return packet_us(phy, payload_octets) + T_IFS_US + packet_us(back or phy, 0) + T_IFS_US


def packets_per_event(phy: Phy, payload_octets: int, interval_us: int, guard_us: int = 0) -> int:
    """How many exchanges fit one connection event.

    The event closes at least T_IFS before the next anchor point (section 4.5.1), which the last
    exchange's second inter-frame space is. `guard_us` is what a controller keeps free besides; many
    of them keep some, the specification asks for none.
    """
    return max(0, (interval_us - guard_us) // exchange_us(phy, payload_octets))


def fragments(
    sdu_octets: int, pdu_octets: int, acl_octets: int | None = MAX_PAYLOAD_OCTETS
) -> tuple[int, ...]:
    """The PDU payload sizes one L2CAP SDU becomes.

    The host first cuts it into HCI ACL packets of `acl_octets` (None: one packet of any length), and
    the controller cuts each of those into PDUs; it does not join two ACL packets in one PDU.
    """
    if sdu_octets <= 0 or pdu_octets <= 0:
        raise ValueError("an SDU and a PDU have at least one octet")
    sizes: list[int] = []
    acl = acl_octets or sdu_octets
    for start in range(0, sdu_octets, acl):
        length = min(acl, sdu_octets - start)
        sizes += [pdu_octets] * (length // pdu_octets)
        if length % pdu_octets:
            sizes.append(length % pdu_octets)
    return tuple(sizes)


@dataclass(frozen=True)
class Ceiling:
    """What one cell of the throughput matrix can reach at most."""

    bytes_per_second: float
    """Goodput: octets of attribute value, headers not counted."""
    pdu_octets: int
    pdus_per_write: int
    pdus_per_event: float
    """Mean over the cycle after which the packing of PDUs into events repeats."""

    @property
    def kbit_per_second(self) -> float:
        """The same goodput in 1000 bit/s."""
        return self.bytes_per_second * 8 / 1000


def goodput_ceiling(
    phy: Phy,
    att_mtu: int,
    pdu_octets: int,
    interval_us: int,
    *,
    acl_octets: int | None = MAX_PAYLOAD_OCTETS,
    encrypted: bool = False,
    back: Phy | None = None,
    guard_us: int = 0,
) -> Ceiling:
    """The goodput of write commands (or notifications) back to back, with nothing else on the link.

    Each one carries `att_mtu - 3` octets of value in an SDU of `att_mtu + 4`. The PDUs are packed into
    connection events as a controller packs them, each event taking what fits whole, until the packing
    repeats: the result is exact for a link without loss, not an estimate. `pdu_octets` is the data length in
    force (see `effective_octets` for LE Coded). Raises ValueError if the MTU is below 23 or a PDU does not fit
    the interval.
    """
    if att_mtu < 23:
        raise ValueError(f"ATT MTU {att_mtu}: the least is 23")
    sizes = fragments(att_mtu + L2CAP_HEADER_OCTETS, pdu_octets, acl_octets)
    mic = MIC_OCTETS if encrypted else 0
    costs = [exchange_us(phy, size + mic, back) for size in sizes]
    room = interval_us - guard_us
    if max(costs) > room:
        raise ValueError(
            f"a PDU of {pdu_octets} octets on {phy.label} does not fit an interval of {interval_us} us"
        )
    seen: dict[int, tuple[int, int]] = {}  # first fragment of an event -> (events, PDUs) so far
    position, events, pdus = 0, 0, 0
    while position not in seen:
        seen[position] = (events, pdus)
        used = 0
        while used + costs[position] <= room:
            used += costs[position]
            position = (position + 1) % len(costs)
            pdus += 1
        events += 1
    first_events, first_pdus = seen[position]
    events, pdus = events - first_events, pdus - first_pdus
    writes = pdus / len(sizes)
    goodput = writes * (att_mtu - ATT_WRITE_HEADER_OCTETS) / (events * interval_us) * 1e6
    return Ceiling(goodput, pdu_octets, len(sizes), pdus / events)


def shortest_transfer_us(
    phy: Phy,
    att_mtu: int,
    pdu_octets: int,
    interval_us: int,
    total_octets: int,
    *,
    acl_octets: int | None = MAX_PAYLOAD_OCTETS,
    encrypted: bool = False,
    back: Phy | None = None,
    guard_us: int = 0,
) -> int:
    """The least time in us that `total_octets` of attribute values take, from an anchor point to the
    end of the last PDU, without loss.

    What `goodput_ceiling` is for an endless stream, this is for a transfer of a given size: its last
    event ends with its last PDU. Same arguments and errors.
    """
    goodput_ceiling(phy, att_mtu, pdu_octets, interval_us, acl_octets=acl_octets, guard_us=guard_us)
    value = att_mtu - ATT_WRITE_HEADER_OCTETS
    mic = MIC_OCTETS if encrypted else 0
    whole, rest = divmod(total_octets, value)
    header = L2CAP_HEADER_OCTETS + ATT_WRITE_HEADER_OCTETS
    sizes = fragments(value + header, pdu_octets, acl_octets) * whole
    if rest:
        sizes += fragments(rest + header, pdu_octets, acl_octets)
    room = interval_us - guard_us
    events, used, end = 0, 0, 0
    for size in sizes:
        cost = exchange_us(phy, size + mic, back)
        if used + cost > room:
            events, used = events + 1, 0
        end = events * interval_us + used + packet_us(phy, size + mic)
        used += cost
    return end


ATT_WRITE_RESPONSE_OCTETS = L2CAP_HEADER_OCTETS + 1
"""An ATT_WRITE_RSP in its L2CAP header: an opcode and nothing else (Vol 3 Part F, 3.4.5.2)."""


def answered_ceiling(
    phy: Phy,
    att_mtu: int,
    pdu_octets: int,
    *,
    acl_octets: int | None = MAX_PAYLOAD_OCTETS,
    encrypted: bool = False,
    back: Phy | None = None,
) -> float:
    """The goodput in bytes/s of write requests, each sent when the one before has been answered, between two hosts that
    take no time: the response travels in the packet that acknowledges the request's last PDU. An upper bound, since
    the ends of connection events are left out.
    """
    mic = MIC_OCTETS if encrypted else 0
    sizes = fragments(att_mtu + L2CAP_HEADER_OCTETS, pdu_octets, acl_octets)
    response = packet_us(back or phy, ATT_WRITE_RESPONSE_OCTETS + mic) - packet_us(back or phy, 0)
    time_us = sum(exchange_us(phy, size + mic, back) for size in sizes) + response
    return (att_mtu - ATT_WRITE_HEADER_OCTETS) * 1e6 / time_us


def events_of(
    phy: Phy,
    sdus: Iterable[int],
    pdu_octets: int,
    interval_us: int,
    *,
    acl_octets: int | None = MAX_PAYLOAD_OCTETS,
    encrypted: bool = False,
    back: Phy | None = None,
) -> int:
    """Connection events, at the least, that SDUs of these octets take when the first begins with an event."""
    mic = MIC_OCTETS if encrypted else 0
    events, used = 1, 0
    for octets in sdus:
        for size in fragments(octets, pdu_octets, acl_octets):
            cost = exchange_us(phy, size + mic, back)
            if used + cost > interval_us:
                events, used = events + 1, 0
            used += cost
    return events


def raw_goodput(phy: Phy, pdu_octets: int) -> float:
    """Bytes per second of attribute value with full PDUs one after the other and no event ends.

    One PDU carries one write of `pdu_octets - 7`: the figure that published tables give.
    """
    value = pdu_octets - L2CAP_HEADER_OCTETS - ATT_WRITE_HEADER_OCTETS
    return value * 1e6 / exchange_us(phy, pdu_octets)
