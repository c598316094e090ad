"""TWIM, TWI and TWIS on a bus that nobody answers on."""

from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_US
from tests.virtual.soc.board import RAM, Board

TWIM0, TWIM1 = 0x4000_3000, 0x4000_4000
STOPPED, ERROR, SUSPENDED, RXSTARTED, TXSTARTED, ERRORSRC = 0x104, 0x124, 0x148, 0x14C, 0x150, 0x4C4
ADDRESS = 10 * 10 * TICKS_PER_US
"""Start condition and nine bits at 100 kbit/s."""


def _twim(base: int) -> Board:
    board = Board()
    board.set(base, r508=27, r50C=26, r524=0x0198_0000, r588=0x1D, r500=6)
    board.set(base, r304=1 << 9 | 1 << 1, r534=RAM, r538=4, r544=RAM, r548=4)
    return board


@pytest.mark.parametrize(("base", "irq"), [(TWIM0, 3), (TWIM1, 4)])
@pytest.mark.parametrize(("task", "started"), [(0x008, TXSTARTED), (0x000, RXSTARTED)])
def test_the_address_is_not_acknowledged(base: int, irq: int, task: int, started: int) -> None:
    board = _twim(base)
    board.write(base + task, 1)
    assert (board.read(base + started), board.read(base + ERROR)) == (1, 0)
    board.run(ADDRESS - 1)
    assert board.read(base + ERROR) == 0
    board.run(1)
    assert (board.read(base + ERROR), board.read(base + ERRORSRC)) == (1, 2)
    assert (board.read(base + 0x53C), board.read(base + 0x54C)) == (0, 0)
    assert board.pending(irq)
    board.write(base + ERRORSRC, 2)
    assert board.read(base + ERRORSRC) == 0
    board.set(base, r020=1, r014=1)  # RESUME, STOP: as Nordic's driver does after an error
    board.run(10 * TICKS_PER_US)
    assert board.read(base + STOPPED) == 1


def test_stop_in_time_is_no_error_and_suspend_answers() -> None:
    board = _twim(TWIM0)
    board.set(TWIM0, r008=1, r01C=1, r014=1)
    board.run(2 * ADDRESS)
    assert [board.read(TWIM0 + offset) for offset in (STOPPED, SUSPENDED, ERROR)] == [1, 1, 0]


def test_twi_without_easydma_gets_no_answer_either() -> None:
    board = Board()
    board.set(TWIM1, r508=27, r50C=26, r524=0x0198_0000, r588=0x1D, r500=5, r304=1 << 9)
    board.set(TWIM1, r008=1, r51C=0x55)
    board.run(ADDRESS)
    assert (board.read(TWIM1 + ERROR), board.read(TWIM1 + ERRORSRC)) == (1, 2)
    assert board.read(TWIM1 + 0x11C) == 0
    assert board.pending(4)
    board.set(TWIM1, r014=1)
    board.run(10 * TICKS_PER_US)
    assert board.read(TWIM1 + STOPPED) == 1


def test_twis_is_never_addressed_and_stops_when_told() -> None:
    board = Board()
    board.set(TWIM0, r508=27, r50C=26, r588=0x1D, r594=1, r500=9, r030=1)
    board.run(10 * ADDRESS)
    assert board.read(TWIM0 + 0x164) == 0
    board.set(TWIM0, r014=1)
    assert board.read(TWIM0 + STOPPED) == 1


def test_a_driver_switches_the_block_from_spi_to_two_wire() -> None:
    board = _twim(TWIM0)
    board.set(TWIM0, r500=0, r308=0xFFFF_FFFF)
    board.set(TWIM0, r538=2, r548=0, r524=0x1000_0000, r500=7, r010=1)
    board.run(16 * TICKS_PER_US)
    assert board.read(TWIM0 + 0x118) == 1
    board.set(TWIM0, r500=0)
    board.set(TWIM0, r524=0x0198_0000, r124=0, r500=6, r008=1)
    board.run(ADDRESS)
    assert board.read(TWIM0 + ERROR) == 1
    assert board.soc.bus.unmodelled == {}
