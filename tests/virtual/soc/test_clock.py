from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US
from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import CLOCK, Board

HFCLKSTARTED, LFCLKSTARTED, DONE, CTTO, CTSTARTED, CTSTOPPED = (
    CLOCK + offset for offset in (0x100, 0x104, 0x10C, 0x110, 0x128, 0x12C)
)
HFCLKRUN, HFCLKSTAT, LFCLKRUN, LFCLKSTAT, LFCLKSRCCOPY = (
    CLOCK + offset for offset in (0x408, 0x40C, 0x414, 0x418, 0x41C)
)
RUNNING = 1 << 16


def test_the_crystal_starts_in_its_time_and_the_chip_goes_on_without_it() -> None:
    board = Board()
    assert (board.read(HFCLKRUN), board.read(HFCLKSTAT)) == (0, RUNNING)
    board.set(CLOCK, r304=1, r000=1)
    assert (board.read(HFCLKRUN), board.read(HFCLKSTAT)) == (1, RUNNING)
    board.run(360 * TICKS_PER_US - 1)
    assert board.read(HFCLKSTARTED) == 0
    board.run(1)
    assert (board.read(HFCLKSTARTED), board.read(HFCLKSTAT)) == (1, RUNNING | 1)
    assert board.pending(0)
    board.set(CLOCK, r100=0, r004=1)
    assert (board.read(HFCLKRUN), board.read(HFCLKSTAT)) == (0, RUNNING)


def test_debounce_adds_to_the_start_of_the_crystal() -> None:
    board = Board()
    board.set(CLOCK, r528=0x20, r000=1)
    board.run(615 * TICKS_PER_US)
    assert board.read(HFCLKSTARTED) == 0
    board.run(2 * TICKS_PER_US)
    assert board.read(HFCLKSTARTED) == 1


def test_starting_what_runs_gives_the_event_at_once() -> None:
    board = Board()
    board.set(CLOCK, r000=1)
    board.run(TICKS_PER_MS)
    board.set(CLOCK, r100=0, r000=1)
    board.run(TICKS_PER_US)
    assert board.read(HFCLKSTARTED) == 1


@pytest.mark.parametrize(
    ("source", "microseconds"), [(0, 600), (2, 600), (1, 250_000)], ids=["RC", "synth", "crystal"]
)
def test_the_low_frequency_clock_starts_from_its_source(source: int, microseconds: int) -> None:
    board = Board()
    board.halt()
    board.set(CLOCK, r518=source, r008=1)
    assert (board.read(LFCLKRUN), board.read(LFCLKSRCCOPY)) == (1, source)
    # While the crystal starts, LFRC stands in for it.
    assert board.read(LFCLKSTAT) == (RUNNING if source == 1 else 0)
    board.run(microseconds * TICKS_PER_US - 1)
    assert board.read(LFCLKSTARTED) == 0
    board.run(1)
    assert (board.read(LFCLKSTARTED), board.read(LFCLKSTAT)) == (1, RUNNING | source)
    board.set(CLOCK, r00C=1)
    assert (board.read(LFCLKRUN), board.read(LFCLKSTAT) & RUNNING) == (0, 0)


def test_calibration_and_its_timer_do_not_know_of_each_other() -> None:
    board = Board()
    board.halt()
    board.set(CLOCK, r538=2, r014=1, r010=1)  # CTIV: half a second
    assert board.read(CTSTARTED) == 1
    board.run(16 * TICKS_PER_MS)
    assert (board.read(DONE), board.read(CTTO)) == (1, 0)
    board.run(484 * TICKS_PER_MS)
    assert board.read(CTTO) == 1
    board.set(CLOCK, r110=0, r014=1, r018=1)
    board.run(600 * TICKS_PER_MS)
    assert (board.read(CTSTOPPED), board.read(CTTO)) == (1, 0)


def test_the_ultra_low_power_mode_is_reported() -> None:
    board = Board()
    board.set(CLOCK, r5B4=1)
    assert board.read(CLOCK + 0x5B4) == 0x1_0001


def test_a_reset_stops_the_clocks() -> None:
    board = Board()
    board.set(CLOCK, r000=1, r008=1)
    board.run(TICKS_PER_MS)
    board.soc.reset(ResetCause.SOFT)
    assert [board.read(register) for register in (HFCLKRUN, HFCLKSTAT, LFCLKRUN, LFCLKSTAT)] == [
        0,
        RUNNING,
        0,
        0,
    ]
