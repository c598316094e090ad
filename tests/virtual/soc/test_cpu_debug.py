"""What a debugger sees: halt, step, registers, breakpoints, watchpoints, catches."""

from __future__ import annotations

import pytest

from hil.virtual.soc.cpu import HaltReason, Watchpoint
from tests.virtual.soc.program import Kit, kit

LOOP = """
    volatile uint32_t counter;
    void main(void) { ASM("movs r0, #17\\n vmov s3, r0" ::: "r0", "s3"); OUT = 1; for (;;) counter += 3; }
"""


def debugged(source: str) -> tuple[Kit, list[HaltReason]]:
    machine = kit(source)
    reasons: list[HaltReason] = []
    machine.cpu.on_halt = reasons.append
    machine.cpu.debug_enabled = True
    return machine, reasons


def test_halt_and_resume() -> None:
    machine, reasons = debugged(LOOP)
    machine.run(100)
    machine.cpu.debug_halt()
    assert machine.cpu.halted and machine.cpu.idle
    assert reasons == [HaltReason.REQUEST]
    where = machine.cpu.program_counter
    machine.run(100)
    assert machine.cpu.program_counter == where
    machine.cpu.debug_resume()
    machine.run(100)
    assert not machine.cpu.halted


def test_a_step_executes_one_instruction() -> None:
    machine, reasons = debugged(
        'void main(void) { ASM(".rept 20\\n adds r0, #1\\n .endr" ::: "r0"); for (;;) ; }'
    )
    machine.cpu.debug_halt()
    while machine.memory.read(machine.cpu.program_counter, 2) != b"\x01\x30":
        machine.cpu.debug_step()
        machine.run(1)
    reasons.clear()
    for _ in range(5):
        pc, value = machine.cpu.program_counter, machine.cpu.read_register(0)
        machine.cpu.debug_step()
        machine.run(1)
        assert machine.cpu.program_counter == pc + 2
        assert machine.cpu.read_register(0) == value + 1
    assert reasons == [HaltReason.STEP] * 5


def test_a_step_needs_a_halted_cpu() -> None:
    machine, _ = debugged(LOOP)
    with pytest.raises(RuntimeError, match="halted"):
        machine.cpu.debug_step()


def test_a_breakpoint_halts_in_front_of_its_instruction() -> None:
    machine, reasons = debugged('void main(void) { ASM("nop\\n udf #9\\n nop"); OUT = 1; }')
    address = bytes(machine.memory.flash).index(b"\x09\xde")
    machine.cpu.breakpoints = [address]
    assert machine.cpu.breakpoints == {address}
    machine.run(100)
    assert (machine.cpu.program_counter, reasons) == (address, [HaltReason.BREAKPOINT])
    machine.cpu.breakpoints = []
    machine.cpu.write_register(15, address + 2)
    machine.cpu.debug_resume()
    machine.run(100)
    assert machine.out == [1, 0xE0E0E0E0]


def test_a_breakpoint_instruction_halts_on_itself() -> None:
    machine, reasons = debugged('void main(void) { ASM("bkpt #0x55"); OUT = 1; }')
    machine.run(100)
    assert machine.memory.read(machine.cpu.program_counter, 2) == b"\x55\xbe"
    assert reasons == [HaltReason.BREAKPOINT]


@pytest.mark.parametrize(("read", "write", "hits"), [(True, False, 1), (False, True, 1), (True, True, 1)])
def test_a_watchpoint_halts_after_the_access(read: bool, write: bool, hits: int) -> None:
    machine, reasons = debugged("""
        void main(void) { volatile uint32_t *const there = (volatile uint32_t *)0x20008000;
            OUT = 1; *there = 5; OUT = 2; OUT = *there; there[1] = 6; OUT = 3; }""")
    machine.cpu.watchpoints = [
        Watchpoint(0x2000_8004, 4, read, write),
        Watchpoint(0x2000_8000, 4, read, write),
    ]
    machine.run(100)
    assert reasons == [HaltReason.WATCHPOINT]
    assert machine.out == ([1] if write else [1, 2])
    assert machine.cpu.watchpoint_hits == 2
    machine.cpu.watchpoints = []
    machine.cpu.debug_resume()
    machine.run(100)
    assert machine.out == [1, 2, 5, 3, 0xE0E0E0E0]


def test_registers_by_their_dcrsr_numbers() -> None:
    machine, _ = debugged(LOOP)
    machine.run(100)
    machine.cpu.debug_halt()
    cpu = machine.cpu
    assert cpu.read_register(0x43) == 17  # S3
    for number in (*range(13), 14, 0x40, 0x5F):
        cpu.write_register(number, 0x1000_0000 + number)
        assert cpu.read_register(number) == 0x1000_0000 + number
    cpu.write_register(13, 0x2000_8000)
    assert cpu.read_register(17) == 0x2000_8000  # SP is MSP in thread mode
    cpu.write_register(18, 0x2000_9000)
    assert cpu.read_register(18) == 0x2000_9000
    cpu.write_register(16, 0x2100_0000)
    assert cpu.read_register(16) == 0x2100_0000
    cpu.write_register(15, 0x201)
    assert cpu.read_register(15) == 0x200
    cpu.write_register(20, 0x0200_4001)
    assert cpu.read_register(20) == 0x0200_4001
    assert cpu.read_register(13) == 0x2000_9000  # CONTROL.SPSEL selects PSP
    for write in (False, True):
        with pytest.raises(ValueError, match="register"):
            cpu.write_register(19, 0) if write else cpu.read_register(19)


def test_registers_of_an_unprivileged_thread_can_be_written() -> None:
    machine, _ = debugged('void main(void) { ASM("msr control, %0\\n isb" :: "r"(1)); for (;;) ; }')
    machine.run(100)
    machine.cpu.debug_halt()
    machine.cpu.write_register(18, 0x2000_9000)
    machine.cpu.write_register(20, 0x0100_2001)
    assert machine.cpu.read_register(18) == 0x2000_9000
    assert machine.cpu.read_register(20) == 0x0100_2001


def test_reset_catch_halts_at_the_first_instruction() -> None:
    machine, reasons = debugged(LOOP)
    machine.run(100)
    machine.cpu.reset_catch = True
    machine.cpu.reset()
    assert machine.cpu.halted
    assert reasons == [HaltReason.VECTOR_CATCH]
    assert machine.cpu.program_counter == int.from_bytes(machine.memory.read(4, 4), "little") & ~1
    machine.out.clear()
    assert machine.run(100) == []


def test_vector_catch_halts_at_the_handler() -> None:
    machine, reasons = debugged('void main(void) { ASM("udf #0"); }')
    machine.cpu.vector_catch = 1 << 3
    machine.run(100)
    assert reasons == [HaltReason.VECTOR_CATCH]
    assert machine.cpu.active_exception == 3
    assert machine.out == []


def test_masked_interrupts_wait_while_stepping() -> None:
    machine, _ = debugged("""
        void Irq8(void) { R(0x40008004) = 0; OUT = 8; }
        void main(void) { R(0xE000E100) = 1 << 8; for (;;) ASM("nop\\n nop"); }""")
    machine.run(50)
    machine.cpu.debug_halt()
    machine.cpu.set_irq_line(8, True)
    machine.cpu.mask_interrupts = True
    for _ in range(4):
        machine.cpu.debug_step()
        machine.run(1)
    assert machine.cpu.active_exception == 0
    machine.cpu.mask_interrupts = False
    machine.cpu.debug_resume()
    assert machine.run(50) == [8]


def test_halting_a_locked_up_cpu_and_a_sleeping_one() -> None:
    machine, _ = debugged(
        'void HardFault_Handler(void) { ASM("udf #0"); } void main(void) { ASM("udf #0"); }'
    )
    machine.run(50)
    assert machine.cpu.lockup
    machine.cpu.debug_halt()
    assert machine.cpu.halted
    sleeper, _ = debugged('void main(void) { ASM("wfi"); OUT = 1; }')
    sleeper.run(50)
    sleeper.cpu.debug_halt()
    sleeper.cpu.debug_step()
    sleeper.run(1)
    assert sleeper.cpu.halted


def test_more_breakpoints_than_there_are_is_refused() -> None:
    machine, _ = debugged(LOOP)
    with pytest.raises(ValueError, match="at most"):
        machine.cpu.breakpoints = range(0, 40, 2)
    with pytest.raises(ValueError, match="at most"):
        machine.cpu.watchpoints = [Watchpoint(0, 4, True, True)] * 5
