"""The capture format, octet by octet, and read back by an independent reader."""

from __future__ import annotations

import io
import struct
from datetime import UTC, datetime
from pathlib import Path

import pytest

from hil.ble.btsnoop import UNIX_EPOCH_US, BtsnoopWriter

RESET = bytes.fromhex("01030c00")
COMPLETE = bytes.fromhex("040e0401030c00")
DATA = bytes.fromhex("024000030001ab02")


def records(data: bytes) -> list[tuple[int, int, bytes]]:
    """(flags, time, packet) of every record; fails on anything that is not well formed."""
    assert data[:16] == b"btsnoop\x00" + struct.pack(">II", 1, 1002)
    found, offset = [], 16
    while offset < len(data):
        original, included, flags, drops, time = struct.unpack_from(">IIIIQ", data, offset)
        assert original == included and drops == 0
        packet = data[offset + 24 : offset + 24 + included]
        assert len(packet) == included
        found.append((flags, time, packet))
        offset += 24 + included
    return found


def test_epoch_agrees_with_the_one_every_reader_uses() -> None:
    """The format's description gives midnight of 2000-01-01 as 0x00E03AB44A676000."""
    seconds = int((datetime(2000, 1, 1, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds())
    assert UNIX_EPOCH_US + seconds * 1_000_000 == 0x00E03AB44A676000


def test_flags_tell_direction_and_kind(tmp_path: Path) -> None:
    path = tmp_path / "capture.btsnoop"
    times = iter(range(UNIX_EPOCH_US, UNIX_EPOCH_US + 10))
    with BtsnoopWriter(path, lambda: next(times)) as capture:
        capture.write(RESET, from_controller=False)
        capture.write(COMPLETE, from_controller=True)
        capture.write(DATA, from_controller=False)
        capture.write(DATA, from_controller=True)
    assert records(path.read_bytes()) == [
        (2, UNIX_EPOCH_US, RESET),
        (3, UNIX_EPOCH_US + 1, COMPLETE),
        (0, UNIX_EPOCH_US + 2, DATA),
        (1, UNIX_EPOCH_US + 3, DATA),
    ]


def test_records_are_on_disk_before_close(tmp_path: Path) -> None:
    path = tmp_path / "capture.btsnoop"
    capture = BtsnoopWriter(path, lambda: 0)
    capture.write(RESET, from_controller=False)
    assert len(records(path.read_bytes())) == 1
    capture.close()
    capture.close()


def test_an_open_file_is_left_open() -> None:
    target = io.BytesIO()
    with BtsnoopWriter(target, lambda: 0) as capture:
        capture.write(DATA, from_controller=True)
    assert records(target.getvalue()) == [(1, 0, DATA)]


def test_an_empty_packet_is_refused(tmp_path: Path) -> None:
    with (
        BtsnoopWriter(tmp_path / "capture", lambda: 0) as capture,
        pytest.raises(ValueError, match="type octet"),
    ):
        capture.write(b"", from_controller=True)
