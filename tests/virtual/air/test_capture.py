"""The capture of the air: golden octets of the link type's page, and what Wireshark says of a whole connection."""

from __future__ import annotations

import io
import shutil
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.virtual.air.capture import AirCapture, crc24, rf_channel
from hil.virtual.air.medium import CODING_S2, CODING_S8, PHY_1M, PHY_2M, PHY_CODED, Packet
from tests.virtual.air.host import Pair

TSHARK = shutil.which("tshark")


def records(capture: bytes) -> Iterator[tuple[int, int, int, bytes]]:
    """(nanoseconds, RF channel, flags, access address and what follows) of each packet."""
    magic, major, minor, _, _, _, link_type = struct.unpack_from("<IHHiIII", capture)
    assert (magic, major, minor, link_type) == (0xA1B23C4D, 2, 4, 256)
    at = 24
    while at < len(capture):
        seconds, nanoseconds, kept, length = struct.unpack_from("<IIII", capture, at)
        assert kept == length
        body = capture[at + 16 : at + 16 + kept]
        at += 16 + kept
        yield seconds * 1_000_000_000 + nanoseconds, body[0], struct.unpack_from("<H", body, 8)[0], body[10:]
    assert at == len(capture)


class Beacon:
    name = "beacon"


def one(phy: int, coding: int, *, crc_ok: bool = True) -> bytes:
    target = io.BytesIO()
    pdu = bytes.fromhex("4206") + bytes(6)
    AirCapture(target).hears(
        Packet(Beacon(), 0x8E89BED6, 37, phy, coding, pdu, 512_000, 600_000), 7.0, crc_ok
    )
    return target.getvalue()[40:]


def test_header_of_an_advertisement() -> None:
    packet = one(PHY_1M, CODING_S8)
    # RF channel 0, -57 dBm, no noise, no offences, reference 0x8E89BED6; de-whitened, signal and reference valid,
    # CRC checked and right, LE 1M; access address, PDU
    assert packet[:22].hex() == "00c70000d6be898e130cd6be898e42060000000000" + "00"
    assert one(PHY_1M, CODING_S8, crc_ok=False)[8:10].hex() == "1304"
    assert one(PHY_1M, CODING_S8, crc_ok=False)[-3:] != packet[-3:]


@pytest.mark.parametrize(
    ("phy", "coding", "flags", "indicator"),
    [
        (PHY_2M, CODING_S8, "134c", ""),
        (PHY_CODED, CODING_S8, "138c", "00"),
        (PHY_CODED, CODING_S2, "138c", "01"),
    ],
)
def test_phy_and_coding_indicator(phy: int, coding: int, flags: str, indicator: str) -> None:
    packet = one(phy, coding)
    assert packet[8:10].hex() == flags
    assert packet[14:].hex().startswith(indicator + "4206")


def test_channels_go_by_frequency() -> None:
    assert [rf_channel(n) for n in (37, 0, 10, 38, 11, 36, 39)] == [0, 1, 11, 12, 13, 38, 39]
    assert sorted(rf_channel(n) for n in range(40)) == list(range(40))


def test_crc_notices_each_single_bit() -> None:
    pdu = bytes(range(20))
    whole = crc24(pdu, 0x555555)
    others = {crc24((int.from_bytes(pdu) ^ 1 << bit).to_bytes(20), 0x555555) for bit in range(160)}
    assert len(others) == 160
    assert whole not in others


def connection(pair: Pair) -> None:
    """Advertising, a connection, each procedure once, data both ways on each PHY, the end."""
    pair.advertise()
    pair.central.ok(0x200B, struct.pack("<BHHBB", 1, 0x60, 0x60, 0, 0))
    pair.central.ok(0x200C, b"\x01\x00")
    pair.run(200)
    pair.central.ok(0x200C, b"\x00\x00")
    pair.create()
    pair.run(200)
    pair.handle = struct.unpack_from("<H", pair.central.of(0x3E0A)[0], 1)[0]
    handle = struct.pack("<H", pair.handle)
    pair.set_length(251, 17040)
    pair.central.ok(0x041D, handle)
    pair.central.ok(0x2016, handle)
    for phy in (PHY_2M, PHY_CODED, PHY_1M):
        pair.set_phy(phy)
        # An L2CAP frame of ATT: a write command to handle 3
        value = bytes(range(40))
        att = b"\x52\x03\x00" + value
        for host in (pair.central, pair.peripheral):
            host.send(pair.handle, struct.pack("<HH", len(att), 4) + att)
        pair.run(200)
    pair.central.ok(0x2013, handle + struct.pack("<HHHHHH", 24, 24, 0, 400, 0, 0))
    pair.run(500)
    pair.central.ok(0x2014, ((1 << 37) - 2).to_bytes(5, "little"))
    pair.run(500)
    pair.central.ok(0x0406, handle + b"\x13")
    pair.run(200)


def test_each_packet_is_there_once_at_its_start() -> None:
    pair, target = Pair(), io.BytesIO()
    pair.medium.sniffer = AirCapture(target).hears
    connection(pair)
    found = list(records(target.getvalue()))
    assert len(found) == pair.medium.packets
    times = [when for when, *_ in found]
    assert times == sorted(times)
    data = [flags >> 7 & 7 for _, _, flags, body in found if body[:4] != bytes.fromhex("d6be898e")]
    assert set(data) == {2, 3}
    assert {flags >> 14 for _, _, flags, _ in found} == {0, 1, 2}
    assert all(flags & 0x0C00 == 0x0C00 for _, _, flags, _ in found)


def test_a_packet_heard_with_an_error_has_a_bad_crc() -> None:
    pair, target = Pair(), io.BytesIO()
    pair.connect()
    pair.medium.sniffer = AirCapture(target).hears
    pair.medium.set_loss(pair.a, pair.b, 0.5, crc_share=1.0)
    pair.advertise()
    pair.central.ok(0x200B, struct.pack("<BHHBB", 0, 0x60, 0x60, 0, 0))
    pair.central.ok(0x200C, b"\x01\x00")
    pair.run(2000)
    states = [
        flags & 0x0C00 for _, _, flags, body in records(target.getvalue()) if body[:4] == b"\xd6\xbe\x89\x8e"
    ]
    assert set(states) == {0x0400, 0x0C00}


def tshark(capture: Path, *arguments: str) -> list[str]:
    """Lines that tshark prints, with a profile of nobody's."""
    assert TSHARK is not None
    home = capture.parent / "home"
    home.mkdir(exist_ok=True)
    ended = subprocess.run(
        [TSHARK, "-r", str(capture), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
        env={"HOME": str(home), "PATH": "/usr/bin:/bin", "LC_ALL": "C"},
    )
    return ended.stdout.splitlines()


def unchecked(capture: Path) -> Path:
    """The same capture without a word on the CRC, so that Wireshark computes it itself."""
    data = bytearray(capture.read_bytes())
    at = 24
    while at < len(data):
        data[at + 16 + 9] &= ~0x0C
        at += 16 + struct.unpack_from("<I", data, at + 8)[0]
    path = capture.with_suffix(".unchecked.pcap")
    path.write_bytes(data)
    return path


@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
def test_wireshark_dissects_all_of_it(tmp_path: Path) -> None:
    pair, path = Pair(), tmp_path / "air.pcap"
    capture = AirCapture(path)
    pair.medium.sniffer = capture.hears
    connection(pair)
    capture.close()
    assert tshark(path, "-Y", "_ws.malformed || btle.crc.incorrect") == []
    assert tshark(unchecked(path), "-Y", "btle.crc.incorrect") == []
    opcodes = {
        int(line, 0)
        for line in tshark(path, "-Y", "btle.control_opcode", "-T", "fields", "-e", "btle.control_opcode")
    }
    # update, channel map, terminate, features, version, length, PHY
    assert {0x00, 0x01, 0x02, 0x08, 0x09, 0x0C, 0x14, 0x15, 0x16, 0x17, 0x18} <= opcodes
    assert len(tshark(path, "-Y", "btle.advertising_header.pdu_type == 0x05")) == 1
    writes = tshark(path, "-Y", "btatt.opcode == 0x52", "-T", "fields", "-e", "btatt.value")
    assert writes == [bytes(range(40)).hex()] * 6
