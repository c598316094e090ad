"""Closed forms against published figures (Bluetooth SIG, Nordic, Goodix) and the specification."""

from __future__ import annotations

import pytest

from hil.airtime import (
    Phy,
    effective_octets,
    effective_tx_time_us,
    fragments,
    goodput_ceiling,
    octets_within,
    packet_us,
    packets_per_event,
    raw_goodput,
    shortest_transfer_us,
)


@pytest.mark.parametrize(
    ("phy", "octets", "us"),
    [
        (Phy.LE_1M, 0, 80),
        (Phy.LE_1M, 31, 328),  # the time LE Data Length Change starts from
        (Phy.LE_1M, 255, 2120),  # its largest uncoded value
        (Phy.LE_2M, 255, 1064),
        (Phy.LE_CODED_S8, 31, 2704),
        (Phy.LE_CODED_S8, 255, 17040),  # its largest value
        (Phy.LE_CODED_S2, 255, 4542),
    ],
)
def test_packet_times_named_in_the_specification(phy: Phy, octets: int, us: int) -> None:
    assert packet_us(phy, octets) == us


@pytest.mark.parametrize("octets", [-1, 256])
def test_a_packet_of_impossible_length_is_refused(octets: int) -> None:
    with pytest.raises(ValueError, match="0 to 255"):
        packet_us(Phy.LE_1M, octets)


@pytest.mark.parametrize(
    ("phy", "pdu", "kbit"),
    [
        (Phy.LE_2M, 27, 322.6),
        (Phy.LE_2M, 251, 1402.3),
        (Phy.LE_1M, 27, 236.7),
        (Phy.LE_1M, 251, 790.9),
        (Phy.LE_CODED_S2, 27, 96.6),
        (Phy.LE_CODED_S2, 251, 372.5),
        (Phy.LE_CODED_S8, 27, 46.1),
        (Phy.LE_CODED_S8, 251, 109.6),
    ],
)
def test_raw_goodput_equals_the_published_ceilings(phy: Phy, pdu: int, kbit: float) -> None:
    assert raw_goodput(phy, pdu) * 8 / 1000 == pytest.approx(kbit, abs=0.06)


@pytest.mark.parametrize(
    ("phy", "mtu", "pdu", "interval_us", "guard_us", "kilobytes"),
    [
        (Phy.LE_2M, 247, 251, 7_500, 0, 162.7),
        (Phy.LE_2M, 247, 251, 15_000, 0, 162.7),
        (Phy.LE_2M, 247, 251, 30_000, 0, 170.8),
        (Phy.LE_2M, 247, 251, 50_000, 0, 170.8),
        (Phy.LE_1M, 247, 251, 15_000, 0, 97.6),
        (Phy.LE_1M, 247, 251, 7_500, 0, 97.6),
        (Phy.LE_1M, 247, 251, 7_500, 150, 65.1),  # a controller that keeps one T_IFS more free
        (Phy.LE_1M, 23, 27, 7_500, 150, 26.7),
        (Phy.LE_1M, 23, 27, 7_500, 0, 29.3),
        (Phy.LE_2M, 23, 27, 7_500, 0, 40.0),
    ],
)
def test_ceiling_with_whole_packets_per_event(
    phy: Phy, mtu: int, pdu: int, interval_us: int, guard_us: int, kilobytes: float
) -> None:
    ceiling = goodput_ceiling(phy, mtu, pdu, interval_us, guard_us=guard_us)
    assert ceiling.bytes_per_second / 1000 == pytest.approx(kilobytes, abs=0.06)


def test_the_brief_is_right_that_502_octets_are_two_packets_but_counts_the_mtu_without_l2cap() -> None:
    """MTU 498 makes an SDU of 502 = 2 x 251; MTU 502 makes 506 octets and costs a third packet."""
    assert fragments(498 + 4, 251) == (251, 251)
    assert fragments(502 + 4, 251) == (251, 251, 4)


def test_fragments_do_not_join_two_acl_packets() -> None:
    assert len(fragments(502, 27, acl_octets=251)) == 20
    assert len(fragments(502, 27, acl_octets=None)) == 19


def test_longer_intervals_never_lose_more_than_the_last_packet() -> None:
    for interval in (7_500, 15_000, 30_000, 100_000, 400_000):
        ceiling = goodput_ceiling(Phy.LE_2M, 247, 251, interval)
        assert ceiling.bytes_per_second <= raw_goodput(Phy.LE_2M, 251)
        assert ceiling.pdus_per_event == packets_per_event(Phy.LE_2M, 251, interval)


def test_encryption_costs_four_octets_a_pdu() -> None:
    plain = goodput_ceiling(Phy.LE_2M, 247, 251, 400_000)
    secret = goodput_ceiling(Phy.LE_2M, 247, 251, 400_000, encrypted=True)
    assert secret.bytes_per_second / plain.bytes_per_second == pytest.approx(1392 / 1408, rel=0.01)


def test_data_length_on_the_coded_phy_leaves_room_for_the_answer() -> None:
    assert effective_octets(Phy.LE_CODED_S8, 7_500) == 31  # 2704 us without MIC
    assert effective_octets(Phy.LE_CODED_S8, 7_500, encrypted=True) == 27
    assert effective_octets(Phy.LE_CODED_S8, 30_000) == octets_within(Phy.LE_CODED_S8, 30_000 - 17_340)
    assert effective_octets(Phy.LE_CODED_S8, 400_000) == 251
    assert effective_tx_time_us(Phy.LE_1M, 7_500, 2120, 17040, 251, 2120, 2120) == 2120


def test_a_pdu_longer_than_the_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="does not fit"):
        goodput_ceiling(Phy.LE_CODED_S8, 247, 251, 7_500)
    with pytest.raises(ValueError, match="ATT MTU"):
        goodput_ceiling(Phy.LE_1M, 22, 27, 7_500)


def test_a_finite_transfer_ends_with_its_last_packet() -> None:
    one = shortest_transfer_us(Phy.LE_1M, 247, 251, 30_000, 244)
    assert one == 2088
    thirteen = shortest_transfer_us(Phy.LE_1M, 247, 251, 30_000, 13 * 244)  # twelve fit the first event
    assert thirteen == 30_000 + 2088


def test_a_long_transfer_approaches_the_ceiling() -> None:
    total = 1_000_000
    ceiling = goodput_ceiling(Phy.LE_2M, 498, 251, 15_000).bytes_per_second
    time_us = shortest_transfer_us(Phy.LE_2M, 498, 251, 15_000, total)
    assert total / time_us * 1e6 == pytest.approx(ceiling, rel=0.003)
