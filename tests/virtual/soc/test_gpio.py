"""GPIO and GPIOTE."""

from __future__ import annotations

from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import POWER, PPI, TIMER1, Board

P0, P1, GPIOTE = 0x5000_0000, 0x5000_0300, 0x4000_6000
OUT, OUTSET, OUTCLR, IN, DIR, DIRSET, DIRCLR, LATCH, DETECTMODE = range(0x504, 0x528, 4)
INPUT, OUTPUT = 0, 3
PULL_DOWN, PULL_UP = 1 << 2, 3 << 2
SENSE_HIGH, SENSE_LOW = 2 << 16, 3 << 16
TASK, EVENT, RISING, FALLING, TOGGLE, HIGH = 3, 1, 1 << 16, 2 << 16, 3 << 16, 1 << 20


def _cnf(base: int, pin: int) -> int:
    return base + 0x700 + 4 * pin


def test_output_set_clear_and_the_two_ways_to_the_direction() -> None:
    board = Board()
    board.write(P0 + DIRSET, 1 << 3)
    assert board.read(_cnf(P0, 3)) & 1
    board.write(_cnf(P0, 4), OUTPUT)
    assert board.read(P0 + DIR) == 0x18
    board.write(P0 + OUTSET, 0x18)
    board.write(P0 + OUTCLR, 0x08)
    assert (board.read(P0 + OUT), board.soc.p0.level(4), board.soc.p0.level(3)) == (0x10, True, False)
    board.write(P0 + DIRCLR, 1 << 4)
    assert board.read(_cnf(P0, 4)) & 1 == 0


def test_an_input_reads_what_drives_it_or_its_pull() -> None:
    board = Board()
    board.write(_cnf(P1, 5), INPUT | PULL_UP)
    board.write(_cnf(P1, 6), INPUT | PULL_DOWN)
    assert board.read(P1 + IN) & 0x60 == 0x20
    board.soc.p1.drive(5, False)
    board.soc.p1.drive(6, True)
    assert board.read(P1 + IN) & 0x60 == 0x40
    board.write(_cnf(P1, 6), 2)  # input buffer disconnected
    assert board.read(P1 + IN) & 0x60 == 0


def test_sense_latches_until_it_is_cleared_with_the_level_gone() -> None:
    board = Board()
    board.write(_cnf(P0, 7), INPUT | SENSE_HIGH)
    board.soc.p0.drive(7, True)
    assert (board.read(P0 + LATCH), board.read(GPIOTE + 0x17C)) == (1 << 7, 1)
    board.write(P0 + LATCH, 1 << 7)
    assert board.read(P0 + LATCH) == 1 << 7
    board.soc.p0.drive(7, False)
    assert board.read(P0 + LATCH) == 1 << 7
    board.write(P0 + LATCH, 1 << 7)
    assert board.read(P0 + LATCH) == 0


def test_in_latched_mode_clearing_gives_another_port_event_while_a_bit_stays() -> None:
    board = Board()
    board.write(P0 + DETECTMODE, 1)
    board.set(GPIOTE, r304=1 << 31)
    for pin in (7, 8):
        board.write(_cnf(P0, pin), INPUT | SENSE_HIGH)
        board.soc.p0.drive(pin, True)
    assert (board.read(GPIOTE + 0x17C), board.pending(6)) == (1, True)
    board.write(GPIOTE + 0x17C, 0)
    board.soc.p0.drive(7, False)
    board.write(P0 + LATCH, 1 << 7)
    assert (board.read(P0 + LATCH), board.read(GPIOTE + 0x17C)) == (1 << 8, 1)
    board.write(GPIOTE + 0x17C, 0)
    board.soc.p0.drive(8, False)
    board.write(P0 + LATCH, 1 << 8)
    assert board.read(GPIOTE + 0x17C) == 0


def test_an_event_channel_takes_the_edges_of_its_polarity() -> None:
    board = Board()
    board.write(_cnf(P1, 1), INPUT)
    for channel, polarity in enumerate((RISING, FALLING, TOGGLE)):
        board.write(GPIOTE + 0x510 + 4 * channel, EVENT | 33 << 8 | polarity)
    board.set(GPIOTE, r304=1)
    board.soc.p1.drive(1, True)
    assert [board.read(GPIOTE + 0x100 + 4 * n) for n in range(3)] == [1, 0, 1]
    assert board.pending(6)
    board.set(GPIOTE, r100=0, r108=0)
    board.soc.p1.drive(1, False)
    assert [board.read(GPIOTE + 0x100 + 4 * n) for n in range(3)] == [0, 1, 1]


def test_a_task_channel_has_the_pin_to_itself_until_it_lets_go() -> None:
    board = Board()
    pin = 13
    board.write(GPIOTE + 0x510, TASK | pin << 8 | TOGGLE | HIGH)
    assert (board.soc.p0.level(pin), board.kit.led) == (True, False)
    board.write(P0 + OUTCLR, 1 << pin)
    board.write(P0 + DIRSET, 1 << pin)
    assert board.soc.p0.level(pin)
    board.write(GPIOTE, 1)  # OUT: toggle
    assert (board.soc.p0.level(pin), board.kit.led) == (False, True)
    board.write(GPIOTE + 0x030, 1)  # SET
    assert board.soc.p0.level(pin)
    board.write(GPIOTE + 0x060, 1)  # CLR
    board.write(GPIOTE, 1)
    assert (board.soc.p0.level(pin), board.read(P0 + OUT)) == (True, 0)
    board.write(GPIOTE + 0x510, 0)
    assert not board.soc.p0.level(pin)  # as OUT has it


def test_ppi_toggles_a_pin_in_time_with_a_timer() -> None:
    board = Board()
    board.write(GPIOTE + 0x510, TASK | 13 << 8 | TOGGLE)
    board.set(PPI, r510=TIMER1 + 0x140, r514=GPIOTE, r504=1)
    board.set(TIMER1, r508=3, r540=100, r200=1, r000=1)
    levels = []
    for _ in range(4):
        board.run(100 * 512)
        levels.append(board.soc.p0.level(13))
    assert levels == [True, False, True, False]


def test_pins_hold_through_system_off_and_a_sensed_one_wakes_up() -> None:
    board = Board()
    board.write(P0 + DIRSET, 1 << 3)
    board.write(P0 + OUTSET, 1 << 3)
    board.write(GPIOTE + 0x510, TASK | 13 << 8 | HIGH)
    board.write(_cnf(P0, 11), INPUT | PULL_UP | SENSE_LOW)
    board.write(POWER + 0x500, 1)
    board.run(512_000)
    assert board.soc.cpu.held_in_reset
    board.kit.press_button(True)
    board.run(512_000)
    assert board.soc.reset_cause is ResetCause.SYSTEM_OFF
    assert board.read(POWER + 0x400) == 1 << 16
    assert (board.soc.p0.level(3), board.soc.p0.level(13)) == (True, True)
    board.write(P0 + OUTCLR, 1 << 13)
    assert not board.soc.p0.level(13)
