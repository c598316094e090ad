from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US
from tests.virtual.soc.board import RAM, UARTE0, Board

BYTE = 10 * 139 * 32  # ten bits of 16 MHz / 139, the 115200 baud of the chip


def _console() -> Board:
    board = Board()
    board.set(UARTE0, r50C=6, r514=8, r524=0x01D6_0000, r500=8)
    return board


def test_transmission_ends_after_its_bytes_and_reaches_the_far_end_then() -> None:
    board = _console()
    board.soc.memory.write(RAM, b"hello world")
    board.set(UARTE0, r544=RAM, r548=11, r008=1)
    start = board.kernel.now
    board.run(11 * BYTE - 1)
    assert board.read(UARTE0 + 0x120) == 0
    board.run(1)
    assert board.read(UARTE0 + 0x120) == 1
    assert board.read(UARTE0 + 0x54C) == 11
    assert bytes(board.far.data) == b"hello world"
    assert board.far.times == [start + 11 * BYTE]


def test_stoptx_finishes_the_byte_on_the_wire_and_ends_the_transfer() -> None:
    board = _console()
    board.soc.memory.write(RAM, b"0123456789")
    board.set(UARTE0, r544=RAM, r548=10, r008=1)
    board.run(2 * BYTE + 5)
    board.set(UARTE0, r00C=1)
    board.run(BYTE)
    assert bytes(board.far.data) == b"012"
    assert (board.read(UARTE0 + 0x120), board.read(UARTE0 + 0x158), board.read(UARTE0 + 0x54C)) == (1, 1, 3)


def test_double_buffering_loses_nothing() -> None:
    board = _console()
    board.set(UARTE0, r200=1 << 5, r534=RAM, r538=4, r000=1)
    board.set(UARTE0, r534=RAM + 4)  # the next buffer, while the first is in use
    board.kit.console.send(b"abcdefgh")
    board.run(8 * BYTE)
    assert board.soc.memory.read(RAM, 8) == b"abcdefgh"


def test_without_a_buffer_the_fifo_overruns() -> None:
    board = _console()
    board.set(UARTE0, r534=RAM, r538=2, r000=1)
    board.kit.console.send(bytes(range(20)))
    board.run(20 * BYTE)
    assert board.read(UARTE0 + 0x124) == 1
    assert board.read(UARTE0 + 0x480) == 1
    board.set(UARTE0, r534=RAM, r538=5, r000=1)
    assert board.soc.memory.read(RAM, 5) == bytes(range(2, 7))


def test_stoprx_then_flush_gets_every_byte() -> None:
    board = _console()
    board.set(UARTE0, r534=RAM, r538=100, r000=1)
    board.kit.console.send(b"abcdef")
    board.run(3 * BYTE + BYTE // 2)
    board.set(UARTE0, r004=1)
    assert (board.read(UARTE0 + 0x110), board.read(UARTE0 + 0x53C)) == (1, 3)
    board.run(5 * BYTE)
    assert board.read(UARTE0 + 0x144) == 1
    board.set(UARTE0, r110=0, r534=RAM + 3, r538=8, r02C=1)
    assert (board.read(UARTE0 + 0x110), board.read(UARTE0 + 0x53C)) == (1, 3)
    assert board.soc.memory.read(RAM, 6) == b"abcdef"


def test_flow_control_holds_both_directions() -> None:
    board = Board()
    line = board.kit.hci
    uarte1 = 0x4002_8000
    sent: list[bytes] = []
    board.far.receive = sent.append  # type: ignore[method-assign, assignment]
    line.far_end = board.far
    board.set(uarte1, r508=36, r50C=34, r510=35, r514=33, r524=0x1000_0000, r56C=1, r500=8)
    line.send(bytes(range(50)))
    board.run(TICKS_PER_MS)
    assert line.pending == 50  # RTS is not asserted before STARTRX
    board.set(uarte1, r534=RAM, r538=10, r000=1)
    board.run(TICKS_PER_MS)
    assert board.soc.memory.read(RAM, 10) == bytes(range(10))
    assert line.pending == 39  # one byte in the FIFO, then RTS off
    line.ready = False
    assert board.read(uarte1 + 0x104) == 1  # NCTS
    board.set(uarte1, r544=RAM, r548=10, r008=1)
    board.run(TICKS_PER_MS)
    assert sent == []
    line.ready = True
    board.run(100 * TICKS_PER_US)
    assert sent == [bytes(range(10))]


def test_a_break_on_the_wire_is_an_error_with_a_zero_byte() -> None:
    board = _console()
    board.set(UARTE0, r534=RAM, r538=4, r304=1 << 9, r000=1)
    board.kit.console.send(b"a")
    board.run(BYTE)
    board.kit.console.send_break()
    assert (board.read(UARTE0 + 0x124), board.read(UARTE0 + 0x480)) == (1, 4 | 8)
    assert board.pending(2)
    board.write(UARTE0 + 0x480, 4)
    assert board.read(UARTE0 + 0x480) == 8
    board.kit.console.send(b"bc")
    board.run(2 * BYTE)
    assert (board.read(UARTE0 + 0x110), board.soc.memory.read(RAM, 4)) == (1, b"a\0bc")


def test_a_parity_error_is_taken_too_and_nothing_is_while_the_receiver_is_off() -> None:
    board = _console()
    board.kit.console.send_broken(0x41, 2)
    assert board.read(UARTE0 + 0x480) == 0
    board.set(UARTE0, r534=RAM, r538=1, r000=1)
    board.kit.console.send_broken(0x41, 2)
    assert (board.read(UARTE0 + 0x480), board.soc.memory.read(RAM, 1)) == (2, b"A")
