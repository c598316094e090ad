"""Shortcuts and PPI channels that lead in a ring: the chip goes round for ever, and the bench goes on."""

from __future__ import annotations

import logging

import pytest

from hil.virtual.kernel import TICKS_PER_MS
from tests.virtual.soc.board import Board

SPIM0, EGU0, EGU1, PPI = 0x4000_3000, 0x4001_4000, 0x4001_5000, 0x4001_F000


def test_an_empty_transfer_that_starts_itself_again(caplog: pytest.LogCaptureFixture) -> None:
    board = Board()
    with caplog.at_level(logging.WARNING):
        board.write(SPIM0 + 0x500, 7)
        board.write(SPIM0 + 0x200, 1 << 17)  # END_START
        board.write(SPIM0 + 0x010, 1)
        board.run(TICKS_PER_MS // 100)
        board.write(SPIM0 + 0x200, 0)
        board.run(TICKS_PER_MS // 100)
    assert board.read(SPIM0 + 0x118) == 1
    assert sum("without end" in message for message in caplog.messages) == 1


def test_two_channels_that_trigger_each_other_end_with_their_connection() -> None:
    board = Board()
    for channel, (event, task) in enumerate(((EGU0 + 0x100, EGU1), (EGU1 + 0x100, EGU0))):
        board.write(PPI + 0x510 + 8 * channel, event)
        board.write(PPI + 0x514 + 8 * channel, task)
    board.write(PPI + 0x504, 3)
    board.write(EGU0, 1)
    board.run(TICKS_PER_MS // 100)
    board.write(PPI + 0x508, 3)
    board.write(EGU0 + 0x100, 0)
    board.run(TICKS_PER_MS // 100)
    assert (board.read(EGU0 + 0x100), board.read(EGU1 + 0x100)) == (0, 1)
