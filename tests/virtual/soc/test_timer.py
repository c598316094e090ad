from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_US
from tests.virtual.soc.board import Board

TIMERS = {
    0x4000_8000: (8, 4),
    0x4000_9000: (9, 4),
    0x4000_A000: (10, 4),
    0x4001_A000: (26, 6),
    0x4001_B000: (27, 6),
}
TIMER0 = 0x4000_8000


def _captured(board: Board, base: int = TIMER0) -> int:
    board.write(base + 0x04C, 1)
    return board.read(base + 0x54C)


@pytest.mark.parametrize(("base", "irq", "compares"), [(base, *rest) for base, rest in TIMERS.items()])
def test_every_compare_interrupts_on_the_timers_own_line(base: int, irq: int, compares: int) -> None:
    board = Board()
    last = compares - 1
    board.write(base + 0x540 + 4 * last, 10)
    board.set(base, r508=3, r304=1 << (16 + last), r000=1)
    board.run(10 * TICKS_PER_US - 1)
    assert not board.pending(irq)
    board.run(1)
    assert board.pending(irq)
    board.read(base + 0x540 + 4 * compares)
    assert list(board.soc.bus.unmodelled) == [(base + 0x540 + 4 * compares, "read")]


@pytest.mark.parametrize(("mode", "bits"), [(0, 16), (1, 8), (2, 24), (3, 32)])
def test_the_counter_wraps_at_its_width_and_compares_within_it(mode: int, bits: int) -> None:
    board = Board()
    board.set(TIMER0, r504=1, r508=mode, r540=5 | 1 << bits if bits < 32 else 5, r000=1)
    for _ in range(5):
        assert board.read(TIMER0 + 0x140) == 0
        board.set(TIMER0, r008=1)
    assert (board.read(TIMER0 + 0x140), _captured(board)) == (1, 5)
    if bits == 8:
        for _ in range(251):
            board.set(TIMER0, r008=1)
        assert _captured(board) == 0


@pytest.mark.parametrize("prescaler", [0, 4, 9])
def test_the_prescaler_divides_16_mhz(prescaler: int) -> None:
    board = Board()
    board.set(TIMER0, r508=3, r510=prescaler, r000=1)
    board.run(1000 * (32 << prescaler))
    assert _captured(board) == 1000


def test_stop_keeps_the_count_start_goes_on_and_clear_begins_anew() -> None:
    board = Board()
    board.set(TIMER0, r508=3, r000=1)
    board.run(100 * TICKS_PER_US)
    board.set(TIMER0, r004=1)
    board.run(100 * TICKS_PER_US)
    assert _captured(board) == 100
    board.set(TIMER0, r000=1)
    board.run(50 * TICKS_PER_US)
    assert _captured(board) == 150
    board.set(TIMER0, r00C=1)
    board.run(7 * TICKS_PER_US)
    assert _captured(board) == 7


def test_the_stop_shortcut_stops_at_the_compare() -> None:
    board = Board()
    board.set(TIMER0, r508=3, r540=20, r200=1 << 8, r000=1)
    board.run(100 * TICKS_PER_US)
    assert _captured(board) == 20


def test_in_counter_mode_only_count_counts() -> None:
    board = Board()
    board.set(TIMER0, r504=2, r508=3, r008=1, r000=1)  # low-power counter; not before START
    board.run(100 * TICKS_PER_US)
    board.set(TIMER0, r008=1)
    assert _captured(board) == 1
