"""QSPI with the serial flash of the DK."""

from __future__ import annotations

import logging

import pytest

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US
from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import RAM, Board

QSPI = 0x4002_9000
READY, STATUS, CINSTRCONF, CINSTRDAT0, CINSTRDAT1 = (
    QSPI + offset for offset in (0x100, 0x604, 0x634, 0x638, 0x63C)
)
LIO2, LIO3, WIPWAIT, WREN, LFEN, LFSTOP = 1 << 12, 1 << 13, 1 << 14, 1 << 15, 1 << 16, 1 << 17
DK = {"r524": 19, "r528": 17, "r530": 20, "r534": 21, "r538": 22, "r53C": 23}
QUAD = 4 | 3 << 3
"""IFCONFIG0: READ4IO, PP4IO."""


def _board(*, config: int = 0, pins: dict[str, int] = DK) -> Board:
    board = Board()
    board.halt()
    board.set(QSPI, **pins, r544=config, r600=1 << 28 | 0x80, r500=1, r000=1)
    board.run(100 * TICKS_PER_US)
    assert board.read(READY) == 1
    return board


def _instruct(board: Board, opcode: int, data: bytes = b"", *, flags: int = WIPWAIT) -> bytes:
    """A custom instruction; returns what came in behind the opcode."""
    padded = data.ljust(8, b"\0")
    board.write(CINSTRDAT0, int.from_bytes(padded[:4], "little"))
    board.write(CINSTRDAT1, int.from_bytes(padded[4:], "little"))
    board.write(READY, 0)
    board.write(CINSTRCONF, opcode | (len(data) + 1) << 8 | LIO2 | LIO3 | flags)
    for _ in range(1000):
        if board.read(READY):
            break
        board.run(100 * TICKS_PER_US)
    assert board.read(READY) == 1
    words = board.read(CINSTRDAT0) | board.read(CINSTRDAT1) << 32
    return words.to_bytes(8, "little")[: len(data)]


def _task(board: Board, task: int, milliseconds: int = 1000) -> None:
    board.write(READY, 0)
    board.write(QSPI + task, 1)
    board.run(milliseconds * TICKS_PER_MS)
    assert board.read(READY) == 1


def test_the_memory_identifies_itself_as_the_one_on_the_dk() -> None:
    board = _board()
    assert _instruct(board, 0x9F, bytes(3)).hex() == "c22817"
    assert _instruct(board, 0xAB, bytes(4))[3] == 0x17
    assert _instruct(board, 0x90, bytes(5))[3:].hex() == "c217"


def test_with_other_pins_nobody_answers() -> None:
    board = _board(pins=DK | {"r534": 24})
    assert _instruct(board, 0x9F, bytes(3)) == bytes(3)


def test_pins_that_lead_to_no_memory_are_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        board = _board(pins=DK | {"r534": 24})
        board.write(QSPI, 1)
        _board()
        _board(pins=dict.fromkeys(DK, 0xFFFF_FFFF))
    assert [record.getMessage() for record in caplog.records] == [
        "QSPI on SCK P0.19, CSN P0.17, IO0 P0.20, IO1 P0.24 reaches no memory (the DK's is on P0.19, P0.17, P0.20, "
        "P0.21) at 0x40029000 (QSPI+0x000), PC 0x00000100"
    ]


@pytest.mark.parametrize("config", [0, 1, 2 | 0 << 3, 4 | 3 << 3, 3], ids=str)
def test_what_is_written_reads_back_and_only_clears_bits(config: int) -> None:
    board = _board(config=config)
    _instruct(board, 0x01, b"\x40", flags=WIPWAIT | WREN)  # QE
    data = bytes(range(256)) * 3
    board.soc.memory.write(RAM, data)
    board.set(QSPI, r510=0x1080, r514=RAM, r518=len(data))
    _task(board, 0x008)
    board.set(QSPI, r504=0x1070, r508=RAM + 0x1000, r50C=len(data) + 0x20)
    _task(board, 0x004)
    assert board.soc.memory.read(RAM + 0x1000, len(data) + 0x20) == b"\xff" * 16 + data + b"\xff" * 16
    board.soc.memory.write(RAM, b"\xf0" * 4)
    board.set(QSPI, r510=0x1080, r518=4)
    _task(board, 0x008)
    _task(board, 0x004)
    assert board.soc.memory.read(RAM + 0x1010, 5) == bytes([0, 0, 0, 0, 4])


@pytest.mark.parametrize(("length", "size"), [(0, 4 << 10), (1, 64 << 10), (2, 8 << 20)])
def test_an_erase_takes_away_its_block_and_no_more(length: int, size: int) -> None:
    board = _board()
    flash = board.soc.external_flash
    for address in (0xFFFC, 0x1_0000, 0x1_0FFC, 0x1_1000, 0x1_FFFC, 0x2_0000):
        flash.exchange(b"\x06")
        flash.program(0x02, address, bytes(4))
        board.run(TICKS_PER_MS)
    board.set(QSPI, r51C=0x1_0000, r520=length)
    _task(board, 0x00C, 1)
    assert _instruct(board, 0x05, b"\0", flags=0)[0] & 1  # READY says that it has begun
    assert board.read(STATUS) >> 24 & 1
    board.run(30_000 * TICKS_PER_MS)
    assert board.read(STATUS) >> 24 & 3 == 0
    erased = [
        address
        for address in (0xFFFC, 0x1_0000, 0x1_0FFC, 0x1_1000, 0x1_FFFC, 0x2_0000)
        if flash.read(address, 4) == b"\xff" * 4
    ]
    assert erased == [
        a
        for a in (0xFFFC, 0x1_0000, 0x1_0FFC, 0x1_1000, 0x1_FFFC, 0x2_0000)
        if size > 1 << 20 or 0x1_0000 <= a < 0x1_0000 + size
    ]


def test_a_read_waits_for_the_erase_before_it() -> None:
    board = _board()
    _task(board, 0x00C, 1)
    board.set(QSPI, r508=RAM, r50C=4, r100=0, r004=1)
    board.run(20 * TICKS_PER_MS)
    assert board.read(READY) == 0
    board.run(100 * TICKS_PER_MS)
    assert board.read(READY) == 1


def test_nothing_is_written_without_write_enable_nor_read_on_four_lines_without_qe() -> None:
    board = _board(config=QUAD)
    _instruct(board, 0x02, b"\0\0\0\x00")
    assert board.soc.external_flash.read(0, 1) == b"\xff"
    _instruct(board, 0x02, b"\0\0\0\x55", flags=WREN)
    assert board.soc.external_flash.read(0, 1) == b"\x55"
    board.set(QSPI, r508=RAM, r50C=4)
    _task(board, 0x004)
    assert board.soc.memory.read(RAM, 4) == bytes(4)
    assert _instruct(board, 0x01, b"\x40", flags=WIPWAIT | WREN) is not None
    _task(board, 0x004)
    assert board.soc.memory.read(RAM, 4) == b"\x55\xff\xff\xff"


def test_the_parameter_table_comes_in_long_frames() -> None:
    board = _board()
    _instruct(board, 0x5A, b"\0\0\0\0", flags=LFEN)  # address and dummy byte
    assert board.read(CINSTRCONF) & (LFEN | LFSTOP) == LFEN
    table = _instruct(board, 0, bytes(8), flags=LFEN) + _instruct(board, 0, bytes(8), flags=LFEN | LFSTOP)
    assert table == b"SFDP\x06\x01\x00\xff" + bytes.fromhex("00060110300000ff")
    _instruct(board, 0x5A, b"\0\0\x30\0", flags=LFEN)
    assert _instruct(board, 0, bytes(8), flags=LFEN | LFSTOP).hex() == "e520f1ffffffff03"
    assert _instruct(board, 0x9F, bytes(3)).hex() == "c22817"  # the frame has ended


def test_deep_power_down_hears_nothing_until_it_has_been_woken_up() -> None:
    board = _board()
    _instruct(board, 0xB9)
    assert _instruct(board, 0x9F, bytes(3), flags=0) == b"\xff" * 3  # this wakes it up
    board.run(35 * TICKS_PER_US)
    assert _instruct(board, 0x9F, bytes(3)).hex() == "c22817"


def test_dpmen_sends_it_to_deep_power_down_and_back() -> None:
    board = _board(config=1 << 7)
    board.set(QSPI, r614=0x0003_0003)
    board.set(QSPI, r600=1 << 28 | 0x80 | 1 << 24)
    board.run(TICKS_PER_MS)
    assert board.read(STATUS) & 4
    assert board.soc.external_flash.asleep
    board.set(QSPI, r600=1 << 28 | 0x80)
    board.run(TICKS_PER_MS)
    assert not board.read(STATUS) & 4
    assert _instruct(board, 0x9F, bytes(3)).hex() == "c22817"


def test_content_outlives_reset_and_power_and_reset_ends_what_the_peripheral_does() -> None:
    board = _board()
    _instruct(board, 0x02, b"\0\0\0\x55", flags=WREN)
    board.soc.reset(ResetCause.SOFT)
    assert board.read(QSPI + 0x500) == 0
    board.kit.rail.set_voltage(0.0)
    board.run(TICKS_PER_MS)
    board.kit.rail.set_voltage(3.0)
    board.run(5 * TICKS_PER_MS)
    assert board.soc.external_flash.read(0, 1) == b"\x55"


def test_software_reset_needs_its_enable() -> None:
    board = _board()
    _instruct(board, 0x06)
    assert _instruct(board, 0x05, b"\0")[0] == 2
    _instruct(board, 0x99)
    assert _instruct(board, 0x05, b"\0")[0] == 2
    _instruct(board, 0x66)
    _instruct(board, 0x99)
    assert _instruct(board, 0x05, b"\0")[0] == 0


def test_the_interrupt_and_a_save_in_the_middle() -> None:
    board = _board()
    board.soc.memory.write(RAM, b"\x11" * 1024)
    board.set(QSPI, r100=0, r300=1, r510=0, r514=RAM, r518=1024, r008=1)
    board.run(TICKS_PER_MS)
    kernel, kit = board.kernel.save(), board.kit.save()
    board.set(QSPI, r010=1)
    board.run(10 * TICKS_PER_MS)
    assert not board.pending(41)
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    board.run(10 * TICKS_PER_MS)
    assert board.pending(41)
    assert board.soc.external_flash.read(0, 1025) == b"\x11" * 1024 + b"\xff"


def test_the_window_shows_the_memory_while_qspi_is_active() -> None:
    board = _board()
    bus = board.soc.bus
    _instruct(board, 0x02, b"\0\x10\0\x11\x22\x33\x44", flags=WREN)
    board.run(TICKS_PER_MS)
    assert bus.read(0x1200_1000, 4) == 0x4433_2211
    assert bus.read(0x1200_1001, 1) == 0x22
    board.set(QSPI, r540=0x1000)
    assert bus.read(0x1200_0002, 2) == 0x4433
    assert bus.unmodelled == {}
    bus.write(0x1200_0000, 4, 0)
    board.set(QSPI, r010=1)
    assert bus.read(0x1200_0000, 4) == 0
    assert list(bus.noted()) == [
        "0x12000000 (XIP+0x000) write, PC 0x00000100",
        "0x12000000 (XIP+0x000) read, PC 0x00000100",
    ]


def test_activation_is_told_of_without_enable_and_reaches_nothing() -> None:
    board = Board()
    board.halt()
    board.set(QSPI, **DK, r000=1)
    board.run(100 * TICKS_PER_US)
    assert board.read(READY) == 1
    board.write(READY, 0)
    board.set(QSPI, r504=0, r508=RAM, r50C=4, r004=1)
    board.run(TICKS_PER_MS)
    assert board.read(READY) == 0
