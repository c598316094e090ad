"""Faults of the firmware, told with registers and a backtrace, without the firmware seeing any of it."""

from __future__ import annotations

from hil.virtual.faultwatch import FaultReport, FaultWatch
from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.kit import Kit
from hil.virtual.soc.nrf52840 import ResetCause
from tests.virtual.soc.board import Board
from tests.virtual.soc.program import compile_program

READ_NOTHING = """
__attribute__((noinline)) uint32_t inner(uint32_t at) { uint32_t v = R(at); ASM("" ::: "memory"); return v + 1; }
__attribute__((noinline)) uint32_t outer(uint32_t at) { uint32_t v = inner(at); ASM("" ::: "memory"); return v * 3; }
"""
SURVIVE = 'void HardFault_Handler(void) { for (;;) ASM("nop"); }\n'
RESET = """
void HardFault_Handler(void) { R(0x20000100)++; for (int i = 0; i < 5000; i++) ASM("");
    R(0xE000ED0C) = 0x05FA0004; for (;;); }
"""


class Watched:
    """A kit with a program and somebody who listens."""

    def __init__(self, program: str) -> None:
        self.kernel = Kernel(1)
        self.kit = Kit(self.kernel)
        self.kit.soc.memory.write(0, compile_program(program))
        self.told: list[tuple[FaultReport, int]] = []
        self.watch = FaultWatch(self.kit.soc, lambda report, count: self.told.append((report, count)))
        self.kit.rail.set_voltage(3.0)

    def run(self, milliseconds: int = 5) -> None:
        for _ in range(milliseconds):
            self.kernel.advance(self.kernel.now + TICKS_PER_MS)
            self.watch.poll()


def test_a_hard_fault_is_told_with_registers_and_the_way_there() -> None:
    watched = Watched(READ_NOTHING + SURVIVE + "void main(void) { R(0x20000100) = outer(0x60000010); }")
    watched.run()
    ((report, count),) = watched.told
    assert (report.kind, count) == ("HardFault", 1)
    assert "PRECISERR" in report.status
    assert "FORCED" in report.status
    assert "BFAR 0x60000010" in report.status
    assert report.registers["r0"] == 0x6000_0010
    assert report.registers["sp"] < 0x2001_0000
    assert len(report.backtrace) >= 2, "from inner to outer and on to main"
    flash = watched.kit.soc.memory
    assert report.pc is not None
    assert flash.read(report.pc, 2)[1] & 0xF8 == 0x68, "PC is on the load, LDR (immediate)"
    text = report.lines()
    assert text[0].startswith(f"HardFault at 0x{report.pc:08x}: CFSR 0x00008200")
    assert all(f"0x{address:08x}" in text[-1] for address in report.backtrace)


def test_the_firmware_sees_nothing_of_it() -> None:
    program = READ_NOTHING + RESET + "void main(void) { outer(0x60000010); }"
    watched = Watched(program)
    watched.run(8)
    plain = Watched(program)
    plain.watch._catch = lambda: None  # type: ignore[method-assign]
    plain.kit.soc.cpu.vector_catch = 0
    plain.run(8)
    assert plain.kit.soc.cpu.exceptions_taken == watched.kit.soc.cpu.exceptions_taken > 10
    assert plain.kit.soc.memory.read(0x2000_0100, 4) == watched.kit.soc.memory.read(0x2000_0100, 4)
    assert not watched.kit.soc.cpu.halted


def test_a_fault_that_comes_again_is_counted_and_told_less_and_less() -> None:
    watched = Watched(READ_NOTHING + RESET + "void main(void) { outer(0x60000010); }")
    watched.run(40)
    assert len(watched.watch.reports) == 1
    (total,) = watched.watch.counts.values()
    assert 100 < total < 1000
    assert [count for _, count in watched.told] == [1, 10, 100]


def test_faults_with_a_handler_of_their_own_are_told_by_their_name() -> None:
    watched = Watched(
        'void UsageFault_Handler(void) { for (;;) ASM("nop"); }\n'
        'void main(void) { SHCSR = 7 << 16; ASM("udf #0"); }'
    )
    watched.run()
    ((report, _),) = watched.told
    assert report.kind == "UsageFault"
    assert "UNDEFINSTR" in report.status


def test_the_stack_of_a_thread_is_the_one_that_is_looked_at() -> None:
    watched = Watched(
        READ_NOTHING
        + SURVIVE
        + 'void main(void) { ASM("ldr r0, =0x20008000\\n msr psp, r0\\n mov r0, #2\\n msr control, r0\\n isb" '
        '::: "r0"); outer(0x60000010); }'
    )
    watched.run()
    ((report, _),) = watched.told
    assert 0x2000_7000 < report.registers["sp"] <= 0x2000_8000
    assert report.backtrace


def test_a_lost_stack_is_said_and_not_made_up() -> None:
    watched = Watched(SURVIVE + 'void main(void) { ASM("ldr r0, =0x10000\\n mov sp, r0\\n push {r0}"); }')
    watched.run()
    report = watched.told[0][0]
    assert report.pc is None or report.backtrace == ()
    assert "r4" in report.registers


def test_a_chip_without_a_program_has_no_fault() -> None:
    watched = Watched("void main(void) {}")
    watched.run(2)
    watched.kit.soc.memory.write(0, b"\xff" * 0x1000)
    watched.kit.soc.reset(ResetCause.PIN)
    watched.run(5)
    assert watched.kit.soc.cpu.lockup
    assert watched.told == []


def test_lockup_is_told_and_the_chip_resets_as_it_does_without_a_watch() -> None:
    watched = Watched(
        READ_NOTHING
        + "void HardFault_Handler(void) { outer(0x60000020); }\n"
        + "void main(void) { outer(0x60000010); }"
    )
    causes: list[ResetCause] = []
    watched.kit.soc.on_reset.append(causes.append)
    watched.run(10)
    assert [report.kind for report, _ in watched.told[:2]] == ["HardFault", "lockup"]
    assert ResetCause.LOCKUP in causes


def test_a_debugger_gets_what_it_asked_for() -> None:
    watched = Watched(
        READ_NOTHING + SURVIVE + "void main(void) { for (;;) if (R(0x20000100) == 1) outer(0x60000010); }"
    )
    watched.run(2)
    soc = watched.kit.soc
    soc.debug.bus_write(0xE000_EDF0, 4, 0xA05F_0001)
    soc.debug.bus_write(0xE000_EDFC, 4, 1 << 10)
    soc.debug.bus_write(0x2000_0100, 4, 1)
    watched.run(2)
    assert soc.cpu.halted, "vector catch of the debugger's halts"
    assert [report.kind for report, _ in watched.told] == ["HardFault"]


def test_a_debugger_that_asked_for_nothing_is_not_halted() -> None:
    watched = Watched(
        READ_NOTHING + SURVIVE + "void main(void) { for (;;) if (R(0x20000100) == 1) outer(0x60000010); }"
    )
    watched.run(2)
    soc = watched.kit.soc
    soc.debug.bus_write(0xE000_EDF0, 4, 0xA05F_0001)
    soc.debug.bus_write(0x2000_0100, 4, 1)
    watched.run(3)
    assert not soc.cpu.halted
    assert [report.kind for report, _ in watched.told] == ["HardFault"], "found by looking"


def test_the_watch_goes_on_when_the_debugger_has_left() -> None:
    watched = Watched(
        READ_NOTHING + SURVIVE + "void main(void) { for (;;) if (R(0x20000100) == 1) outer(0x60000010); }"
    )
    soc = watched.kit.soc
    watched.run(2)
    soc.debug.bus_write(0xE000_EDF0, 4, 0xA05F_0001)
    soc.debug.bus_write(0xE000_EDF0, 4, 0xA05F_0000)
    watched.run(2)
    soc.debug.bus_write(0x2000_0100, 4, 1)
    watched.run(2)
    ((report, _),) = watched.told
    assert report.registers["r0"] == 0x6000_0010
    assert not soc.cpu.halted


def test_firmware_that_switches_its_cycle_counter_on_is_watched_all_the_same() -> None:
    board = Board()
    watch = FaultWatch(board.soc, lambda report, count: None)
    before = board.soc.cpu.vector_catch
    board.soc.bus.write(0xE000_EDFC, 4, 1 << 24)  # DEMCR.TRCENA, as for the DWT cycle counter
    assert board.soc.cpu.vector_catch == before != 0
    assert watch.reports == []
