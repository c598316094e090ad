"""Against the sample data of the Bluetooth Core Specification, Vol 3, Part H, D.7 ah random address hash function."""

from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_US
from tests.virtual.soc.board import RAM, Board

AAR, CCM = 0x4000_F000, 0x4000_F000
PACKET, KEYS = RAM, RAM + 0x100
IRK = bytes.fromhex("ec0234a357c8ad05341010a60a397d9b")
ADDRESS = bytes.fromhex("7081940dfbaa")[::-1]
"""prand 708194 and ah(IRK, prand) = 0dfbaa, least significant byte first as on the air."""


def _board(address: bytes, keys: list[bytes]) -> Board:
    board = Board()
    board.soc.memory.write(PACKET, b"\x40\x06\x00" + address)
    board.soc.memory.write(KEYS, b"".join(keys))
    board.set(AAR, r500=3, r504=len(keys), r508=KEYS, r510=PACKET, r514=RAM + 0x400, r304=7, r000=1)
    return board


@pytest.mark.parametrize("place", [0, 1, 15])
def test_the_key_is_found_in_the_time_of_those_before_it(place: int) -> None:
    board = _board(ADDRESS, [bytes([n]) * 16 for n in range(place)] + [IRK] + [b"\x77" * 16] * (15 - place))
    board.run(TICKS_PER_US + (place + 1) * 61 * TICKS_PER_US // 10 - 10)
    assert board.read(AAR + 0x100) == 0
    board.run(20)
    assert [board.read(AAR + offset) for offset in (0x100, 0x104, 0x108, 0x400)] == [1, 1, 0, place]
    assert board.pending(15)


@pytest.mark.parametrize("byte", range(6))
def test_another_address_does_not_resolve(byte: int) -> None:
    other = bytearray(ADDRESS)
    other[byte] ^= 1
    board = _board(bytes(other), [IRK, b"\x11" * 16])
    board.run(20 * TICKS_PER_US)
    assert [board.read(AAR + offset) for offset in (0x100, 0x104, 0x108)] == [1, 0, 1]


def test_only_nirk_keys_are_tried_and_stop_stops() -> None:
    board = _board(ADDRESS, [b"\x11" * 16, IRK])
    board.set(AAR, r008=1, r504=1)
    board.run(50 * TICKS_PER_US)
    assert board.read(AAR + 0x100) == 0
    board.set(AAR, r000=1)
    board.run(50 * TICKS_PER_US)
    assert [board.read(AAR + offset) for offset in (0x100, 0x104, 0x108)] == [1, 0, 1]


def test_ccm_at_the_same_address_does_not_hear_its_tasks() -> None:
    board = _board(ADDRESS, [IRK])
    board.run(50 * TICKS_PER_US)
    board.set(AAR, r100=0, r104=0, r500=2, r000=1)  # now this is KSGEN
    board.run(60 * TICKS_PER_US)
    assert [board.read(CCM + offset) for offset in (0x100, 0x104, 0x508)] == [1, 0, KEYS]
