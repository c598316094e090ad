"""How time is sliced must not change anything: not a register, not a byte, not a tick."""

from __future__ import annotations

import random

import pytest

from tests.virtual.soc.program import Kit, compile_program

# A preemptive system: two threads with floating point on process stacks, switched by PendSV from
# SysTick and by supervisor calls; a nested timer interrupt; masks, sleep, IT blocks and flash writes.
SYSTEM = """
    static uint32_t stacks[2][256] __attribute__((aligned(8)));
    static uint32_t *volatile saved[2];
    volatile uint32_t current, ticks, beats, switches, calls;
    volatile float results[2];
    __attribute__((naked)) void PendSV_Handler(void) { ASM(
        "mrs r0, psp\\n tst lr, #0x10\\n it eq\\n vstmdbeq r0!, {s16-s31}\\n stmdb r0!, {r4-r11, lr}\\n"
        "bl switch_thread\\n ldmia r0!, {r4-r11, lr}\\n tst lr, #0x10\\n it eq\\n vldmiaeq r0!, {s16-s31}\\n"
        "msr psp, r0\\n bx lr\\n"); }
    __attribute__((used)) uint32_t *switch_thread(uint32_t *sp) {
        saved[current] = sp; current ^= 1; switches++; return saved[current]; }
    void SVC_Handler(void) { calls++; ICSR = 1 << 28; }
    void SysTick_Handler(void) { ticks++; for (volatile int i = 0; i < 20; i++) ;
      if (ticks % 3 == 0) ICSR = 1 << 28; }
    void Irq8(void) { R(0x40008004) = 0; beats++; R(0x40008000) = 7001; }
    static float work(float x) {
        float a = x, b = x * 1.5f, c = x * .25f, d = 1, e = 2;
        for (int k = 0; k < 400; k++) { a = a * 1.0001f + b; b = b * .999f - c; c += d * .001f;
          d = d * .99f + e; e = e * .98f + a;
            if (a > 1e6f) a -= 1e6f; if (d < 0) d = -d; }
        return a + b + c + d + e; }
    static void thread(int me) {
        for (uint32_t n = 0;; n++) {
            results[me] = work(1.0f + me);
            ASM("cpsid i"); uint32_t before = ticks; for (volatile int i = 0; i < 9; i++) ;
              OUT = before == ticks; ASM("cpsie i");
            ASM("svc 1");
            ASM("msr basepri, %0" :: "r"(0x40)); for (volatile int i = 0; i < 30; i++) ;
              ASM("msr basepri, %0" :: "r"(0));
            if (me) { R(0x4001E504) = 1; R(0x80000 + 4 * (n & 1023)) = ~(n << 3); R(0x4001E504) = 0; }
            else ASM("wfi");
            OUT = *(uint32_t *)&results[me]; OUT = ticks << 16 | beats;
        } }
    static void first(void) { thread(0); }
    static void second(void) { thread(1); }
    void main(void) {
        uint32_t *sp = &stacks[1][256];
        *--sp = 1 << 24; *--sp = (uint32_t)second & ~1u; sp -= 6; *--sp = 0xFFFFFFFD; sp -= 8; saved[1] = sp;
        R(0xE000ED20) = 0x80E00000; R8(0xE000ED1F) = 0xC0; R8(0xE000E408) = 0x20; R(0xE000E100) = 1 << 8;
        R(0xE000E014) = 5000; R(0xE000E018) = 0; R(0xE000E010) = 7; R(0x40008000) = 3000;
        ASM("msr psp, %0\\n msr control, %1\\n isb" :: "r"(&stacks[0][256]), "r"(2)); first();
    }
"""
LENGTH = 512 * 12000


def system() -> Kit:
    machine = Kit(compile_program(SYSTEM, "-O2"))
    machine.bus.register(
        0x4001_E504, None, lambda value: setattr(machine.cpu.nvm, "write_enable", value == 1)
    )
    return machine


def state(machine: Kit) -> tuple[object, ...]:
    cpu = machine.cpu
    registers = tuple(cpu.read_register(number) for number in (*range(19), 20, 0x21, *range(0x40, 0x60)))
    memory = bytes(machine.memory.ram), bytes(machine.memory.flash)
    return cpu.now, registers, memory, machine.stamped, cpu.exceptions_taken, cpu.nvm.operations


@pytest.fixture(scope="module")
def whole() -> tuple[object, ...]:
    machine = system()
    machine.kernel.advance(LENGTH)
    return state(machine)


def test_the_system_does_what_it_is_for(whole: tuple[object, ...]) -> None:
    machine = system()
    machine.kernel.advance(LENGTH)
    assert {1} == set(machine.out[0::3]) or machine.out.count(1) > 3
    assert machine.cpu.nvm.operations > 3
    assert machine.cpu.exceptions_taken > 300
    assert 0xE0E0E0E0 not in machine.out
    assert not any(value & 0xFFF00000 == 0xBAD00000 for value in machine.out)
    assert state(machine) == whole  # and it repeats


@pytest.mark.parametrize(("seed", "longest"), [(1, 40), (2, 700), (3, 5000), (4, 300_000)])
def test_any_slicing_gives_the_same_trace(whole: tuple[object, ...], seed: int, longest: int) -> None:
    stream, machine = random.Random(seed), system()
    # The short slices cover a window only: each costs microseconds whatever its length.
    window = LENGTH if longest > 1000 else longest * 4000
    machine.kernel.advance(max(0, stream.randrange(LENGTH - window + 1)))
    end = machine.kernel.now + window
    while machine.kernel.now < end:
        machine.kernel.advance(min(end, machine.kernel.now + stream.randint(1, longest)))
    machine.kernel.advance(LENGTH)
    assert state(machine) == whole


def test_breakpoints_that_are_never_hit_change_nothing(whole: tuple[object, ...]) -> None:
    machine = system()
    machine.cpu.breakpoints = [0x000F_0000]
    machine.kernel.advance(LENGTH)
    assert state(machine) == whole


def test_a_restored_cpu_repeats_itself(whole: tuple[object, ...]) -> None:
    machine = system()
    machine.kernel.advance(LENGTH // 3)
    parts = (machine.kernel, machine.cpu, machine.scs, machine.memory)
    saved = [part.save() for part in parts]
    stamped = list(machine.stamped)
    machine.kernel.advance(LENGTH // 2)
    machine.memory.write(0x100, bytes(64))
    for part, content in zip(parts, saved, strict=True):
        part.restore(content)
    machine.stamped = stamped
    machine.kernel.advance(LENGTH)
    assert state(machine) == whole
