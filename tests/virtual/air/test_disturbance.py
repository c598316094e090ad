"""Loss, bursts, interference and distance: their figures, and that no link delivers anything but what was sent."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hil.virtual.air.disturbance import Bursts, bit_error_rate, reception
from hil.virtual.air.medium import Medium, Packet
from tests.virtual.air.host import Pair

PROBABILITIES = st.floats(0.0, 1.0)


def test_bursts_last_and_come_as_asked() -> None:
    bursts, source = Bursts(0.01, 0.2, 1.0), random.Random(1)
    lost = [bursts.lose(source) for _ in range(200_000)]
    begun = sum(now and not before for before, now in zip([False, *lost], lost, strict=False))
    assert sum(lost) / len(lost) == pytest.approx(0.01 / 0.21, rel=0.05)
    assert sum(lost) / begun == pytest.approx(1 / 0.2, rel=0.05)


def test_the_sensitivity_is_where_one_bit_in_a_thousand_is_wrong() -> None:
    assert bit_error_rate(0.0) == pytest.approx(0.001)
    assert bit_error_rate(-40.0) == pytest.approx(0.5, rel=0.01)
    assert bit_error_rate(10.0) < 1e-12


@pytest.mark.parametrize(("margin", "octets", "received"), [(0.0, 39, 0.691), (0.0, 2, 0.931)])
def test_packets_get_lost_at_the_sensitivity(margin: float, octets: int, received: float) -> None:
    """37 octets at a bit error rate of 0.1 % are the 30.8 % of lost packets that receivers are tested with."""
    source = random.Random(2)
    outcomes = [reception(margin, octets, source) for _ in range(20_000)]
    assert outcomes.count(True) / len(outcomes) == pytest.approx(received, abs=0.012)
    assert outcomes.count(None) / len(outcomes) == pytest.approx(1 - 0.999**32, abs=0.01)


def test_interference_leaves_the_other_channels_alone() -> None:
    pair = Pair(seed=4)
    pair.connect()
    pair.medium.set_interference(range(20), 0.8)
    spoiled: dict[bool, int] = {True: 0, False: 0}

    def note(packet: Packet, attenuation: float, crc_ok: bool) -> None:
        spoiled[packet.channel < 20] += not crc_ok

    pair.medium.sniffer = note
    for n in range(100):
        pair.central.send(pair.handle, bytes((n,)) * 20)
    pair.run(3000)
    assert spoiled[True] > 10
    assert spoiled[False] == 0
    assert [packet[4] for _, packet in pair.peripheral.received] == list(range(100))


@pytest.mark.parametrize(
    "ask",
    [
        lambda air, pair: air.set_loss(pair.a, pair.b, 1.1),
        lambda air, pair: air.set_loss(pair.a, pair.b, 0.1, crc_share=-0.1),
        lambda air, pair: air.set_bursts(pair.a, pair.b, 0.5, 2.0),
        lambda air, pair: air.set_interference([40], 0.5),
        lambda air, pair: air.set_interference([1], -1.0),
    ],
)
def test_what_is_no_probability_or_channel_is_refused(ask: Callable[[Medium, Pair], Any]) -> None:
    pair = Pair()
    with pytest.raises(ValueError, match="from 0 to"):
        ask(pair.medium, pair)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**16),
    loss=PROBABILITIES,
    crc_share=PROBABILITIES,
    begin=st.floats(0.0, 0.2),
    end=st.floats(0.05, 1.0),
    channels=st.sets(st.integers(0, 36)),
    interference=PROBABILITIES,
    attenuation=st.floats(0.0, 50.0),
    silent_after=st.none() | st.integers(0, 400),
    encrypt=st.booleans(),
)
def test_all_arrives_in_order_or_the_link_ends_and_says_why(
    seed: int,
    loss: float,
    crc_share: float,
    begin: float,
    end: float,
    channels: set[int],
    interference: float,
    attenuation: float,
    silent_after: int | None,
    encrypt: bool,
) -> None:
    pair = Pair(seed)
    handle = pair.connect(timeout=100)
    if encrypt:
        start_encryption(pair)
    pair.medium.set_loss(pair.a, pair.b, loss, crc_share=crc_share)
    pair.medium.set_bursts(pair.a, pair.b, begin, end)
    pair.medium.set_interference(channels, interference)
    pair.medium.set_attenuation(pair.b, attenuation)
    sent = 0

    def fall_silent(packet: Packet, attenuation: float, crc_ok: bool) -> None:
        nonlocal sent
        sent += 1
        if sent == silent_after:
            pair.medium.out_of_range(pair.b, True)

    pair.medium.sniffer = fall_silent
    up = [bytes((n,)) * (1 + n) for n in range(40)]
    down = [bytes((255 - n,)) * (41 - n) for n in range(40)]
    for one, other in zip(up, down, strict=True):
        pair.central.send(handle, one)
        pair.peripheral.send(handle, other)
    for _ in range(600):
        pair.run(1000)
        over = [host.of(0x05) for host in (pair.central, pair.peripheral)]
        if all(over):
            break
        if pair.peripheral.octets == len(b"".join(up)) and pair.central.octets == len(b"".join(down)):
            break
    arrived = [joined(host.received) for host in (pair.peripheral, pair.central)]
    # What arrives is what was sent from its beginning on, each once; a link that ended may have cut it short.
    for got, meant in zip(arrived, (up, down), strict=True):
        assert b"".join(meant).startswith(got)
    ended = [host.of(0x05) for host in (pair.central, pair.peripheral)]
    if any(ended):
        assert {event[3] for events in ended for event in events} <= {0x08}
        assert all(len(events) == 1 for events in ended)
    else:
        assert arrived == [b"".join(up), b"".join(down)]


def joined(received: list[tuple[int, bytes]]) -> bytes:
    """The payloads, in the order they came."""
    return b"".join(packet[4:] for _, packet in received)


def start_encryption(pair: Pair) -> None:
    """Encrypt with one key at both ends, while nothing disturbs."""

    def answer(code: int, parameters: bytes) -> None:
        if code == 0x3E05:
            pair.b.on_hci(b"\x01\x1a\x20\x12" + parameters[:2] + bytes(16))

    pair.peripheral.on_event = answer
    pair.central.ok(0x2019, pair.handle.to_bytes(2, "little") + bytes(10) + bytes(16))
    pair.run(500)
    assert pair.central.of(0x08)[0][3] == 1
