from __future__ import annotations

from tests.virtual.soc.board import SAADC, Board


def test_saadc_is_switched_off_and_on_as_nordics_driver_does_for_an_anomaly() -> None:
    board = Board()
    board.set(SAADC, r500=1, r518=0xFFFF_FFFF, r5F0=3)
    assert board.read(SAADC + 0x518) == 0x0117_1733
    board.set(SAADC, rFFC=0)
    board.set(SAADC, rFFC=1)
    assert [board.read(SAADC + offset) for offset in (0x500, 0x518, 0x5F0)] == [0, 0x0002_0000, 1]
    assert board.soc.bus.unmodelled == {}
