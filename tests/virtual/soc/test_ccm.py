"""Against the sample data of the Bluetooth Core Specification, Vol 6, Part C, 1 Encryption sample data."""

from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_US
from tests.virtual.soc.board import PPI, RAM, Board

CCM, TIMER0 = 0x4000_F000, 0x4000_8000
CONFIGURATION, PLAIN, CIPHER, OUT, SCRATCH = (RAM + 0x200 * n for n in range(5))
SESSION_KEY = bytes.fromhex("99ad1b5226a37e3e058e3b8e27c2c666")
IV = bytes.fromhex("24abdcbabebaafde")
LONG = 1 << 24

# Packet counter, direction bit (1: from the central), plain packet and encrypted packet, without the RFU byte.
SAMPLES = {
    "start, central": (0, 1, "0f0106", "0f059fcda7f448"),
    "start, peripheral": (0, 0, "070106", "0705a34c13a415"),
    "data, central": (
        1,
        1,
        "0e1b1700636465666768696a6b6c6d6e6f707131323334353637383930",
        "0e1f7a70d66415226df26b17839a060405596bd6564f796b5b9ce6ff32f75a6d33",
    ),
    "data, peripheral": (
        1,
        0,
        "061b170037363534333231304142434445464748494a4b4c4d4e4f5051",
        "061ff38881e7bd94c9c369b9a66846dd4786aa8c39ce540d0dae3adcdf89b96088",
    ),
}
SAMPLE = pytest.mark.parametrize(("counter", "direction", "plain", "cipher"), SAMPLES.values(), ids=SAMPLES)


def _packet(octets: str) -> bytes:
    raw = bytes.fromhex(octets)
    return raw[:2] + b"\0" + raw[2:]


def _board(counter: int, direction: int, packet: bytes, mode: int) -> Board:
    board = Board()
    structure = SESSION_KEY + counter.to_bytes(8, "little") + bytes([direction]) + IV
    board.soc.memory.write(CONFIGURATION, structure)
    board.soc.memory.write(PLAIN, packet)
    board.set(CCM, r504=mode, r508=CONFIGURATION, r50C=PLAIN, r510=OUT, r514=SCRATCH, r500=2)
    return board


def _result(board: Board) -> bytes:
    board.set(CCM, r200=1, r304=2, r000=1)  # KSGEN, and CRYPT by the shortcut
    board.run(3000 * TICKS_PER_US)
    assert (board.read(CCM + 0x100), board.read(CCM + 0x104), board.read(CCM + 0x108)) == (1, 1, 0)
    length = board.soc.memory.read(OUT + 1, 1)[0]
    return board.soc.memory.read(OUT, 3 + length)


@SAMPLE
def test_encryption_gives_the_sample_data(counter: int, direction: int, plain: str, cipher: str) -> None:
    board = _board(counter, direction, _packet(plain), 0)
    assert _result(board) == _packet(cipher)
    assert board.pending(15)


@SAMPLE
def test_decryption_gives_it_back(counter: int, direction: int, plain: str, cipher: str) -> None:
    board = _board(counter, direction, _packet(cipher), 1)
    assert _result(board) == _packet(plain)
    assert board.read(CCM + 0x400) == 1


@pytest.mark.parametrize("place", [0, 3, 20, 33])
def test_a_flipped_bit_fails_the_mic_and_the_payload_comes_out_all_the_same(place: int) -> None:
    counter, direction, plain, cipher = SAMPLES["data, peripheral"]
    packet = bytearray(_packet(cipher))
    packet[place] ^= 1
    board = _board(counter, direction, bytes(packet), 1)
    got = _result(board)
    assert board.read(CCM + 0x400) == 0
    expected = bytearray(_packet(plain))
    if place < 3 + 27:
        expected[place] ^= 1
    assert got == expected


def test_the_mic_leaves_out_what_a_retransmission_changes() -> None:
    counter, direction, plain, cipher = SAMPLES["data, peripheral"]
    packet = bytearray(_packet(cipher))
    packet[0] ^= 0x1C  # NESN, SN, MD
    board = _board(counter, direction, bytes(packet), 1)
    assert _result(board)[3:] == _packet(plain)[3:]
    assert board.read(CCM + 0x400) == 1


def test_an_empty_packet_has_no_mic() -> None:
    board = _board(7, 0, b"\x05\x00\x00", 0)
    assert _result(board) == b"\x05\x00\x00"


def test_a_long_packet_needs_the_extended_mode_and_comes_back_the_same() -> None:
    payload = bytes(range(251))
    board = _board(9, 1, b"\x02" + bytes([251, 0]) + payload, LONG)
    encrypted = _result(board)
    assert encrypted[1] == 255
    board.soc.memory.write(PLAIN, encrypted)
    board.set(CCM, r504=LONG | 1, r100=0, r104=0)
    assert _result(board) == b"\x02\xfb\x00" + payload
    assert board.read(CCM + 0x400) == 1


@pytest.mark.parametrize("mode", [LONG, LONG | 1], ids=["encrypt", "decrypt"])
def test_a_length_beyond_what_fits_is_cut(mode: int) -> None:
    board = _board(9, 1, b"\x02\xff\x00" + bytes(255), mode)
    board.set(CCM, r518=0xFF)
    assert len(_result(board)) == 3 + (255 if mode == LONG else 251)


def test_crypt_takes_the_time_of_the_radio_unless_the_rate_is_overridden() -> None:
    counter, direction, plain, _ = SAMPLES["data, central"]
    board = _board(counter, direction, _packet(plain), 0)
    board.set(CCM, r000=1)
    board.run(50 * TICKS_PER_US)
    assert (board.read(CCM + 0x100), board.read(CCM + 0x104)) == (1, 0)
    board.set(CCM, r004=1)
    board.run(30 * 8 * TICKS_PER_US - 1)
    assert board.read(CCM + 0x104) == 0
    board.run(1)
    assert board.read(CCM + 0x104) == 1
    board.set(CCM, r104=0, r000=1)
    board.run(50 * TICKS_PER_US)
    board.set(CCM, r51C=1, r004=1)
    board.run(120 * TICKS_PER_US)
    board.set(CCM, r00C=1)  # the other half of it at 2 Mbit
    board.run(60 * TICKS_PER_US - 1)
    assert board.read(CCM + 0x104) == 0
    board.run(1)
    assert board.read(CCM + 0x104) == 1


def test_crypt_without_a_key_stream_and_stop() -> None:
    counter, direction, plain, _ = SAMPLES["data, central"]
    board = _board(counter, direction, _packet(plain), 0)
    board.set(CCM, r004=1)
    assert board.read(CCM + 0x108) == 1
    board.set(CCM, r108=0, r000=1, r008=1)
    board.run(500 * TICKS_PER_US)
    assert (board.read(CCM + 0x100), board.read(CCM + 0x104), board.read(CCM + 0x108)) == (0, 0, 0)


def test_ppi_reaches_its_tasks_only_while_it_is_the_one_enabled() -> None:
    board = _board(0, 1, _packet(SAMPLES["start, central"][2]), 0)
    board.set(PPI, r510=TIMER0 + 0x140, r514=CCM, r504=1)
    board.set(TIMER0, r508=3, r540=10, r000=1)
    board.run(100 * TICKS_PER_US)
    assert board.read(CCM + 0x100) == 1
    board.set(CCM, r500=0, r100=0)
    board.set(TIMER0, r00C=1)
    board.run(100 * TICKS_PER_US)
    assert board.read(CCM + 0x100) == 0


def test_it_survives_a_save_in_the_middle() -> None:
    counter, direction, plain, cipher = SAMPLES["data, central"]
    board = _board(counter, direction, _packet(plain), 0)
    board.set(CCM, r200=1, r000=1)
    board.run(60 * TICKS_PER_US)
    kernel, kit = board.kernel.save(), board.kit.save()
    board.set(CCM, r500=0)
    board.run(500 * TICKS_PER_US)
    assert board.soc.memory.read(OUT, 4) != _packet(cipher)[:4]
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    board.run(500 * TICKS_PER_US)
    assert board.soc.memory.read(OUT, len(_packet(cipher))) == _packet(cipher)
