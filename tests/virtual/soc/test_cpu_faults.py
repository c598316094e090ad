"""Faults: which exception, which status bits, what is stacked, escalation and lockup."""

from __future__ import annotations

import struct

from tests.virtual.soc.program import Kit, kit

DONE = 0xE0E0E0E0
REPORT = """
    HANDLER(BusFault_Handler, bus_fault) { OUT = 5; OUT = CFSR; OUT = BFAR; OUT = f[0]; OUT = f[6];
      CFSR = CFSR; f[6] += 2; }
    HANDLER(UsageFault_Handler, usage_fault) { OUT = 6; OUT = CFSR; OUT = f[6]; CFSR = CFSR; f[6] += 2;
      f[7] |= 1 << 24; }
    HANDLER(MemManage_Handler, mem_fault) { OUT = 4; OUT = CFSR; OUT = f[6]; CFSR = CFSR; f[6] = f[5]; }
    HANDLER(HardFault_Handler, hard_fault) { OUT = 3; OUT = HFSR; OUT = CFSR; OUT = f[6]; CFSR = CFSR;
      HFSR = HFSR; f[6] += 2; f[7] |= 1 << 24; }
    #define ENABLE SHCSR |= 7 << 16
    #define AT(x) __asm__ volatile("movw r1, #" #x " & 0xffff\\n movt r1, #" #x " >> 16\\n movs r0, #77" ::: "r0", "r1")
"""


def faulting(body: str) -> Kit:
    return kit(REPORT + f"void main(void) {{ {body} }}")


def opcode(machine: Kit, address: int) -> int:
    return int(struct.unpack_from("<H", machine.memory.flash, address)[0])


def test_a_load_from_nowhere_is_a_precise_bus_fault() -> None:
    machine = faulting(
        'ENABLE; ASM("movw r1,#0x10\\n movt r1,#0x3000\\n movs r0,#77\\n ldr r0,[r1]" ::: "r0","r1");'
    )
    out = machine.run()
    assert out[:4] == [5, 0x8200, 0x3000_0010, 77]
    assert opcode(machine, out[4]) == 0x6808  # ldr r0, [r1]: stacked is the instruction itself
    assert out[5:] == [DONE]


def test_a_store_to_nowhere_and_a_peripheral_that_refuses() -> None:
    machine = faulting("""ENABLE;
        ASM("movw r1,#0x10\\n movt r1,#0x3000\\n movs r0,#78\\n str r0,[r1]" ::: "r0","r1");
        ASM("movw r1,#0x9000\\n movt r1,#0x4000\\n movs r0,#79\\n str r0,[r1]" ::: "r0","r1");
        ASM("movw r1,#0x9000\\n movt r1,#0x4000\\n movs r0,#80\\n ldr r0,[r1]" ::: "r0","r1");""")
    out = machine.run()
    assert out[0:4] == [5, 0x8200, 0x3000_0010, 78]
    assert out[5:9] == [5, 0x8200, 0x4000_9000, 79]
    assert out[10:14] == [5, 0x8200, 0x4000_9000, 80]
    assert out[15:] == [DONE]


def test_writeback_is_undone() -> None:
    machine = kit("""
        HANDLER(BusFault_Handler, bus_fault) { OUT = f[1]; f[6] += 4; }
        void main(void) { SHCSR |= 7 << 16; uint32_t r;
            ASM("movw r1,#0x9000\\n movt r1,#0x4000\\n ldr r0,[r1],#64\\n mov %0, r1" : "=r"(r) :: "r0","r1");
            OUT = r; }""")
    assert machine.run() == [0x4000_9000, 0x4000_9000, DONE]


def test_disabled_faults_escalate() -> None:
    machine = faulting('ASM("movw r1,#0\\n movt r1,#0x3000\\n ldr r0,[r1]" ::: "r0","r1"); OUT = 1;')
    out = machine.run()
    assert out[0:3] == [3, 0x4000_0000, 0x8200]
    assert out[4:] == [1, DONE]


def test_undefined_instruction() -> None:
    machine = faulting('ENABLE; ASM("udf #2"); OUT = 1;')
    out = machine.run()
    assert out[0:2] == [6, 0x0001_0000]
    assert opcode(machine, out[2]) == 0xDE02
    assert out[3:] == [1, DONE]


def test_a_handler_address_without_the_thumb_bit_is_an_invalid_state() -> None:
    machine = kit(
        REPORT
        + """
        static uint32_t table[64] __attribute__((aligned(256)));
        void main(void) { ENABLE; R8(0xE000ED1F) = 0xC0; for (int i = 0; i < 64; i++) table[i] = R(4 * i);
          table[11] = 0x100;
            R(0xE000ED08) = (uint32_t)table; ASM("dsb\\n svc 0"); for (;;) ; }"""
    )
    assert machine.run(50)[0:3] == [6, 0x0002_0000, 0x100]


def test_a_return_to_arm_state_is_an_invalid_state() -> None:
    machine = kit(
        REPORT
        + """
        HANDLER(SVC_Handler, supervisor) { f[7] &= ~(1u << 24); }
        void main(void) { ENABLE; ASM("svc 0\\n nop"); OUT = 1; }"""
    )
    out = machine.run(50)
    assert out[0:2] == [6, 0x0002_0000]
    assert out[3:] == [1, DONE]


def test_execution_of_peripherals_is_never_allowed() -> None:
    machine = faulting(
        """ENABLE; ASM("movw r2, #1\\n movt r2, #0x4000\\n blx r2" ::: "r2", "lr", "r0", "r1", "r3"); OUT = 1;"""
    )
    out = machine.run()
    assert out[0:3] == [4, 0x1, 0x4000_0000]
    assert out[3:] == [1, DONE]


def test_execution_of_nothing_is_an_instruction_bus_error() -> None:
    machine = faulting('ASM("movw r2, #1\\n movt r2, #0x0100\\n bx r2" ::: "r2"); for (;;) ;')
    assert machine.run(50)[0:4] == [3, 0x4000_0000, 0x100, 0x0100_0000]


def test_supervisor_call_with_interrupts_masked_escalates() -> None:
    machine = faulting('ASM("cpsid i\\n svc 0"); OUT = 1;')
    assert machine.run()[0:3] == [3, 0x4000_0000, 0]


def test_breakpoint_instruction_without_a_debugger() -> None:
    machine = faulting('ASM("bkpt 0"); OUT = 1;')
    out = machine.run()
    assert out[0:2] == [3, 0x8000_0000]
    assert out[4:] == [1, DONE]


def test_bad_exception_return() -> None:
    machine = kit(
        REPORT
        + """
        void SVC_Handler(void) { ASM("mvn r0, #0x1a\\n bx r0"); }
        void main(void) { ENABLE; ASM("svc 0"); for (;;) ; }"""
    )
    assert machine.run(50)[0:2] == [6, 0x0004_0000]


def test_bfhfnmign_lets_a_handler_probe() -> None:
    machine = kit("""
        void HardFault_Handler(void) { R(0xE000ED14) |= 1 << 8; (void)R(0x30000000); OUT = 3;
          for (;;) ASM("wfi"); }
        void main(void) { ASM("udf #0"); }""")
    assert machine.run(50) == [3]


def test_a_fault_in_hardfault_locks_up() -> None:
    machine = kit("""
        void HardFault_Handler(void) { OUT = 3; ASM("udf #0"); OUT = 4; }
        void main(void) { ASM("udf #0"); }""")
    seen: list[int] = []
    machine.cpu.on_lockup = lambda: seen.append(machine.kernel.now)
    assert machine.run(50) == [3]
    assert machine.cpu.lockup and machine.cpu.idle
    assert len(seen) == 1
    machine.cpu.reset()
    assert machine.run(50) == [3, 3]


def test_a_stack_in_nowhere_locks_up() -> None:
    machine = kit('void main(void) { ASM("mov r0, #0x30000000\\n mov sp, r0\\n svc 0"); }')
    machine.run(50)
    assert machine.cpu.lockup


def test_an_erased_chip_locks_up() -> None:
    machine = Kit(b"")
    machine.run(50)
    assert machine.cpu.lockup
