"""Stores to NVMC.CONFIG and POFCON that the native core takes by itself have the effects of any other."""

from __future__ import annotations

import pytest

from hil.virtual.kernel import TICKS_PER_MS
from tests.virtual.soc.board import NVMC, POWER, Board
from tests.virtual.soc.program import compile_program

POFWARN, POFCON, CONFIG = POWER + 0x108, POWER + 0x510, NVMC + 0x504
POF_AT_2V7 = 14 << 1 | 1
WORDS_AT = 0x8_0000

PROGRAM = """
#define POFWARN R(0x40000108)
#define POFCON R(0x40000510)
#define READY R(0x4001E400)
#define CONFIG R(0x4001E504)
volatile uint32_t warned;
void main(void) {
    for (uint32_t n = 0; n < 32; n++) {
        POFCON = 0;
        warned += POFWARN;
        CONFIG = 1;
        while (!READY) {}
        R(0x80000 + 4 * n) = 0x5A000000 | n;
        CONFIG = 0;
        POFCON = 14 << 1 | 1;
    }
    CONFIG = 1;
    for (;;) ASM("wfi");
}
"""


def _after_the_program(volts: float, ohms: float = 0.0) -> Board:
    board = Board(volts=volts)
    board.kit.rail.source.resistance = ohms
    board.kit.rail.changed()
    board.soc.memory.write(0, compile_program(PROGRAM))
    board.soc.cpu.reset()
    board.run(5 * TICKS_PER_MS)
    assert board.soc.cpu.sleeping
    return board


@pytest.mark.parametrize(
    ("volts", "ohms"), [(3.0, 0.2), (2.84, 0.0), (3.0, 20.0)], ids=["leads", "low", "weak"]
)
def test_the_supply_changes_nothing_of_what_the_firmware_does(volts: float, ohms: float) -> None:
    """Only the first of the two boards leaves the stores to the native core all the time."""
    calm, other = _after_the_program(3.0), _after_the_program(volts, ohms)
    assert calm.soc.nvmc.config.direct
    for board in (calm, other):
        words = [board.read(WORDS_AT + 4 * n) for n in range(33)]
        assert words == [0x5A00_0000 | n for n in range(32)] + [0xFFFF_FFFF]
        assert (board.read(CONFIG), board.read(POFCON)) == (1, POF_AT_2V7)
        assert board.soc.cpu.nvm.write_enable
        assert board.soc.cpu.nvm.operations == 32
    assert calm.soc.cpu.nvm.last == other.soc.cpu.nvm.last


def test_the_comparator_warns_when_the_supply_falls_later() -> None:
    board = _after_the_program(3.0)
    board.kit.rail.set_voltage(2.75)
    board.run(TICKS_PER_MS)
    assert board.read(POFWARN) == 0
    board.kit.rail.set_voltage(2.65)
    board.run(TICKS_PER_MS)
    assert board.read(POFWARN) == 1


def test_the_load_of_the_flash_is_seen_at_the_supply() -> None:
    board = _after_the_program(3.0)
    writing = board.kit.rail.current
    board.write(CONFIG, 0)
    assert writing - board.kit.rail.current == pytest.approx(5e-3)


def test_a_saved_kit_goes_on_with_its_comparator() -> None:
    board = _after_the_program(3.0)
    kernel, kit = board.kernel.save(), board.kit.save()
    board.write(POFCON, 0)
    board.write(CONFIG, 0)
    board.kit.restore(kit)
    board.kernel.restore(kernel)
    assert (board.read(CONFIG), board.read(POFCON)) == (1, POF_AT_2V7)
    board.kit.rail.set_voltage(2.65)
    board.run(TICKS_PER_MS)
    assert board.read(POFWARN) == 1


def test_a_reset_clears_both() -> None:
    board = _after_the_program(3.0)
    board.write(0xE000_ED0C, 0x05FA_0004)
    assert (board.soc.nvmc.config.value, board.soc.power.pofcon.value) == (0, 0)
    assert not board.soc.cpu.nvm.write_enable
