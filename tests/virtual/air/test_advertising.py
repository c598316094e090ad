"""Advertising, scanning and initiating: what a scanner is told, and when."""

from __future__ import annotations

import struct

import pytest

from tests.virtual.air.host import MS, Pair

DATA = b"\x02\x01\x06\x03\x09Hi"
RESPONSE = b"\x04\x09kit"


def scan(pair: Pair, active: int, interval: int = 0x60, window: int = 0x60, duplicates: int = 0) -> None:
    pair.central.ok(0x200B, struct.pack("<BHHBB", active, interval, window, 0, 0))
    pair.central.ok(0x200C, bytes((1, duplicates)))


def reports(pair: Pair) -> list[tuple[int, bytes, int]]:
    """(event type, data, rssi) of every report so far."""
    found = []
    for report in pair.central.of(0x3E02):
        assert report[0] == 1
        length = report[9]
        assert len(report) == 11 + length
        found.append((report[1], report[10 : 10 + length], struct.unpack("<b", report[-1:])[0]))
    return found


def test_a_passive_scanner_hears_each_event_once() -> None:
    pair = Pair()
    scan(pair, active=0)
    pair.advertise(interval=0x40, data=DATA)  # 40 ms, and up to 10 ms of delay
    pair.run(1000)
    found = reports(pair)
    assert set(found) == {(0, DATA, -50)}
    assert 20 <= len(found) <= 25


def test_an_active_scanner_gets_the_scan_response() -> None:
    pair = Pair()
    pair.peripheral.ok(0x2009, bytes((len(RESPONSE),)) + RESPONSE.ljust(31, b"\0"))
    scan(pair, active=1, duplicates=1)
    pair.advertise(data=DATA)
    pair.run(500)
    assert reports(pair) == [(0, DATA, -50), (4, RESPONSE, -50)]
    ticks = [tick for tick, code, _ in pair.central.events if code == 0x3E02]
    expected_us = 150 + (80 + 12 * 8) + 150 + (80 + (6 + len(RESPONSE)) * 8)  # IFS, SCAN_REQ, IFS, SCAN_RSP
    assert ticks[1] - ticks[0] == expected_us * 512


@pytest.mark.parametrize(("kind", "event"), [(2, 2), (3, 3)])
def test_types_that_take_no_connection(kind: int, event: int) -> None:
    pair = Pair()
    scan(pair, active=0)
    pair.advertise(interval=0xA0, kind=kind)
    pair.create()
    pair.run(500)
    assert reports(pair)[0][0] == event
    assert pair.central.of(0x3E0A) == []


def test_a_narrow_window_hears_less() -> None:
    pair = Pair()
    scan(pair, active=0, interval=0x100, window=0x10)
    pair.advertise(interval=0x20)
    pair.run(4000)
    assert 4 <= len(reports(pair)) <= 24  # a sixteenth of about 160 events


def test_advertising_channels_can_be_left_out() -> None:
    pair = Pair()
    scan(pair, active=0, interval=0x4000, window=0x4000)  # on channel 37 for ten seconds
    pair.peripheral.ok(0x2006, struct.pack("<HHBBB6sBB", 0x20, 0x20, 0, 0, 0, bytes(6), 0b110, 0))
    pair.peripheral.ok(0x200A, b"\x01")
    pair.run(1000)
    assert reports(pair) == []


def test_a_filter_accept_list_admits_only_its_members() -> None:
    pair = Pair()
    pair.central.ok(0x200B, struct.pack("<BHHBB", 0, 0x60, 0x60, 0, 1))
    pair.central.ok(0x200C, b"\x01\x00")
    assert pair.central.command(0x2011, b"\x00" + pair.b.public_address)[0] == 0x0C  # in use
    pair.advertise()
    pair.run(300)
    assert reports(pair) == []
    pair.central.ok(0x200C, b"\x00\x00")
    pair.central.ok(0x2011, b"\x00" + pair.b.public_address)
    pair.central.ok(0x200C, b"\x01\x00")
    pair.run(300)
    assert reports(pair)


def test_directed_advertising_connects_its_peer_or_gives_up() -> None:
    pair = Pair()
    pair.peripheral.ok(0x2006, struct.pack("<HHBBB6sBB", 0, 0, 1, 0, 0, pair.a.public_address, 7, 0))
    pair.peripheral.ok(0x200A, b"\x01")
    pair.run(1400)
    assert pair.peripheral.of(0x3E0A)[0][0] == 0x3C
    pair.peripheral.events.clear()
    pair.peripheral.ok(0x200A, b"\x01")
    pair.create()
    pair.run(100)
    assert pair.peripheral.of(0x3E0A)[0][0] == 0
    assert pair.central.of(0x3E0A)[0][0] == 0


def test_a_random_address_is_used_where_the_host_says_so() -> None:
    pair = Pair()
    pair.peripheral.ok(0x2006, struct.pack("<HHBBB6sBB", 0x20, 0x20, 0, 1, 0, bytes(6), 7, 0))
    assert pair.peripheral.command(0x200A, b"\x01")[0] == 0x12  # none was set
    pair.peripheral.ok(0x2005, b"\x01\x02\x03\x04\x05\xc6")
    pair.peripheral.ok(0x200A, b"\x01")
    assert pair.peripheral.command(0x2005, bytes(6))[0] == 0x0C
    scan(pair, active=0)
    pair.run(100)
    assert pair.central.of(0x3E02)[0][2:9] == b"\x01\x01\x02\x03\x04\x05\xc6"


def test_stopping_stops() -> None:
    pair = Pair()
    scan(pair, active=1)
    pair.advertise()
    pair.run(100)
    pair.peripheral.ok(0x200A, b"\x00")
    pair.run(10)
    count = len(reports(pair))
    before = pair.medium.packets
    pair.run(1000)
    assert len(reports(pair)) == count
    assert pair.medium.packets == before


def test_connection_follows_the_indication_by_the_transmit_window_delay() -> None:
    pair = Pair()
    pair.advertise()
    pair.create(interval=40)
    pair.run(100)
    announced = next(tick for tick, code, _ in pair.central.events if code == 0x3E0A)
    since_window = pair.links[0]._next_anchor - announced - 1250 * 512
    assert since_window > 0 and since_window % (50 * MS) == 0
