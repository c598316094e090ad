"""Channel selection: the specification's sample data, and what both ends of a connection do with it."""

from __future__ import annotations

import itertools
import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.virtual.air.channels import ALL_CHANNELS, HopSequence, PseudoRandomSequence, channel_identifier
from hil.virtual.air.medium import Packet
from tests.virtual.air.host import Pair

SAMPLE_ACCESS_ADDRESS = 0x8E89BED6
NINE = sum(1 << n for n in (9, 10, 21, 22, 23, 33, 34, 35, 36))


def test_sample_data_with_all_channels() -> None:
    """Core 5.4, Vol 6 Part C, 3.1."""
    assert channel_identifier(SAMPLE_ACCESS_ADDRESS) == 0x305F
    sequence = PseudoRandomSequence(SAMPLE_ACCESS_ADDRESS, ALL_CHANNELS)
    assert [sequence.next() for _ in range(4)] == [25, 20, 6, 21]


def test_sample_data_with_nine_channels() -> None:
    """Core 5.4, Vol 6 Part C, 3.2."""
    sequence = PseudoRandomSequence(SAMPLE_ACCESS_ADDRESS, NINE)
    assert [sequence.channel(counter) for counter in (6, 7, 8)] == [23, 9, 34]


@given(
    st.integers(0, 2**32 - 1),
    st.integers(0, ALL_CHANNELS).filter(lambda chosen: chosen.bit_count() >= 2),
    st.integers(0, 65535),
)
def test_only_used_channels_are_used(address: int, channel_map: int, counter: int) -> None:
    assert channel_map >> PseudoRandomSequence(address, channel_map).channel(counter) & 1
    assert channel_map >> HopSequence(5 + counter % 12, channel_map).next() & 1


def channels_of(pair: Pair, milliseconds: float) -> list[int]:
    """The channel of each data packet that is sent."""
    seen: list[int] = []

    def note(packet: Packet, attenuation: float, crc_ok: bool) -> None:
        if packet.channel < 37:
            seen.append(packet.channel)

    pair.medium.sniffer = note
    pair.run(milliseconds)
    pair.medium.sniffer = None
    return seen


def test_two_that_support_it_use_algorithm_2_and_say_so() -> None:
    pair = Pair()
    handle = pair.connect()
    for host in (pair.central, pair.peripheral):
        assert host.of(0x3E14) == [struct.pack("<HB", handle, 1)]
    expected = PseudoRandomSequence(pair.links[0].access_address, ALL_CHANNELS)
    first = (pair.links[0].counter + 1) & 0xFFFF
    seen = channels_of(pair, 300)
    assert seen[::2] == [expected.channel(first + n) for n in range(len(seen) // 2)]


def test_algorithm_1_with_a_peer_that_knows_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hil.virtual.air.pdu.CHANNEL_SELECTION", 0)
    pair = Pair()
    handle = pair.connect()
    assert pair.central.of(0x3E14) == [struct.pack("<HB", handle, 0)]
    seen = channels_of(pair, 600)[::2]
    hops = {(after - before) % 37 for before, after in itertools.pairwise(seen)}
    assert len(hops) == 1
