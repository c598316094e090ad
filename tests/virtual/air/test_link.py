"""Connections as both hosts see them: establishment, procedures, latency, supervision, the end."""

from __future__ import annotations

import struct
from typing import Any

import pytest

from tests.virtual.air.host import MS, Pair


def handle_of(pair: Pair) -> bytes:
    return pair.handle.to_bytes(2, "little")


def test_connection_is_announced_at_both_ends() -> None:
    pair = Pair()
    pair.connect(interval=24, latency=1, timeout=300)
    [central], [peripheral] = pair.central.of(0x3E0A), pair.peripheral.of(0x3E0A)
    assert central[0] == peripheral[0] == 0
    assert (central[3], peripheral[3]) == (0, 1)
    assert central[5:11] == pair.b.public_address
    assert peripheral[5:11] == pair.a.public_address
    assert struct.unpack_from("<HHH", central, 23) == (24, 1, 300)
    assert pair.b.advertiser.enabled is False


def test_a_host_that_masks_the_enhanced_event_gets_the_plain_one() -> None:
    pair = Pair()
    pair.central.ok(0x2001, struct.pack("<Q", 0x1F))
    pair.advertise()
    pair.create()
    pair.run(100)
    assert len(pair.central.of(0x3E01)) == 1
    assert pair.central.of(0x3E0A) == []


def test_events_come_at_the_anchor_points_to_the_tick() -> None:
    pair = Pair()
    handle = pair.connect(interval=12)
    anchor = pair.links[0]._next_anchor
    pair.central.send(handle, bytes(27))
    pair.run(40)
    assert pair.peripheral.received[0][0] == anchor + (80 + 27 * 8) * 512  # the end of its packet


def test_create_connection_can_be_cancelled() -> None:
    pair = Pair()
    pair.create()
    pair.run(50)
    pair.central.ok(0x200E)
    assert pair.central.of(0x3E0A)[0][0] == 0x02
    assert pair.central.command(0x200E)[0] == 0x0C
    pair.advertise()
    pair.run(100)
    assert pair.peripheral.of(0x3E0A) == []


def test_terminate_tells_each_end_its_reason() -> None:
    pair = Pair()
    pair.connect()
    pair.central.ok(0x0406, handle_of(pair) + b"\x13")
    pair.run(100)
    assert pair.central.of(0x05) == [b"\x00" + handle_of(pair) + b"\x16"]
    assert pair.peripheral.of(0x05) == [b"\x00" + handle_of(pair) + b"\x13"]
    assert pair.a.connections == pair.b.connections == ()


def test_the_peripheral_can_terminate_through_loss() -> None:
    pair = Pair(seed=8)
    pair.connect()
    pair.medium.set_loss(pair.a, pair.b, 0.5)
    pair.peripheral.ok(0x0406, handle_of(pair) + b"\x15")
    pair.run(3000)
    assert pair.peripheral.of(0x05)[0][3] == 0x16
    assert pair.central.of(0x05)[0][3] in (0x15, 0x08)


def test_silence_ends_the_link_when_the_supervision_timeout_is_over() -> None:
    pair = Pair()
    pair.connect(timeout=100)
    pair.run(50)
    heard = pair.links[0]._last_heard
    pair.medium.out_of_range(pair.b, True)
    pair.run(2000)
    for host in (pair.central, pair.peripheral):
        [(tick, _, parameters)] = [event for event in host.events if event[1] == 0x05]
        assert parameters[3] == 0x08
        assert abs(tick - heard - 1000 * MS) < 20 * MS


def test_a_link_survives_a_silence_shorter_than_the_timeout() -> None:
    pair = Pair()
    pair.connect(timeout=100)
    pair.medium.out_of_range(pair.a, True)
    pair.run(900)
    pair.medium.out_of_range(pair.a, False)
    pair.central.send(pair.handle, b"back")
    pair.run(200)
    assert pair.peripheral.received[-1][1][4:] == b"back"
    assert pair.central.of(0x05) == []


def test_attenuation_weakens_the_signal_and_then_cuts_the_link() -> None:
    pair = Pair()
    pair.connect(timeout=100)
    pair.medium.set_attenuation(pair.b, 30)
    pair.run(50)
    assert struct.unpack("<b", pair.central.ok(0x1405, handle_of(pair))[2:]) == (-80,)
    pair.medium.set_attenuation(pair.b, 60)
    pair.run(1500)
    assert pair.central.of(0x05)[0][3] == 0x08
    with pytest.raises(ValueError, match="0 dB or more"):
        pair.medium.set_attenuation(pair.b, -1)


def test_a_lost_connect_indication_fails_to_be_established() -> None:
    pair = Pair()
    pair.advertise()
    pair.create(interval=12)
    deaf = pair.b.advertiser.heard
    pair.b.advertiser.heard = lambda *args: None  # type: ignore[method-assign]
    pair.run(1000)
    pair.b.advertiser.heard = deaf  # type: ignore[method-assign]
    assert pair.central.of(0x3E0A)[0][0] == 0
    assert pair.central.of(0x05)[0][3] == 0x3E
    assert pair.peripheral.of(0x3E0A) == []


def test_power_loss_is_silent_and_power_on_is_as_after_reset() -> None:
    pair = Pair()
    pair.connect(timeout=50)
    pair.b.power(False)
    pair.b.on_hci(b"\x01\x03\x0c\x00")
    pair.run(1000)
    assert pair.peripheral.of(0x05) == []
    assert pair.central.of(0x05)[0][3] == 0x08
    pair.b.power(True)
    pair.peripheral.initialise()
    pair.peripheral.events.clear()
    pair.central.events.clear()
    pair.connect()


def test_latency_lets_the_peripheral_sleep_and_wakes_it_for_its_own_data() -> None:
    pair = Pair()
    handle = pair.connect(interval=12, latency=9, timeout=400)
    pair.run(1000)
    before = pair.medium.packets
    pair.run(1500)  # 100 events: the central sends in each, the peripheral answers in ten
    assert 105 <= pair.medium.packets - before <= 115
    start = pair.kernel.now
    pair.peripheral.send(handle, b"urgent")
    pair.run(100)
    assert pair.central.received[-1][0] - start < 20 * MS
    pair.central.send(handle, b"patient")
    start = pair.kernel.now
    pair.run(300)
    assert pair.peripheral.received[-1][0] - start < 11 * 15 * MS
    assert pair.central.of(0x05) == []


def test_data_length_is_negotiated_in_octets_and_time() -> None:
    pair = Pair()
    pair.connect()
    pair.set_length(251, 2120)
    assert pair.central.of(0x3E07)[-1][2:] == struct.pack("<HHHH", 251, 2120, 251, 2120)
    pair.central.ok(0x2022, handle_of(pair) + struct.pack("<HH", 251, 1000))
    pair.run(200)
    assert pair.links[0].max_payload == (1000 - 80) // 8


def test_suggested_data_length_is_negotiated_by_itself() -> None:
    pair = Pair()
    for host in (pair.central, pair.peripheral):
        host.ok(0x2024, struct.pack("<HH", 251, 2120))
    pair.connect()
    pair.run(200)
    assert pair.links[0].max_payload == pair.links[1].max_payload == 251


@pytest.mark.parametrize("asker", ["central", "peripheral"])
def test_phy_update_by_either_end(asker: str) -> None:
    pair = Pair()
    pair.connect()
    host = getattr(pair, asker)
    host.ok(0x2032, struct.pack("<HBBBH", pair.handle, 0, 2, 2, 0))
    pair.run(300)
    for side in (pair.central, pair.peripheral):
        assert side.of(0x3E0C) == [b"\x00" + handle_of(pair) + b"\x02\x02"]
        assert side.ok(0x2030, handle_of(pair)) == handle_of(pair) + b"\x02\x02"
    pair.central.send(pair.handle, b"on 2M")
    pair.run(50)
    assert pair.peripheral.received[-1][1][4:] == b"on 2M"


def test_phys_may_differ_by_direction() -> None:
    pair = Pair()
    pair.connect()
    pair.central.ok(0x2032, struct.pack("<HBBBH", pair.handle, 0, 2, 1, 0))
    pair.run(300)
    assert pair.central.of(0x3E0C)[0][3:] == b"\x02\x01"
    assert pair.peripheral.of(0x3E0C)[0][3:] == b"\x01\x02"


def test_a_phy_update_that_changes_nothing_is_reported_to_who_asked_only() -> None:
    pair = Pair()
    pair.connect()
    pair.peripheral.ok(0x2031, b"\x00\x01\x01")
    pair.central.ok(0x2032, struct.pack("<HBBBH", pair.handle, 0, 1, 1, 0))
    pair.run(300)
    assert pair.central.of(0x3E0C) == [b"\x00" + handle_of(pair) + b"\x01\x01"]
    assert pair.peripheral.of(0x3E0C) == []


def test_connection_update_by_the_central() -> None:
    pair = Pair()
    pair.connect(interval=12)
    pair.central.ok(0x2013, struct.pack("<7H", pair.handle, 36, 36, 2, 500, 0, 0))
    assert pair.central.command(0x2013, struct.pack("<7H", pair.handle, 36, 36, 2, 500, 0, 0))[0] == 0x0C
    pair.run(500)
    for host in (pair.central, pair.peripheral):
        assert host.of(0x3E03) == [b"\x00" + handle_of(pair) + struct.pack("<HHH", 36, 2, 500)]
    pair.central.send(pair.handle, b"still here")
    pair.run(300)
    assert pair.peripheral.received[-1][1][4:] == b"still here"


def test_the_peripheral_asks_and_the_centrals_host_decides() -> None:
    pair = Pair()
    pair.connect(interval=12)
    pair.peripheral.ok(0x2013, struct.pack("<7H", pair.handle, 24, 40, 0, 500, 0, 0))
    pair.run(100)
    [request] = pair.central.of(0x3E06)
    assert request == handle_of(pair) + struct.pack("<HHHH", 24, 40, 0, 500)
    pair.central.ok(0x2020, struct.pack("<7H", pair.handle, 24, 40, 0, 500, 0, 0))
    pair.run(300)
    assert pair.peripheral.of(0x3E03)[0][0] == 0
    assert pair.links[1].interval_units == 24

    pair.peripheral.ok(0x2013, struct.pack("<7H", pair.handle, 6, 6, 0, 500, 0, 0))
    pair.run(200)
    pair.central.ok(0x2021, handle_of(pair) + b"\x3b")
    pair.run(200)
    assert pair.peripheral.of(0x3E03)[1][0] == 0x3B
    assert pair.links[1].interval_units == 24


def test_a_central_whose_host_does_not_want_to_be_asked_refuses() -> None:
    pair = Pair()
    pair.central.ok(0x2001, struct.pack("<Q", 0xFFFF & ~0x20))
    pair.connect()
    pair.peripheral.ok(0x2013, struct.pack("<7H", pair.handle, 24, 40, 0, 500, 0, 0))
    pair.run(300)
    assert pair.peripheral.of(0x3E03)[0][0] == 0x1A


def test_version_and_features_are_exchanged() -> None:
    pair = Pair()
    pair.connect()
    for host in (pair.central, pair.peripheral):
        host.ok(0x041D, handle_of(pair))
        host.ok(0x2016, handle_of(pair))
    pair.run(300)
    for host in (pair.central, pair.peripheral):
        assert host.of(0x0C) == [b"\x00" + handle_of(pair) + struct.pack("<BHH", 0x0D, 0xFFFF, 1)]
        assert host.of(0x3E04) == [b"\x00" + handle_of(pair) + host.ok(0x2003)]
    pair.central.ok(0x041D, handle_of(pair))
    assert len(pair.central.of(0x0C)) == 2  # known: answered without asking again


def test_channel_map_changes_at_both_ends() -> None:
    pair = Pair()
    pair.connect()
    few = (0b111 << 10).to_bytes(5, "little")
    pair.central.ok(0x2014, few)
    pair.run(300)
    for host in (pair.central, pair.peripheral):
        assert host.ok(0x2015, handle_of(pair))[2:] == few
    pair.central.send(pair.handle, b"on three channels")
    pair.run(100)
    assert pair.peripheral.received[-1][1][4:] == b"on three channels"


def test_an_instant_that_has_passed_ends_the_link() -> None:
    pair = Pair()
    pair.connect()
    link = pair.links[0]
    link.queue_control(struct.pack("<BBBH", 0x18, 2, 2, (link.counter - 1) & 0xFFFF))
    pair.run(100)
    assert pair.peripheral.of(0x05)[0][3] == 0x28


@pytest.mark.parametrize("message", [b"\xf0", b"\x14\x00", b"\x02", b"\x00" * 5])
def test_unknown_and_short_control_pdus_are_answered_not_followed(message: bytes) -> None:
    pair = Pair()
    pair.connect()
    pair.links[0].queue_control(message)
    pair.run(100)
    assert pair.central.of(0x05) == pair.peripheral.of(0x05) == []
    pair.central.send(pair.handle, b"alive")
    pair.run(100)
    assert pair.peripheral.received[-1][1][4:] == b"alive"


def test_a_procedure_without_an_answer_costs_the_link_after_forty_seconds() -> None:
    pair = Pair()
    pair.connect()
    pair.links[1].llcp.received = lambda data: None  # type: ignore[method-assign]
    pair.central.ok(0x2016, handle_of(pair))
    pair.run(39_000)
    assert pair.central.of(0x05) == []
    pair.run(2_000)
    assert pair.central.of(0x05)[0][3] == 0x22


def test_a_receiver_without_room_makes_the_peer_repeat() -> None:
    pair = Pair()
    handle = pair.connect()
    room = [False]
    pair.b.set_host(pair.peripheral._packet, lambda: room[0])
    for n in range(30):
        pair.central.send(handle, bytes((n,)) * 20)
    pair.run(500)
    assert pair.peripheral.received == []
    assert pair.central.credits == 0
    room[0] = True
    pair.run(200)
    assert [packet[4:] for _, packet in pair.peripheral.received] == [bytes((n,)) * 20 for n in range(30)]
    assert pair.central.credits == 10


def test_saved_state_runs_on_as_it_did() -> None:
    pair = Pair(seed=4)
    handle = pair.connect()
    pair.medium.set_loss(pair.a, pair.b, 0.2)
    for n in range(10):
        pair.central.send(handle, bytes((n,)) * 200)
    pair.run(20)
    parts: tuple[Any, ...] = (pair.kernel, pair.medium, pair.a, pair.b)
    state = [part.save() for part in parts]
    mark = len(pair.peripheral.received)
    pair.run(1000)
    first = pair.peripheral.received[mark:]
    for part, saved in zip(parts, state, strict=True):
        part.restore(saved)
    mark = len(pair.peripheral.received)
    pair.run(1000)
    assert first and pair.peripheral.received[mark:] == first


def test_a_long_pdu_pending_over_a_change_to_a_slow_phy_still_goes_through() -> None:
    pair = Pair()
    handle = pair.connect(interval=6)
    pair.set_length(251, 17040)
    pair.central.ok(0x2032, struct.pack("<HBBBH", handle, 0, 4, 4, 2))
    while not pair.links[1].llcp.phy.pending_tx:  # until the peripheral knows the instant
        pair.run(1)
    for link in pair.links:  # as if its limits had not been lowered in time
        link.max_payload = 251
    pair.central.send(handle, bytes(251))
    pair.peripheral.send(handle, bytes(250))
    pair.medium.set_loss(pair.b, pair.a, 1.0, one_way=True)
    pair.run(100)
    assert [link.phy_tx for link in pair.links] == [3, 3]
    assert pair.central.received == []
    pair.medium.set_loss(pair.b, pair.a, 0.0)
    pair.run(300)
    assert [len(packet) - 4 for _, packet in pair.peripheral.received] == [251]
    assert [len(packet) - 4 for _, packet in pair.central.received] == [250]
