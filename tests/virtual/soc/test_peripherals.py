from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_LFCLK, TICKS_PER_MS, TICKS_PER_US
from hil.virtual.power.source import Battery
from hil.virtual.soc.peripheral import ResetCause
from tests.virtual.soc.board import CLOCK, NVMC, POWER, PPI, RAM, RTC1, SAADC, TIMER1, WDT, Board


def test_rtc_compare_comes_at_its_lfclk_edge() -> None:
    board = Board()
    board.set(CLOCK, r518=0, r008=1)
    board.run(TICKS_PER_MS)
    assert board.read(CLOCK + 0x418) == 1 << 16
    board.set(RTC1, r508=1, r540=5, r344=1 << 16, r000=1)
    first = board.kernel.now // TICKS_PER_LFCLK
    board.run((first + 10) * TICKS_PER_LFCLK - board.kernel.now - 1)
    assert (board.read(RTC1 + 0x504), board.read(RTC1 + 0x140)) == (4, 0)
    board.run(1)
    assert (board.read(RTC1 + 0x504), board.read(RTC1 + 0x140)) == (5, 1)


def test_rtc_stands_still_without_lfclk() -> None:
    board = Board()
    board.set(RTC1, r000=1)
    board.run(10 * TICKS_PER_MS)
    assert board.read(RTC1 + 0x504) == 0


def test_timer_captures_and_compares_without_being_observed() -> None:
    board = Board()
    board.set(TIMER1, r508=3, r510=4, r540=100, r000=1)  # 1 MHz, 32 bits
    board.run(99 * TICKS_PER_US)
    assert board.read(TIMER1 + 0x140) == 0
    board.run(TICKS_PER_US)
    assert board.read(TIMER1 + 0x140) == 1
    board.set(TIMER1, r044=1)
    assert board.read(TIMER1 + 0x544) == 100


def test_timer_shortcut_clears_and_ppi_chains_tasks() -> None:
    board = Board()
    timer2 = 0x4000_A000
    board.set(timer2, r504=1, r508=3, r000=1)  # counter
    board.set(PPI, r510=TIMER1 + 0x140, r514=timer2 + 0x008, r504=1)
    board.set(TIMER1, r508=3, r510=4, r540=100, r200=1, r000=1)
    board.run(1000 * TICKS_PER_US + 1)
    board.set(timer2, r040=1)
    assert board.read(timer2 + 0x540) == 10


def test_watchdog_bites_unless_reloaded_and_survives_a_soft_reset() -> None:
    board = Board()
    board.set(WDT, r504=327, r000=1)  # 328 periods: about 10 ms
    board.set(WDT, r504=9999)  # locked
    for _ in range(5):
        board.run(8 * TICKS_PER_MS)
        board.set(WDT, r600=0x6E52_4635)
    board.set(POWER, r51C=0x42)
    board.soc.reset(ResetCause.SOFT)
    assert board.read(WDT + 0x400) == 1
    assert (board.read(POWER + 0x400), board.read(POWER + 0x51C)) == (4, 0x42)
    board.run(11 * TICKS_PER_MS)
    assert board.soc.reset_cause is ResetCause.WATCHDOG
    assert (board.read(POWER + 0x400), board.read(POWER + 0x51C)) == (6, 0)
    assert board.read(WDT + 0x400) == 0


def test_watchdog_resets_in_spite_of_a_reload_once_it_has_timed_out() -> None:
    board = Board()
    board.set(WDT, r504=327, r304=1, r000=1)
    board.run(328 * TICKS_PER_LFCLK)
    assert board.read(WDT + 0x100) == 1
    board.set(WDT, r600=0x6E52_4635)
    board.run(2 * TICKS_PER_LFCLK)
    assert board.soc.reset_cause is ResetCause.WATCHDOG


def test_a_pin_reset_takes_the_debug_components_along_and_a_soft_reset_does_not() -> None:
    board = Board()
    dhcsr, demcr, fpb_compare = 0xE000_EDF0, 0xE000_EDFC, 0xE000_2008
    board.write(dhcsr, 0xA05F_0001)
    board.write(demcr, 1)
    board.write(fpb_compare, 0x101)
    board.soc.reset(ResetCause.SOFT)
    assert board.read(dhcsr) & 0x0200_0001 == 0x0200_0001  # S_RESET_ST, C_DEBUGEN
    assert board.read(dhcsr) & 0x0200_0000 == 0
    assert (board.read(demcr) & 1, board.read(fpb_compare)) == (1, 0x101)
    board.soc.reset(ResetCause.PIN)
    assert board.read(dhcsr) & 0x0200_0001 == 0x0200_0000
    assert (board.read(demcr) & 1, board.read(fpb_compare)) == (0, 0)


def test_saadc_measures_the_supply() -> None:
    board = Board(volts=2.4)
    # VDD, gain 1/6, internal reference: 3.6 V full scale, 12 bits.
    board.set(SAADC, r500=1, r510=9, r518=2 << 16, r5F0=2, r62C=RAM, r630=1, r000=1, r004=1)
    board.run(100 * TICKS_PER_US)
    assert (board.read(SAADC + 0x104), board.read(SAADC + 0x634)) == (1, 1)
    code = int.from_bytes(board.soc.memory.read(RAM, 2), "little")
    assert abs(code - 2.4 / 3.6 * 4096) < 6


def test_pof_warning_and_brown_out_follow_the_rail() -> None:
    board = Board()
    board.soc.memory.write(RAM, b"kept")
    board.set(POWER, r510=1 | 7 << 1)  # 2.0 V
    board.kit.rail.ramp(1.65, 10 * TICKS_PER_MS)
    board.run(20 * TICKS_PER_MS)
    assert board.read(POWER + 0x108) == 1
    assert board.soc.powered
    board.kit.rail.set_voltage(1.5)
    board.run(TICKS_PER_MS)
    assert not board.soc.powered
    board.kit.rail.set_voltage(1.74)
    board.run(5 * TICKS_PER_MS)
    assert not board.soc.powered  # up again at 1.75 V only
    board.kit.rail.set_voltage(3.0)
    board.run(5 * TICKS_PER_MS)
    assert board.soc.powered
    assert board.soc.reset_cause is ResetCause.BROWN_OUT
    assert board.soc.memory.read(RAM, 4) == b"kept"
    board.kit.rail.set_voltage(0.0)
    board.run(TICKS_PER_MS)
    board.kit.rail.set_voltage(3.0)
    board.run(5 * TICKS_PER_MS)
    assert board.soc.reset_cause is ResetCause.POWER_ON
    assert board.read(POWER + 0x400) == 0
    assert board.soc.memory.read(RAM, 4) != b"kept"


def test_a_sleeping_cpu_draws_microamperes_and_may_hold_the_watchdog() -> None:
    board = Board()
    assert board.kit.rail.current > 1e-3
    board.set(WDT, r504=327, r50C=0, r000=1)  # paused in sleep
    board.soc.memory.write(0x100, b"\x30\xbf\xfe\xe7")  # wfi; b .
    board.soc.reset(ResetCause.SOFT)
    board.run(100 * TICKS_PER_MS)
    assert board.soc.cpu.sleeping
    assert board.kit.rail.current < 1e-5
    assert board.soc.reset_cause is ResetCause.SOFT


def test_a_weak_battery_sags_under_erase_and_browns_out_in_the_middle() -> None:
    board = Board()
    board.soc.memory.write(0x3000, bytes(4096))
    battery = Battery(capacity=1e-3, resistance=28.0, charge=0.2, curve=((0.0, 1.7), (1.0, 3.4)))
    board.kit.rail.connect(battery)
    board.run(TICKS_PER_MS)
    assert board.soc.powered
    board.set(NVMC, r504=2, r508=0x3000)
    board.run(100 * TICKS_PER_MS)
    assert board.soc.memory.read(0x3000, 4096) not in (bytes(4096), b"\xff" * 4096)
