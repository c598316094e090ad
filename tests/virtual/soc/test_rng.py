from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_MS
from tests.virtual.soc.board import Board

RNG = 0x4000_D000


def test_random_bytes_come_one_after_the_other_until_stopped() -> None:
    board = Board()
    board.set(RNG, r504=1, r304=1, r000=1)
    values = set()
    for _ in range(20):
        board.run(TICKS_PER_MS)
        assert board.read(RNG + 0x100) == 1
        board.write(RNG + 0x100, 0)
        values.add(board.read(RNG + 0x508))
    assert len(values) > 10
    board.set(RNG, r004=1, r100=0)
    board.run(TICKS_PER_MS)
    assert board.read(RNG + 0x100) == 0
    board.set(RNG, r200=1, r000=1)
    board.run(TICKS_PER_MS)
    first = board.read(RNG + 0x508)
    board.run(TICKS_PER_MS)
    assert board.read(RNG + 0x508) == first  # VALRDY_STOP
