from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_LFCLK, TICKS_PER_MS
from tests.virtual.soc.board import CLOCK, PPI, Board

RTC0, RTC1, RTC2 = 0x4000_B000, 0x4001_1000, 0x4002_4000
COUNTER, TICK, OVRFLW, COMPARE0 = 0x504, 0x100, 0x104, 0x140


def _board(phase: int = 0) -> Board:
    """LFCLK runs, and the present tick lies ``phase`` behind one of its rising edges."""
    board = Board()
    board.halt()
    board.set(CLOCK, r008=1)
    board.run(TICKS_PER_MS)
    board.run(-board.kernel.now % TICKS_PER_LFCLK + phase)
    return board


@pytest.mark.parametrize(
    ("phase", "edges"), [(0, 1), (7812, 1), (7813, 2), (15624, 2)], ids=["at", "before", "behind", "late"]
)
def test_the_first_increment_comes_15_to_46_us_after_start(phase: int, edges: int) -> None:
    board = _board(phase)
    board.set(RTC1, r000=1)
    board.run(edges * TICKS_PER_LFCLK - phase - 1)
    assert board.read(RTC1 + COUNTER) == 0
    board.run(1)
    assert board.read(RTC1 + COUNTER) == 1
    board.run(TICKS_PER_LFCLK)
    assert board.read(RTC1 + COUNTER) == 2


def test_clear_and_stop_wait_for_the_edge_too() -> None:
    board = _board()
    board.set(RTC1, r000=1)
    board.run(10 * TICKS_PER_LFCLK + 100)
    assert board.read(RTC1 + COUNTER) == 10
    board.set(RTC1, r008=1)
    assert board.read(RTC1 + COUNTER) == 10
    board.run(TICKS_PER_LFCLK)
    assert board.read(RTC1 + COUNTER) == 0
    board.run(5 * TICKS_PER_LFCLK)
    assert board.read(RTC1 + COUNTER) == 5
    board.set(RTC1, r004=1)
    board.run(2 * TICKS_PER_LFCLK)
    stopped = board.read(RTC1 + COUNTER)
    board.run(20 * TICKS_PER_LFCLK)
    assert board.read(RTC1 + COUNTER) == stopped == 6


def test_overflow_comes_sixteen_increments_after_its_trigger() -> None:
    board = _board()
    board.set(RTC2, r344=2, r304=2, r000=1, r00C=1)
    board.run(TICKS_PER_LFCLK)
    assert board.read(RTC2 + COUNTER) == 0xFF_FFF0
    board.run(15 * TICKS_PER_LFCLK)
    assert (board.read(RTC2 + COUNTER), board.read(RTC2 + OVRFLW)) == (0xFF_FFFF, 0)
    board.run(TICKS_PER_LFCLK)
    assert (board.read(RTC2 + COUNTER), board.read(RTC2 + OVRFLW)) == (0, 1)
    assert board.pending(36)


def test_tick_follows_the_prescaler_and_only_while_enabled() -> None:
    board = _board()
    board.set(RTC0, r508=3, r000=1)
    board.run(20 * TICKS_PER_LFCLK)
    assert board.read(RTC0 + TICK) == 0
    board.set(RTC0, r344=1)
    board.run(4 * TICKS_PER_LFCLK)
    assert board.read(RTC0 + TICK) == 1
    board.set(RTC0, r100=0, r348=1)
    board.run(20 * TICKS_PER_LFCLK)
    assert board.read(RTC0 + TICK) == 0
    board.set(RTC0, r508=7)  # not while it runs
    assert board.read(RTC0 + 0x508) == 3


def test_a_compare_at_the_very_first_increment_is_seen() -> None:
    board = _board()
    board.set(RTC1, r540=1, r344=1 << 16, r000=1)
    board.run(TICKS_PER_LFCLK)
    assert board.read(RTC1 + COMPARE0) == 1


def test_evten_holds_what_the_rtc_has() -> None:
    board = Board()
    board.set(RTC0, r340=0xFFFF_FFFF)
    assert board.read(RTC0 + 0x340) == 0x0007_0003  # three compares
    board.set(RTC1, r340=0xFFFF_FFFF)
    assert board.read(RTC1 + 0x340) == 0x000F_0003
    board.set(RTC1, r348=0x000E_0001)
    assert board.read(RTC1 + 0x344) == 0x0001_0002


def test_events_reach_ppi_by_evten_without_the_interrupt() -> None:
    board = _board()
    timer = 0x4000_9000
    board.set(timer, r504=1, r508=3, r000=1)
    board.set(PPI, r510=RTC1 + COMPARE0, r514=timer + 0x008, r504=1)
    board.set(RTC1, r540=5, r344=1 << 16, r000=1)
    board.run(10 * TICKS_PER_LFCLK)
    board.set(timer, r040=1)
    assert (board.read(timer + 0x540), board.pending(17)) == (1, False)


def test_tasks_on_their_way_survive_a_save() -> None:
    board = _board(100)
    board.set(RTC1, r000=1)
    kernel, kit = board.kernel.save(), board.kit.save()
    board.set(RTC1, r004=1)
    board.run(10 * TICKS_PER_LFCLK)
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    board.run(10 * TICKS_PER_LFCLK)
    assert board.read(RTC1 + COUNTER) == 10
