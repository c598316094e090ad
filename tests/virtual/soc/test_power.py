"""POWER: reset reasons, retained registers, RAM sections, System OFF, the comparator, no USB."""

from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_MS
from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import POWER, RAM, Board

RESETREAS, GPREGRET, GPREGRET2 = POWER + 0x400, POWER + 0x51C, POWER + 0x520
BITS = {
    ResetCause.PIN: 1,
    ResetCause.WATCHDOG: 2,
    ResetCause.SOFT: 4,
    ResetCause.LOCKUP: 8,
    ResetCause.SYSTEM_OFF: 1 << 16,
}


def test_reasons_add_up_until_ones_are_written() -> None:
    board = Board()
    assert board.read(RESETREAS) == 0
    expected = 0
    for cause, bit in BITS.items():
        board.soc.reset(cause)
        expected |= bit
        assert board.read(RESETREAS) == expected
    board.write(RESETREAS, 4)
    assert board.read(RESETREAS) == expected & ~4
    board.write(RESETREAS, 0xFFFF_FFFF)
    assert board.read(RESETREAS) == 0


@pytest.mark.parametrize(
    ("cause", "kept"),
    [
        (ResetCause.SOFT, True),
        (ResetCause.LOCKUP, True),
        (ResetCause.SYSTEM_OFF, True),
        (ResetCause.PIN, False),
        (ResetCause.WATCHDOG, False),
    ],
)
def test_which_resets_keep_gpregret(cause: ResetCause, kept: bool) -> None:
    board = Board()
    board.set(POWER, r51C=0x1A5, r520=0x5A)
    assert board.read(GPREGRET) == 0xA5
    board.soc.reset(cause)
    assert (board.read(GPREGRET), board.read(GPREGRET2)) == ((0xA5, 0x5A) if kept else (0, 0))


@pytest.mark.parametrize(
    ("block", "section", "address", "size"),
    [
        (0, 0, RAM, 0x1000),
        (0, 1, RAM + 0x1000, 0x1000),
        (7, 1, RAM + 0xF000, 0x1000),
        (8, 0, RAM + 0x1_0000, 0x8000),
        (8, 5, RAM + 0x3_8000, 0x8000),
    ],
)
def test_a_ram_section_that_is_switched_off_loses_its_content_and_no_other(
    block: int, section: int, address: int, size: int
) -> None:
    board = Board()
    filled = b"\xa5" * 0x4_0000
    board.soc.memory.write(RAM, filled)
    register = POWER + 0x900 + 0x10 * block
    assert board.read(register) == 0xFFFF
    board.write(register + 8, 1 << section)  # POWERCLR
    assert board.read(register) == 0xFFFF & ~(1 << section)
    ram = board.soc.memory.read(RAM, 0x4_0000)
    begin = address - RAM
    assert ram[begin : begin + size].count(0xA5) < size // 32
    assert ram[:begin] + ram[begin + size :] == filled[size:]
    board.write(register + 4, 1 << section)  # POWERSET: on again, the content does not come back
    assert board.read(register) == 0xFFFF
    assert board.soc.memory.read(RAM, 0x4_0000) == ram


def test_system_off_keeps_the_sections_with_retention_only() -> None:
    board = Board()
    board.soc.memory.write(RAM, b"\xa5" * 0x2000)
    board.write(POWER + 0x904, 1 << 17)  # RAM0, section 1
    board.write(POWER + 0x500, 1)
    board.run(TICKS_PER_MS)
    assert board.kit.rail.current < 1e-6
    board.soc.reset(ResetCause.PIN)
    ram = board.soc.memory.read(RAM, 0x2000)
    assert ram[:0x1000].count(0xA5) < 128
    assert ram[0x1000:] == b"\xa5" * 0x1000


@pytest.mark.parametrize("level", range(4, 16))
def test_the_comparator_warns_below_its_threshold(level: int) -> None:
    board = Board()
    threshold = 1.7 + 0.1 * (level - 4)
    board.halt()
    board.kit.rail.set_voltage(threshold + 0.05)
    board.set(POWER, r304=1 << 2, r510=1 | level << 1)
    board.run(TICKS_PER_MS)
    assert board.read(POWER + 0x108) == 0
    board.kit.rail.set_voltage(threshold - 0.03)
    board.run(TICKS_PER_MS)
    assert (board.read(POWER + 0x108), board.pending(0)) == (1, True)


def test_there_is_no_usb_and_the_supply_is_on_vdd() -> None:
    board = Board()
    assert [board.read(POWER + offset) for offset in (0x438, 0x640, 0x11C, 0x124)] == [0, 0, 0, 0]
    assert board.soc.bus.unmodelled == {}


def test_wfi_gives_the_sleep_events() -> None:
    board = Board()
    board.soc.memory.write(0x100, b"\x30\xbf\xfe\xe7")  # wfi; b .
    board.set(POWER, r114=0, r118=0)
    board.soc.reset(ResetCause.SOFT)
    board.run(TICKS_PER_MS)
    assert (board.read(POWER + 0x114), board.read(POWER + 0x118)) == (1, 0)
