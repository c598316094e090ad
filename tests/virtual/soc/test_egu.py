from __future__ import annotations

import pytest

from tests.virtual.soc.board import Board

EGU = 0x4001_4000


@pytest.mark.parametrize("index", range(6))
@pytest.mark.parametrize("channel", [0, 15])
def test_an_egu_task_gives_its_event_and_interrupt(index: int, channel: int) -> None:
    board = Board()
    base = EGU + 0x1000 * index
    board.write(base + 4 * channel, 1)
    assert (board.read(base + 0x100 + 4 * channel), board.pending(20 + index)) == (1, False)
    board.set(base, r304=1 << channel)
    assert board.pending(20 + index)
