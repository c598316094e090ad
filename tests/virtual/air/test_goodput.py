"""Goodput of a link, host to host, against the closed form: within 1 % of it and never above."""

from __future__ import annotations

import math

import pytest

from hil.airtime import Phy, goodput_ceiling, shortest_transfer_us
from hil.virtual.kernel import TICKS_PER_US
from tests.virtual.air.host import Pair

PHYS = {Phy.LE_1M: (1, 0), Phy.LE_2M: (2, 0), Phy.LE_CODED_S2: (3, 1), Phy.LE_CODED_S8: (3, 2)}
ATT_MTU = 498


def transfer(phy: Phy, octets: int, interval: int, total: int, seed: int = 1) -> tuple[float, int, Pair]:
    """Send `total` octets of attribute value in write commands; (us taken, PDU octets in force, pair)."""
    pair = Pair(seed)
    pair.connect(interval=interval)
    number, coding = PHYS[phy]
    if number != 1:
        pair.set_phy(number, coding)
    if octets > 27:
        pair.set_length(octets, 17040)
    link = pair.links[0]
    # Data is there just before an anchor point, as the closed form assumes.
    pair.kernel.advance(link._next_anchor - 1)
    start = link._next_anchor
    value = ATT_MTU - 3
    sent = 0
    while sent < total:
        size = min(value, total - sent)
        pair.central.send(pair.handle, bytes(7 + size))
        sent += size
    expected = total + 7 * -(-total // value)
    while pair.peripheral.octets < expected:
        pair.run(50)
    last = pair.peripheral.received[-1][0]
    return (last - start) / TICKS_PER_US, link.max_payload, pair


@pytest.mark.parametrize("interval", [6, 12, 24], ids=["7.5ms", "15ms", "30ms"])
@pytest.mark.parametrize("octets", [27, 251])
@pytest.mark.parametrize("phy", list(PHYS), ids=lambda phy: phy.label)
def test_goodput_is_the_closed_form(phy: Phy, octets: int, interval: int) -> None:
    total = 64 * 495 if not phy.coded else 20 * 495
    time_us, pdu_octets, _ = transfer(phy, octets, interval, total)
    least = shortest_transfer_us(phy, ATT_MTU, pdu_octets, interval * 1250, total)
    assert least <= time_us <= least * 1.01


def test_256_kb_over_2m_comes_within_one_percent_of_the_endless_ceiling() -> None:
    """Counted in whole connection events: the ceiling is that of a stream that has no last event."""
    total = 256 * 1024
    time_us, pdu_octets, _ = transfer(Phy.LE_2M, 251, 12, total)
    whole_us = math.ceil(time_us / 15_000) * 15_000
    ceiling = goodput_ceiling(Phy.LE_2M, ATT_MTU, pdu_octets, 15_000).bytes_per_second
    assert pdu_octets == 251
    assert 0.99 * ceiling <= total / whole_us * 1e6 <= ceiling


def test_loss_slows_the_link_but_every_octet_arrives_in_order() -> None:
    pair = Pair(seed=3)
    handle = pair.connect()
    pair.set_length(251, 2120)
    pair.medium.set_loss(pair.a, pair.b, 0.2, crc_share=0.5)
    sdus = [bytes((n,)) * 251 for n in range(200)]
    for sdu in sdus:
        pair.central.send(handle, sdu)
        pair.peripheral.send(handle, sdu[::-1])
    pair.run(3000)
    for host in (pair.central, pair.peripheral):
        assert [packet[4:] for _, packet in host.received] == sdus
        assert host.credits == 10


def test_the_same_seed_gives_the_same_trace() -> None:
    def trace(seed: int) -> list[tuple[int, bytes]]:
        pair = Pair(seed)
        handle = pair.connect()
        pair.medium.set_loss(pair.a, pair.b, 0.3)
        for n in range(50):
            pair.central.send(handle, bytes((n,)) * 100)
        pair.run(2000)
        return pair.peripheral.received

    assert trace(5) == trace(5)
    assert trace(5) != trace(6)
