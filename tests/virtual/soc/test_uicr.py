from __future__ import annotations

import pytest

from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import Board

UICR = 0x1000_1000


@pytest.mark.parametrize(
    ("words", "enabled"),
    [((18, 18), True), ((18, 17), False), ((18, 0x8000_0012), False), ((0xFFFF_FFFF, 0xFFFF_FFFF), False)],
)
def test_the_reset_pin_needs_both_words_of_pselreset(words: tuple[int, int], enabled: bool) -> None:
    board = Board()
    for index, word in enumerate(words):
        board.soc.memory.write(UICR + 0x200 + 4 * index, word.to_bytes(4, "little"))
    board.soc.debug.drive_reset_pin(True)
    board.soc.debug.drive_reset_pin(False)
    assert (board.soc.reset_cause is ResetCause.PIN) is enabled
