from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_US
from tests.virtual.soc.board import Board

TEMP = 0x4000_C000


@pytest.mark.parametrize(("celsius", "code"), [(25.0, 100), (-10.25, 0xFFFF_FFD7), (85.0, 340)])
def test_the_die_temperature_in_quarters_of_a_degree(celsius: float, code: int) -> None:
    board = Board()
    board.soc.temp.celsius = celsius
    board.set(TEMP, r304=1, r000=1)
    board.run(40 * TICKS_PER_US)
    assert (board.read(TEMP + 0x100), board.read(TEMP + 0x508), board.pending(12)) == (1, code, True)
