from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_US
from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import RAM, Board

ECB, CCM = 0x4000_E000, 0x4000_F000

# FIPS-197, appendix B and C.1.
VECTORS = (
    (
        "2b7e151628aed2a6abf7158809cf4f3c",
        "3243f6a8885a308d313198a2e0370734",
        "3925841d02dc09fbdc118597196a0b32",
    ),
    (
        "000102030405060708090a0b0c0d0e0f",
        "00112233445566778899aabbccddeeff",
        "69c4e0d86a7b0430d8cdb78070b4c55a",
    ),
)


def _start(key: str, clear: str) -> Board:
    board = Board()
    board.soc.memory.write(RAM, bytes.fromhex(key + clear) + bytes(16))
    board.set(ECB, r504=RAM, r304=3, r000=1)
    return board


@pytest.mark.parametrize(("key", "clear", "cipher"), VECTORS)
def test_a_block_is_encrypted_as_in_the_standard(key: str, clear: str, cipher: str) -> None:
    board = _start(key, clear)
    assert (board.read(ECB + 0x100), board.soc.memory.read(RAM + 32, 16)) == (0, bytes(16))
    board.run(10 * TICKS_PER_US)
    assert (board.read(ECB + 0x100), board.read(ECB + 0x104)) == (1, 0)
    assert board.soc.memory.read(RAM, 48).hex() == key + clear + cipher
    assert board.pending(14)


def test_stop_ends_it_with_an_error_and_leaves_the_cipher_text_alone() -> None:
    board = _start(*VECTORS[0][:2])
    board.set(ECB, r004=1)
    board.run(20 * TICKS_PER_US)
    assert (board.read(ECB + 0x100), board.read(ECB + 0x104)) == (0, 1)
    assert board.soc.memory.read(RAM + 32, 16) == bytes(16)
    board.set(ECB, r104=0, r004=1)
    assert board.read(ECB + 0x104) == 0  # nothing was under way


def test_ecb_gives_way_to_ccm() -> None:
    board = _start(*VECTORS[0][:2])
    board.set(CCM, r500=2, r508=RAM + 0x100, r000=1)
    assert board.read(ECB + 0x104) == 1
    board.set(ECB, r104=0, r000=1)
    assert board.read(ECB + 0x104) == 1  # CCM has the module for 50 us
    board.run(60 * TICKS_PER_US)
    board.set(ECB, r104=0, r000=1)
    board.run(10 * TICKS_PER_US)
    assert (board.read(ECB + 0x100), board.read(ECB + 0x104)) == (1, 0)


def test_it_survives_a_save_in_the_middle_and_a_reset_ends_it() -> None:
    board = _start(*VECTORS[0][:2])
    kernel, kit = board.kernel.save(), board.kit.save()
    board.soc.reset(ResetCause.SOFT)
    board.run(10 * TICKS_PER_US)
    assert (board.read(ECB + 0x100), board.read(ECB + 0x504)) == (0, 0)
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    board.run(10 * TICKS_PER_US)
    assert board.soc.memory.read(RAM + 32, 16).hex() == VECTORS[0][2]
