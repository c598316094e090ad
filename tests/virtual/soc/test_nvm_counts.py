"""nWRITE: a word may be written twice between erases, and the third time is noticed."""

from __future__ import annotations

import logging

import pytest

from hil.virtual.kernel import TICKS_PER_MS
from tests.virtual.soc.board import NVMC, Board

FLASH, UICR = 0x4000, 0x1000_1080


def _writable() -> Board:
    board = Board()
    board.halt()
    board.write(NVMC + 0x504, 1)
    return board


@pytest.mark.parametrize(("address", "where"), [(FLASH, "FLASH+0x4000"), (UICR, "UICR+0x080")])
def test_the_third_write_is_logged_once_and_each_further_one_counted(
    address: int, where: str, caplog: pytest.LogCaptureFixture
) -> None:
    board = _writable()
    with caplog.at_level(logging.WARNING):
        board.write(address, 0xFFFF_FF0F)
        board.write(address, 0xFFFF_F00F)
        assert caplog.records == []
        board.write(address, 0xFFFF_000F)
        board.write(address, 0xFFF0_000F)
    assert [record.getMessage() for record in caplog.records] == [
        f"flash word written more than 2 times since its erase at 0x{address:08x} ({where}), PC 0x00000100"
    ]
    assert board.soc.bus.noted() == {f"0x{address:08x} ({where}) write past nWRITE, PC 0x00000100": 2}
    assert board.read(address) == 0xFFF0_000F  # the cells are as good as ever


def test_an_erase_gives_the_writes_back_and_neighbours_have_their_own() -> None:
    board = _writable()
    for word in range(3):
        for _ in range(2):
            board.write(FLASH + 4 * word, 0)
    board.set(NVMC, r504=2, r508=FLASH)
    board.run(90 * TICKS_PER_MS)
    board.set(NVMC, r504=1)
    for _ in range(2):
        board.write(FLASH + 4, 0)
    assert board.soc.bus.unmodelled == {}
    board.write(FLASH + 4, 0)
    assert board.soc.bus.unmodelled == {(FLASH + 4, "write past nWRITE"): 1}


def test_counts_come_back_with_a_save() -> None:
    board = _writable()
    board.write(FLASH, 0)
    kernel, kit = board.kernel.save(), board.kit.save()
    board.write(FLASH, 0)
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    board.write(NVMC + 0x504, 1)
    board.write(FLASH, 0)
    assert board.soc.bus.unmodelled == {}
    board.write(FLASH, 0)
    assert board.soc.bus.unmodelled == {(FLASH, "write past nWRITE"): 1}
