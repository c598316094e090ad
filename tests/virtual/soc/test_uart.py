"""The UART without EasyDMA, at the address of UARTE0."""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US
from tests.virtual.soc.board import PPI, RAM, Board

UART = UARTE = 0x4000_2000
BYTE = 10 * 139 * 32  # ten bits of 16 MHz / 139, the 115200 baud of the chip
RXDRDY, TXDRDY, ERROR, RXTO = (UART + offset for offset in (0x108, 0x11C, 0x124, 0x144))


def _console(**more: int) -> Board:
    board = Board()
    # As Nordic's driver does: pins, baud rate and interrupts first, then ENABLE.
    board.set(UART, r50C=6, r514=8, r524=0x01D7_E000, r304=0x2_0284, **more)
    board.set(UART, r500=4)
    return board


def _flow_control() -> Board:
    board = Board()
    board.kit.console.flow_control = True
    board.set(UART, r508=5, r50C=6, r510=7, r514=8, r524=0x01D7_E000, r56C=1, r500=4)
    return board


def test_each_byte_written_leaves_in_its_time_and_asks_for_the_next() -> None:
    board = _console()
    board.set(UART, r008=1)
    start = board.kernel.now
    for byte in b"ok":
        board.set(UART, r11C=0, r51C=byte)
        board.run(BYTE - 1)
        assert board.read(TXDRDY) == 0
        board.run(1)
        assert board.read(TXDRDY) == 1
    assert board.pending(2)
    assert (bytes(board.far.data), board.far.times) == (b"ok", [start + BYTE, start + 2 * BYTE])


def test_nothing_is_sent_before_starttx_or_after_stoptx() -> None:
    board = _console()
    board.set(UART, r51C=0x41)
    board.run(2 * BYTE)
    board.set(UART, r008=1, r00C=1, r51C=0x42)
    board.run(2 * BYTE)
    assert bytes(board.far.data) == b""
    board.set(UART, r008=1, r51C=0x43, r00C=1)
    board.run(2 * BYTE)
    assert bytes(board.far.data) == b"C"  # the byte on the wire is finished


def test_bytes_come_out_of_rxd_one_for_each_rxdrdy() -> None:
    board = _console()
    board.set(UART, r000=1)
    board.kit.console.send(b"abc")
    board.run(3 * BYTE)
    got = bytearray()
    while board.read(RXDRDY):
        board.write(RXDRDY, 0)
        got.append(board.read(UART + 0x518))
    assert got == b"abc"
    assert board.read(ERROR) == 0


def test_the_seventh_byte_overruns_the_fifo_of_six() -> None:
    board = _console()
    board.set(UART, r000=1)
    board.kit.console.send(b"1234567")
    board.run(6 * BYTE)
    assert board.read(ERROR) == 0
    board.run(BYTE)
    assert (board.read(ERROR), board.read(UART + 0x480)) == (1, 1)
    board.write(UART + 0x480, 1)
    assert board.read(UART + 0x480) == 0
    got = bytearray()
    while board.read(RXDRDY):
        board.write(RXDRDY, 0)
        got.append(board.read(UART + 0x518))
    assert got == b"123456"


def test_flow_control_holds_the_far_end_at_four_bytes_of_room_until_all_is_read() -> None:
    board = _flow_control()
    board.kit.console.send(b"abcdefgh")
    board.run(20 * BYTE)
    assert board.kit.console.pending == 8  # RTS is off before STARTRX
    board.set(UART, r000=1)
    board.run(20 * BYTE)
    assert board.kit.console.pending == 6
    assert board.read(UART + 0x518) == ord("a")
    board.run(20 * BYTE)
    assert board.kit.console.pending == 6
    assert board.read(UART + 0x518) == ord("b")
    board.run(BYTE)
    assert board.kit.console.pending == 5


def test_the_transmitter_waits_for_cts_and_tells_its_changes() -> None:
    board = _flow_control()
    board.set(UART, r008=1)
    board.kit.console.ready = False
    board.set(UART, r51C=0x41)
    board.run(3 * BYTE)
    assert (bytes(board.far.data), board.read(UART + 0x104)) == (b"", 1)
    board.kit.console.ready = True
    board.run(BYTE)
    assert (bytes(board.far.data), board.read(UART + 0x100)) == (b"A", 1)


def test_stoprx_lets_four_bytes_in_until_rxto() -> None:
    board = _console()
    board.set(UART, r000=1)
    board.kit.console.send(b"12345678")
    board.run(BYTE)
    board.set(UART, r004=1)
    board.run(4 * BYTE - 1)
    assert board.read(RXTO) == 0
    board.run(1)
    assert board.read(RXTO) == 1
    board.run(10 * BYTE)
    got = bytearray()
    while board.read(RXDRDY):
        board.write(RXDRDY, 0)
        got.append(board.read(UART + 0x518))
    assert got == b"12345"


def test_suspend_stops_both_ways_and_the_starts_resume() -> None:
    board = _console()
    board.set(UART, r000=1, r008=1, r51C=0x41)
    board.set(UART, r01C=1)
    board.set(UART, r51C=0x42)
    board.run(6 * BYTE)
    assert (bytes(board.far.data), board.read(RXTO)) == (b"A", 1)
    board.set(UART, r008=1, r51C=0x43)
    board.run(2 * BYTE)
    assert bytes(board.far.data) == b"AC"


def test_the_shortcut_from_cts_starts_reception() -> None:
    board = _flow_control()
    board.set(UART, r200=1 << 3 | 1 << 4)
    board.kit.console.ready = False
    board.kit.console.ready = True
    board.kit.console.send(b"x")
    board.run(BYTE)
    assert board.read(RXDRDY) == 1
    board.kit.console.ready = False
    board.run(4 * BYTE)
    assert board.read(RXTO) == 1


def test_the_other_one_of_the_two_takes_over_what_is_configured() -> None:
    board = _console()
    board.set(UART, r500=0)
    board.soc.memory.write(RAM, b"dma")
    board.set(UARTE, r544=RAM, r548=3, r500=8, r008=1)
    board.run(3 * BYTE)
    assert (board.read(UARTE + 0x120), bytes(board.far.data)) == (1, b"dma")
    board.set(UARTE, r524=0x0027_5000)  # 9600 baud, while it is enabled
    board.set(UARTE, r120=0, r500=4)
    assert board.read(UART + 0x524) == 0x0027_5000
    board.set(UART, r524=0x01D7_E000, r008=1, r51C=0x21)  # TXD of the UART
    board.run(BYTE)
    assert (board.read(TXDRDY), bytes(board.far.data)) == (1, b"dma!")


def test_an_event_cleared_in_the_one_that_is_enabled_leaves_no_interrupt_of_the_other() -> None:
    board = _console()
    board.set(UART, r008=1, r51C=0x41)
    board.run(BYTE)
    assert board.pending(2)
    board.set(UART, r500=0)
    board.set(UART, r500=8, r11C=0)
    board.write(0xE000_E280, 1 << 2)
    board.run(TICKS_PER_US)
    assert not board.pending(2)


def test_ppi_reaches_the_tasks_of_the_one_that_is_enabled() -> None:
    board = _console()
    timer = 0x4000_8000
    board.set(PPI, r510=timer + 0x140, r514=UART + 0x008, r504=1)
    board.set(timer, r508=3, r540=100, r000=1)
    board.run(TICKS_PER_MS)
    board.set(UART, r51C=0x50)
    board.run(BYTE)
    assert bytes(board.far.data) == b"P"


def test_it_survives_a_save_in_the_middle_of_a_byte() -> None:
    board = _console()
    board.set(UART, r000=1, r008=1, r51C=0x41)
    board.kit.console.send(b"zy")
    board.run(BYTE + BYTE // 2)
    board.set(UART, r51C=0x42)
    board.run(BYTE // 4)
    kernel, kit = board.kernel.save(), board.kit.save()
    board.set(UART, r500=0)
    board.run(3 * BYTE)
    board.kernel.restore(kernel)
    board.kit.restore(kit)
    board.far.data.clear()
    board.run(2 * BYTE)
    assert bytes(board.far.data) == b"B"
    assert (board.read(UART + 0x518), board.read(UART + 0x518)) == (ord("z"), ord("y"))
