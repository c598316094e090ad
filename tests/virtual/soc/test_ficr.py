from __future__ import annotations

from tests.virtual.soc.board import Board

TEMP = 0x4000_C000
FICR = 0x1000_0000


def test_factory_information_says_what_chip_it_is() -> None:
    board = Board()
    words = {
        offset: board.read(FICR + offset) for offset in (0x010, 0x014, 0x100, 0x10C, 0x110, 0x130, 0x450)
    }
    assert words == {
        0x010: 4096,
        0x014: 256,
        0x100: 0x52840,
        0x10C: 256,
        0x110: 1024,
        0x130: 8,
        0x450: 0xFFFF_FF5F,
    }
    # What start-up code copies from FICR to TEMP fits there.
    for offset, register in ((0x404, 0x520), (0x41C, 0x540), (0x434, 0x560)):
        value = board.read(FICR + offset)
        board.write(TEMP + register, value)
        assert board.read(TEMP + register) == value
