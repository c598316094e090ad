"""SPIM, SPI and SPIS on wires that nothing is connected to."""

from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_US
from tests.virtual.soc.board import RAM, Board

SPIM0, SPIM1, SPIM2, SPIM3 = 0x4000_3000, 0x4000_4000, 0x4002_3000, 0x4002_F000
IRQS = {SPIM0: 3, SPIM1: 4, SPIM2: 35, SPIM3: 47}
P0_PIN_CNF = 0x5000_0700
MISO = 28
MEGABIT = 0x1000_0000
BYTE = 8 * TICKS_PER_US
STOPPED, ENDRX, END, ENDTX, STARTED = 0x104, 0x110, 0x118, 0x120, 0x14C


def _spim(base: int = SPIM0, *, pull: int = 0, **more: int) -> Board:
    board = Board()
    board.write(P0_PIN_CNF + 4 * MISO, pull << 2)
    board.set(base, r508=27, r50C=26, r510=MISO, r524=MEGABIT, r304=1 << 6, **more)
    board.set(base, r500=7)
    return board


def _events(board: Board, base: int) -> list[int]:
    return [board.read(base + offset) for offset in (STARTED, ENDTX, ENDRX, END)]


@pytest.mark.parametrize("base", IRQS)
def test_a_transfer_takes_its_time_and_interrupts_at_its_end(base: int) -> None:
    board = _spim(base, r534=RAM, r538=4, r544=RAM + 0x100, r548=4)
    board.set(base, r010=1)
    assert _events(board, base) == [1, 0, 0, 0]
    board.run(4 * BYTE - 1)
    assert _events(board, base) == [1, 0, 0, 0]
    board.run(1)
    assert _events(board, base) == [1, 1, 1, 1]
    assert (board.read(base + 0x53C), board.read(base + 0x54C)) == (4, 4)
    assert board.pending(IRQS[base])


@pytest.mark.parametrize(("pull", "level"), [(0, 0x00), (1, 0x00), (3, 0xFF)])
def test_what_comes_in_is_the_level_of_the_idle_pin(pull: int, level: int) -> None:
    board = _spim(pull=pull, r534=RAM, r538=3)
    board.soc.memory.write(RAM, b"\x5a" * 4)
    board.set(SPIM0, r010=1)
    board.run(3 * BYTE)
    assert board.soc.memory.read(RAM, 4) == bytes([level] * 3) + b"\x5a"
    assert _events(board, SPIM0) == [1, 1, 1, 1]


def test_the_shorter_buffer_ends_first() -> None:
    board = _spim(r534=RAM, r538=2, r544=RAM + 0x100, r548=5)
    board.set(SPIM0, r010=1)
    board.run(2 * BYTE)
    assert _events(board, SPIM0) == [1, 0, 1, 0]
    board.run(3 * BYTE)
    assert _events(board, SPIM0) == [1, 1, 1, 1]
    assert (board.read(SPIM0 + 0x53C), board.read(SPIM0 + 0x54C)) == (2, 5)


def test_stop_comes_to_rest_after_the_byte_and_ends_the_buffers() -> None:
    board = _spim(r534=RAM, r538=8, r544=RAM + 0x100, r548=8)
    board.set(SPIM0, r010=1)
    board.run(2 * BYTE + 10)
    board.set(SPIM0, r014=1)
    board.run(BYTE - 11)
    assert board.read(SPIM0 + STOPPED) == 0
    board.run(1)
    assert board.read(SPIM0 + STOPPED) == 1
    assert _events(board, SPIM0) == [1, 1, 1, 0]
    assert board.read(SPIM0 + 0x53C) == 3
    board.run(10 * BYTE)
    assert board.read(SPIM0 + END) == 0


def test_suspend_and_resume_only_delay_it() -> None:
    board = _spim(r534=RAM, r538=4, r544=RAM + 0x100, r548=4)
    board.set(SPIM0, r010=1)
    board.run(BYTE + 1)
    board.set(SPIM0, r01C=1)
    board.run(100 * BYTE)
    assert _events(board, SPIM0) == [1, 0, 0, 0]
    board.set(SPIM0, r020=1)
    board.run(2 * BYTE - 1)
    assert board.read(SPIM0 + END) == 0
    board.run(1)
    assert board.read(SPIM0 + END) == 1


def test_the_list_mode_and_the_shortcut_fill_buffer_after_buffer() -> None:
    board = _spim(pull=3, r534=RAM, r538=2, r540=1)
    board.soc.memory.write(RAM, bytes(16))
    board.set(SPIM0, r200=1 << 17, r010=1)
    board.run(5 * BYTE)
    assert board.soc.memory.read(RAM, 6) == b"\xff" * 4 + bytes(2)
    board.run(BYTE)
    assert board.soc.memory.read(RAM, 8) == b"\xff" * 6 + bytes(2)


def test_it_does_nothing_while_disabled() -> None:
    board = _spim(r534=RAM, r538=2)
    board.set(SPIM0, r500=0, r010=1)
    board.run(10 * BYTE)
    assert _events(board, SPIM0) == [0, 0, 0, 0]


def test_it_survives_a_save_in_the_middle() -> None:
    board = _spim(pull=3, r534=RAM, r538=4)
    board.soc.memory.write(RAM, bytes(4))
    board.set(SPIM0, r010=1)
    board.run(BYTE)
    kernel, kit = board.kernel.save(), board.kit.save()
    board.set(SPIM0, r500=0)
    board.run(10 * BYTE)
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    board.run(3 * BYTE)
    assert (board.soc.memory.read(RAM, 4), board.read(SPIM0 + END)) == (b"\xff" * 4, 1)


def test_spi_moves_a_byte_at_a_time_and_keeps_two() -> None:
    board = Board()
    board.write(P0_PIN_CNF + 4 * MISO, 3 << 2)
    board.set(SPIM1, r508=27, r50C=26, r510=MISO, r524=MEGABIT, r304=4, r500=1)
    board.set(SPIM1, r51C=1)
    board.set(SPIM1, r51C=2)
    board.run(BYTE)
    assert (board.read(SPIM1 + 0x108), board.pending(4)) == (1, True)
    board.set(SPIM1, r108=0)
    board.run(BYTE)
    assert board.read(SPIM1 + 0x108) == 0  # the second waits for the first to be read
    assert board.read(SPIM1 + 0x518) == 0xFF
    assert board.read(SPIM1 + 0x108) == 1
    assert board.read(SPIM1 + 0x518) == 0xFF


def test_spis_hands_its_buffers_to_the_cpu() -> None:
    board = Board()
    board.set(SPIM2, r500=2)
    assert board.read(SPIM2 + 0x400) == 1  # the CPU has the semaphore from the start
    board.set(SPIM2, r028=1)
    assert board.read(SPIM2 + 0x400) == 0
    board.set(SPIM2, r024=1)
    assert (board.read(SPIM2 + 0x400), board.read(SPIM2 + 0x128)) == (1, 1)


def test_a_transfer_begun_while_the_last_stop_ends_gets_its_own_end() -> None:
    board = Board()
    base = 0x4000_3000
    board.write(base + 0x500, 7)
    board.write(base + 0x548, 200)  # TXD.MAXCNT
    board.write(base + 0x544, 0x2000_0100)
    board.write(base + 0x010, 1)
    board.write(base + 0x014, 1)  # STOP: ends with the byte on the wire
    board.write(base + 0x010, 1)
    board.run(100 * TICKS_PER_US)
    assert board.read(base + 0x120) == 0  # ENDTX of 200 bytes cannot have come
