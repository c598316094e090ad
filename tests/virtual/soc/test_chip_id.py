"""The chip's identification that older firmware reads before it works around anomalies."""

from __future__ import annotations

import struct

from tests.virtual.soc.board import RAM, Board


def test_a_debugger_reads_the_part() -> None:
    board = Board()
    part, designer, revision, _ = (board.read(0xF000_0000 + offset) for offset in range(0xFE0, 0xFF0, 4))
    assert (part & 0xFF, designer & 0xF) == (8, 0)
    assert (designer >> 4, revision & 7, board.read(0xF000_0FD0)) == (4, 4, 2)  # Nordic Semiconductor


def test_firmware_reads_it_without_a_fault() -> None:
    board = Board()
    code = struct.pack("<8H", 0x4803, 0x6801, 0x4A03, 0x6011, 0xE7FE, 0xBF00, 0xBF00, 0xBF00)
    board.soc.memory.write(0, struct.pack("<II", 0x2004_0000, 0x201))
    board.soc.memory.write(0x200, code + struct.pack("<II", 0xF000_0FE0, RAM))
    board.kit.rail.set_voltage(0.0)
    board.run(512_000)
    board.kit.rail.set_voltage(3.0)
    board.run(2 * 512_000)
    assert struct.unpack("<I", board.soc.memory.read(RAM, 4)) == (8,)
