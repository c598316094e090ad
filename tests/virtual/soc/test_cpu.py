"""The CPU as the architecture describes it: exceptions, priorities, masks, sleep, floating point."""

from __future__ import annotations

import itertools

import pytest

from hil.virtual.kernel import TICKS_PER_US
from hil.virtual.native.core import TICKS_PER_INSTRUCTION
from hil.virtual.soc.memory import RAM_SIZE
from tests.virtual.soc.program import Kit, kit

DONE = 0xE0E0E0E0


def test_an_instruction_takes_a_cycle_and_a_half() -> None:
    machine = kit("""
        void main(void) {
            uint32_t a, b;
            ASM("movw r2, #0x8008\\n movt r2, #0x4000\\n ldr %0, [r2]\\n .rept 100\\n nop\\n .endr\\n ldr %1, [r2]"
                : "=&r"(a), "=&r"(b) :: "r2");
            OUT = b - a;
        }""")
    assert machine.run()[0] == 101 * TICKS_PER_INSTRUCTION


def test_pending_exceptions_are_taken_by_priority_then_number() -> None:
    machine = kit("""
        void Irq0(void) { OUT = 0; } void Irq1(void) { OUT = 1; } void Irq2(void) { OUT = 2; }
        void main(void) {
            R8(0xE000E400) = 0x60; R8(0xE000E401) = 0x60; R8(0xE000E402) = 0x20;
            R(0xE000E100) = 7; ASM("cpsid i"); R(0xE000E200) = 7; OUT = 9; ASM("cpsie i\\n isb"); OUT = 10;
        }""")
    assert machine.run() == [9, 2, 0, 1, 10, DONE]


@pytest.mark.parametrize(("prigroup", "order"), [(4, [1, 2, 11]), (6, [1, 11, 2])])
def test_subpriority_orders_but_does_not_preempt(prigroup: int, order: list[int]) -> None:
    # 0x40 and 0x60 share the group when bits 6 and 5 are subpriority (PRIGROUP 6).
    machine = kit(f"""
        void Irq1(void) {{ OUT = 1; R(0xE000E200) = 4; ASM("dsb\\n isb"); OUT = 11; }}
        void Irq2(void) {{ OUT = 2; }}
        void main(void) {{
            R(0xE000ED0C) = 0x05FA0000 | {prigroup} << 8;
            R8(0xE000E401) = 0x60; R8(0xE000E402) = 0x40; R(0xE000E100) = 6; R(0xE000E200) = 2; ASM("isb");
        }}""")
    assert machine.run()[:3] == order


def test_a_mask_holds_an_interrupt_back_until_the_instruction_that_lifts_it() -> None:
    machine = kit("""
        void Irq1(void) { uint32_t m; ASM("mrs %0, basepri" : "=r"(m)); OUT = 0x100 | m; }
        void main(void) {
            R8(0xE000E401) = 0x60; R(0xE000E100) = 2;
            ASM("msr basepri, %0" :: "r"(0x40)); R(0xE000E200) = 2; ASM("isb"); OUT = 1;
            ASM("msr basepri, %0" :: "r"(0x80)); ASM("isb"); OUT = 2;
            ASM("msr basepri, %0\\n cpsid f" :: "r"(0)); R(0xE000E200) = 2; ASM("isb"); OUT = 3;
            ASM("cpsie f\\n isb"); OUT = 4;
        }""")
    assert machine.run() == [1, 0x180, 2, 3, 0x100, 4, DONE]


def test_a_high_line_pends_again_until_its_cause_is_cleared() -> None:
    machine = kit("""
        volatile uint32_t n;
        void Irq8(void) { OUT = ++n; if (n == 3) R(0x40008004) = 0; }
        void main(void) { R(0xE000E100) = 1 << 8; R(0x40008000) = 2000; ASM("wfi"); OUT = R(0xE000E200); }""")
    assert machine.run() == [1, 2, 3, 0, DONE]


def test_clearing_the_pending_state_of_a_high_line_does_not_last() -> None:
    machine = kit("""
        void main(void) {
            R(0x40008000) = 0; ASM("nop\\n nop\\n nop"); OUT = R(0xE000E200);
            R(0xE000E280) = 1 << 8; OUT = R(0xE000E200);
            R(0x40008004) = 0; R(0xE000E280) = 1 << 8; OUT = R(0xE000E200);
        }""")
    assert machine.run() == [1 << 8, 1 << 8, 0, DONE]


def test_interrupt_lines_that_are_not_there_read_as_zero() -> None:
    machine = kit("""
        void main(void) { for (int n = 0; n < 8; n++) { R(0xE000E180 + 4 * n) = ~0u; R(0xE000E280 + 4 * n) = ~0u; }
          R(0xE000E108) = ~0u; R(0xE000E208) = ~0u; R(0xE000E430) = ~0u; R(0xE000E5EC) = ~0u;
          OUT = R(0xE000E108) | R(0xE000E208) | R(0xE000E308) | R(0xE000E430) | R(0xE000E5EC); }""")
    assert machine.run() == [0, DONE]
    assert machine.bus.unmodelled == {}


def test_an_interrupt_is_taken_at_the_tick_of_its_event() -> None:
    machine = kit("""
        void Irq8(void) { R(0x40008004) = 0; OUT = R(0x40008008); }
        void main(void) { R(0xE000E100) = 1 << 8; OUT = R(0x40008008); R(0x40008000) = 51200;
            for (;;) ASM("nop"); }""")
    start, taken = machine.run()[:2]
    assert 51200 < taken - start < 51200 + 40 * TICKS_PER_INSTRUCTION


def test_wfi_wakes_with_primask_set_and_does_not_take_the_interrupt() -> None:
    machine = kit("""
        void Irq8(void) { R(0x40008004) = 0; OUT = 8; }
        void main(void) {
            R(0xE000E100) = 1 << 8; ASM("cpsid i"); R(0x40008000) = 51200; ASM("wfi"); OUT = 1;
            ASM("cpsie i\\n isb"); OUT = 2;
        }""")
    assert machine.run() == [1, 8, 2, DONE]
    assert machine.stamped[0][0] >= 51200


def test_wfe_passes_after_sev_and_sleeps_without() -> None:
    machine = kit("""
        void Irq8(void) { R(0x40008004) = 0; OUT = 8; }
        void main(void) {
            R(0xE000E100) = 1 << 8;
            ASM("sev\\n wfe"); OUT = 1;
            R(0x40008000) = 51200; ASM("wfe"); OUT = 2;
            ASM("wfe"); OUT = 3;      /* the event register was set by the exception */
            ASM("yield"); OUT = 4;
            ASM("wfe"); OUT = 5;      /* nothing comes */
        }""")
    assert machine.run() == [1, 8, 2, 3, 4] or machine.out == [1, 8, 2, 4]
    assert machine.cpu.sleeping
    assert machine.stamped[1][0] >= 51200


def test_sevonpend_wakes_wfe_for_a_disabled_interrupt() -> None:
    machine = kit("""
        void main(void) { R(0xE000ED10) = 0x10; R(0x40008000) = 51200; ASM("wfe"); OUT = 1; }""")
    assert machine.run() == [1, DONE]


def test_sleep_on_exit_goes_back_to_sleep() -> None:
    machine = kit("""
        volatile uint32_t n;
        void Irq8(void) { R(0x40008004) = 0; OUT = ++n; if (n < 3) R(0x40008000) = 5120; else R(0xE000ED10) = 0; }
        void main(void) { R(0xE000E100) = 1 << 8; R(0xE000ED10) = 2; R(0x40008000) = 512; ASM("wfi");
          OUT = 9; }""")
    assert machine.run() == [1, 2, 3, 9, DONE]


def test_supervisor_call_stacks_the_address_after_it() -> None:
    machine = kit("""
        HANDLER(SVC_Handler, supervisor) { OUT = ((uint8_t *)f[6])[-2]; f[0] += 5; }
        void main(void) { register uint32_t x __asm__("r0") = 7;
            ASM("svc 42" : "+r"(x) :: "memory"); OUT = x; }""")
    assert machine.run() == [42, 12, DONE]


def test_an_interrupted_if_then_block_goes_on_where_it_was() -> None:
    # Each pass is interrupted at another place; the conditional instructions must not be repeated,
    # lost or run on the wrong condition.
    machine = kit("""
        volatile uint32_t taken;
        void Irq8(void) { R(0x40008004) = 0; taken++; ASM("cmp r0, r0"); }
        void main(void) {
            R(0xE000E100) = 1 << 8;
            uint32_t wrong = 0;
            for (uint32_t delay = 0; delay < 400; delay += 12) {
                R(0x40008000) = delay;
                uint32_t a = 0, b = 0;
                ASM(".rept 6\\n cmp %2, #0\\n ittet ne\\n"
                    "addne %0, #1\\n addne %0, #1\\n addeq %1, #1\\n addne %0, #1\\n"
                    "cmp %2, %2\\n itete eq\\n addeq %0, #1\\n addne %1, #1\\n addeq %0, #1\\n addne %1, #1\\n .endr"
                    : "+r"(a), "+r"(b) : "r"(1) : "cc");
                if (a != 30 || b != 0) wrong++;
                while (taken * 12 <= delay) ;
            }
            OUT = wrong; OUT = taken;
        }""")
    assert machine.run() == [0, 34, DONE]


def test_floating_point_registers_survive_an_interrupt_that_uses_them() -> None:
    machine = kit("""
        volatile float sink = 1.5f;
        void Irq8(void) { R(0x40008004) = 0; float x = sink; for (int i = 0; i < 8;
          i++) x = x * 1.25f + 3.0f; sink = x; }
        static float work(void) { float a = 1, b = 2, c = 3; for (int i = 0; i < 500; i++) {
          a = a * 1.001f + b; b = b * 0.999f - c; c = c + a * 0.0001f; }
            return a + b + c; }
        void main(void) {
            R(0xE000E100) = 1 << 8;
            union { float f; uint32_t u; } plain, disturbed;
            plain.f = work();
            for (int i = 1; i < 20; i++) R(0x40008000) = 977 * i;
            disturbed.f = work();
            OUT = plain.u ^ disturbed.u; OUT = plain.u != 0; OUT = R(0xE000EF38) != 0;
        }""")
    assert machine.run(3000) == [0, 1, 1, DONE]
    assert machine.cpu.exceptions_taken > 0


def test_process_stack_and_unprivileged_threads() -> None:
    machine = kit("""
        uint32_t stack[64] __attribute__((aligned(8)));
        void SVC_Handler(void) { uint32_t lr, c; ASM("mov %0, lr" : "=r"(lr)); (void)lr;
          ASM("mrs %0, control" : "=r"(c)); OUT = c;
            ASM("msr control, %0" :: "r"(c & ~1u)); }
        void main(void) {
            ASM("msr psp, %0" :: "r"(&stack[64])); ASM("msr control, %0\\n isb" :: "r"(3));
            ASM("cpsid i"); uint32_t m; ASM("mrs %0, primask" : "=r"(m)); OUT = m;  /* no effect: unprivileged */
            ASM("svc 0"); uint32_t c; ASM("mrs %0, control" : "=r"(c)); OUT = c;
            uint32_t sp; ASM("mov %0, sp" : "=r"(sp)); OUT = sp > (uint32_t)stack && sp <= (uint32_t)&stack[64];
        }""")
    assert machine.run()[:4] == [0, 1, 2, 1]


def test_vtor_moves_the_table() -> None:
    machine = kit("""
        static uint32_t table[64] __attribute__((aligned(256)));
        static void other(void) { OUT = 0x77; }
        void main(void) { table[11] = (uint32_t)other; R(0xE000ED08) = (uint32_t)table; ASM("dsb\\n svc 0");
          OUT = R(0xE000ED08) == (uint32_t)table; }""")
    assert machine.run() == [0x77, 1, DONE]


def test_systick_counts_and_interrupts() -> None:
    machine = kit("""
        volatile uint32_t n;
        void SysTick_Handler(void) { OUT = R(0x40008008); n++; }
        void main(void) { R(0xE000E014) = 6399; R(0xE000E018) = 0; R(0xE000E010) = 7;
            while (n < 3) ; R(0xE000E010) = 5; while (!(R(0xE000E010) & 0x10000)) ;
              OUT = R(0xE000E018) > 6000; }""")
    out = machine.run()
    steps = [later - earlier for earlier, later in itertools.pairwise(out[:3])]
    assert all(abs(step - 100 * TICKS_PER_US) <= 3 * TICKS_PER_INSTRUCTION for step in steps)
    assert out[3] == 1


def test_cycle_counter_follows_the_clock() -> None:
    machine = kit("""
        void main(void) { uint32_t a = R(0xE0001004); uint32_t t = R(0x40008008); R(0x40008000) = 0;
            for (volatile int i = 0; i < 50; i++) ; OUT = R(0xE0001004) - a - (R(0x40008008) - t) / 8; }""")
    assert abs((machine.run()[0] ^ 0x8000_0000) - 0x8000_0000) <= 12


def test_system_reset_keeps_ram_and_starts_again() -> None:
    machine = kit("""
        volatile uint32_t *const mark = (volatile uint32_t *)0x20008000;
        void main(void) { if (*mark == 0x600D) { OUT = 2; return; } *mark = 0x600D; OUT = 1;
          R(0xE000ED0C) = 0x05FA0004; for (;;) ; }""")
    assert machine.run() == [1, 2, DONE]


def test_power_loss_leaves_noise_in_ram_that_the_seed_fixes() -> None:
    one, two, other = (Kit(b"", seed=seed) for seed in (1, 1, 2))
    assert bytes(one.memory.ram) == bytes(two.memory.ram) != bytes(other.memory.ram)
    before = bytes(one.memory.ram)
    one.cpu.power_off()
    one.kernel.advance(1000)
    one.cpu.power_on()
    assert sum(a == b for a, b in zip(before, one.memory.ram, strict=True)) < RAM_SIZE // 64


def test_without_power_nothing_executes() -> None:
    machine = kit("void main(void) { for (;;) OUT = 1; }")
    machine.run(10)
    machine.cpu.power_off()
    count = len(machine.out)
    machine.run(100)
    assert len(machine.out) == count
    assert not machine.cpu.powered


def test_a_stall_holds_the_cpu_but_not_the_events() -> None:
    machine = kit("void main(void) { OUT = R(0x40008008); OUT = R(0x40008008); }")
    times: list[int] = []
    original = machine._tick

    def stalling() -> int:
        machine.cpu.stall(100 * TICKS_PER_US)
        machine.kernel.after(7, times.append, machine.kernel.now + 7)
        return original()

    machine.bus.register(0x4000_8008, stalling, None)
    first, second = machine.run()[:2]
    assert second - first >= 100 * TICKS_PER_US
    assert times[0] - first == 7


def test_an_exception_of_a_peripheral_comes_out_of_advance() -> None:
    machine = kit("void main(void) { OUT = 1; OUT = 2; }")

    def broken(value: int) -> None:
        raise ZeroDivisionError(value)

    machine.bus.register(0x4000_2000, None, broken)
    with pytest.raises(ZeroDivisionError, match="1"):
        machine.run()
    with pytest.raises(ZeroDivisionError, match="2"):
        machine.run()


def test_a_keyboard_interrupt_inside_an_access_is_not_lost() -> None:
    machine = kit("void main(void) { OUT = 1; OUT = 2; }")

    def strike(value: int) -> None:
        raise KeyboardInterrupt

    machine.bus.register(0x4000_2000, None, strike)
    with pytest.raises(KeyboardInterrupt):
        machine.run()


def test_sleep_and_waking_are_told_at_their_ticks() -> None:
    machine = kit("""
        void Irq8(void) { R(0x40008004) = 0; }
        void main(void) { R(0xE000E100) = 1 << 8; R(0x40008000) = 51200; ASM("wfi"); OUT = 1; }""")
    told: list[tuple[int, bool]] = []
    machine.cpu.on_sleep = lambda asleep: told.append((machine.kernel.now, asleep))
    machine.run()
    (slept, first), (woke, second), (_, third) = told
    assert (first, second, third) == (True, False, True)
    assert slept < 51200 <= woke < machine.stamped[0][0]
