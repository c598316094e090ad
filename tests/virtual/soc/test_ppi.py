from __future__ import annotations

from tests.virtual.soc.board import PPI, Board

EGU = 0x4001_4000


def test_ppi_groups_forks_and_fixed_channels() -> None:
    board = Board()
    trigger, event = EGU, EGU + 0x100
    board.set(PPI, r510=event, r514=EGU + 0x004, r910=EGU + 0x008, r800=1 | 1 << 31)
    board.write(trigger, 1)
    assert board.read(EGU + 0x104) == 0
    board.set(PPI, r000=1)  # CHG[0].EN
    assert board.read(PPI + 0x500) == 1 | 1 << 31
    board.write(trigger, 1)
    assert (board.read(EGU + 0x104), board.read(EGU + 0x108)) == (1, 1)
    board.set(EGU, r104=0)
    board.set(PPI, r004=1)  # CHG[0].DIS
    board.write(trigger, 1)
    assert (board.read(EGU + 0x104), board.read(PPI + 0x500)) == (0, 0)


def test_a_group_may_be_enabled_by_ppi_itself() -> None:
    board = Board()
    board.set(PPI, r804=1 << 5, r510=EGU + 0x100, r514=PPI + 0x008, r504=1)
    board.write(EGU, 1)
    assert board.read(PPI + 0x500) == 1 | 1 << 5
