"""The FPU as software sees it: switched on by CPACR, and saved lazily on exceptions (ARMv7-M ARM, B1.5.7)."""

from __future__ import annotations

from tests.virtual.soc.program import kit

DONE = 0xE0E0E0E0
FPCCR, FPCAR, CPACR = 0xE000_EF34, 0xE000_EF38, 0xE000_ED88
LSPACT = 1

# A program with its own floating-point context makes PendSV pending; the handler is the test's.
PROGRAM = """
    #define FPCCR R(0xE000EF34)
    #define FPCAR R(0xE000EF38)
    static uint32_t bits(float f) { union { float f; uint32_t u; } v = {f}; return v.u; }
    __attribute__((naked)) void PendSV_Handler(void) { ASM("mov r0, sp\\n mov r1, lr\\n push {r4, lr}\\n"
        "bl handle\\n pop {r4, pc}\\n"); }
    void handle(uint32_t *frame, uint32_t exc_return);
    static void interrupt(void) {
        ASM("vmov s0, %0\\n vmov s15, %1\\n vmov s16, %0" :: "r"(0x3F800000), "r"(0x40000000) : "s0", "s15", "s16");
        ICSR = 1 << 28; ASM("dsb\\n isb");
        uint32_t a, b, c; ASM("vmov %0, s0\\n vmov %1, s15\\n vmov %2, s16" : "=r"(a), "=r"(b), "=r"(c));
        OUT = a; OUT = b; OUT = c; }
    #define USED "vmov s0, %0\\n vmov s15, %0\\n"
"""
KEPT = [0x3F80_0000, 0x4000_0000, 0x3F80_0000]


def test_registers_that_a_handler_leaves_alone_are_not_pushed() -> None:
    out = kit(
        PROGRAM
        + """void handle(uint32_t *frame, uint32_t r) { OUT = r; OUT = FPCCR & 1;
            OUT = FPCAR - (uint32_t)frame; frame[8] = frame[23] = 0xAAAAAAAA; OUT = FPCCR & 1; }
        void main(void) { interrupt(); OUT = FPCCR & 1; }"""
    ).run()
    assert out == [0xFFFF_FFE9, LSPACT, 0x20, LSPACT, *KEPT, 0, DONE]


def test_they_are_pushed_in_front_of_the_handlers_first_floating_point_instruction() -> None:
    out = kit(
        PROGRAM
        + """void handle(uint32_t *frame, uint32_t r) { OUT = FPCCR & 1;
            ASM(USED :: "r"(0x41200000) : "s0", "s15"); OUT = FPCCR & 1; OUT = frame[8]; OUT = frame[23]; }
        void main(void) { interrupt(); }"""
    ).run()
    assert out == [LSPACT, 0, 0x3F80_0000, 0x4000_0000, *KEPT, DONE]


def test_without_lspen_they_are_pushed_at_once() -> None:
    out = kit(
        PROGRAM
        + """void handle(uint32_t *frame, uint32_t r) { OUT = FPCCR & 1; OUT = frame[8]; OUT = frame[23]; }
        void main(void) { FPCCR = 1u << 31; interrupt(); }"""
    ).run()
    assert out == [0, 0x3F80_0000, 0x4000_0000, *KEPT, DONE]


def test_a_handler_that_clears_lspact_gives_the_registers_up() -> None:
    out = kit(
        PROGRAM
        + """void handle(uint32_t *frame, uint32_t r) { FPCCR &= ~1u; ASM(USED :: "r"(0x41200000) : "s0", "s15");
            for (int i = 8; i < 25; i++) frame[i] = 0x42000000 + i; }
        void main(void) { interrupt(); }"""
    ).run()
    assert out == [0x4200_0008, 0x4200_0017, 0x3F80_0000, DONE]


def test_a_nested_exception_pushes_them_into_the_first_frame() -> None:
    out = kit(
        PROGRAM
        + """static uint32_t *outer;
        void SVC_Handler(void) { ASM(USED :: "r"(0x41200000) : "s0", "s15"); OUT = FPCCR & 1; OUT = outer[8]; }
        void handle(uint32_t *frame, uint32_t r) { outer = frame; ASM("svc 0"); }
        void main(void) { R(0xE000ED20) = 0xFF << 16; interrupt(); }"""
    ).run()
    assert out == [0, 0x3F80_0000, *KEPT, DONE]


def test_the_fpu_is_off_until_cpacr_lets_it_on() -> None:
    out = kit("""HANDLER(UsageFault_Handler, usage) { OUT = CFSR; CFSR = CFSR; f[6] += 4; }
        void main(void) { SHCSR |= 7 << 16; R(0xE000ED88) = 0; ASM("dsb\\n isb");
            ASM("vmov s0, %0" :: "r"(0x3F800000)); OUT = R(0xE000ED88);
            R(0xE000ED88) = 0xFFFFFFFF; ASM("dsb\\n isb"); OUT = R(0xE000ED88);
            uint32_t v; ASM("vmov s0, %1\\n vmov %0, s0" : "=r"(v) : "r"(0x40490FDB)); OUT = v; }""").run()
    assert out == [1 << 19, 0, 0x00F0_0000, 0x4049_0FDB, DONE]


def test_cpacr_can_keep_unprivileged_code_out() -> None:
    out = kit("""HANDLER(UsageFault_Handler, usage) { OUT = CFSR; CFSR = CFSR; f[6] += 4; }
        void main(void) { SHCSR |= 7 << 16; R(0xE000ED88) = 5 << 20; ASM("dsb\\n isb");
            ASM("vmov s0, %0" :: "r"(0x3F800000)); OUT = 1;
            ASM("mrs r0, control\\n orr r0, r0, #1\\n msr control, r0\\n isb" ::: "r0");
            ASM("vmov s0, %0" :: "r"(0x3F800000)); OUT = 2; }""").run()
    assert out == [1, 1 << 19, 2, DONE]


def test_division_by_zero_traps_when_asked_to() -> None:
    out = kit("""HANDLER(UsageFault_Handler, usage) { OUT = CFSR; OUT = f[6]; CFSR = CFSR; f[6] += 4; }
        static uint32_t divide(uint32_t a, uint32_t b) { uint32_t v = 99;
            ASM("udiv %0, %1, %2" : "+r"(v) : "r"(a), "r"(b)); return v; }
        void main(void) { SHCSR |= 7 << 16; OUT = divide(7, 0); R(0xE000ED14) |= 1 << 4;
            OUT = divide(8, 2); OUT = divide(7, 0); }""").run()
    assert out[:2] == [0, 4]
    assert out[2] == 1 << 25
    assert out[4:] == [99, DONE]


def test_unaligned_words_trap_when_asked_to() -> None:
    out = kit("""HANDLER(UsageFault_Handler, usage) { OUT = CFSR; CFSR = CFSR; f[6] += 2; }
        static uint32_t words[2] = {0};
        static uint32_t load(uint32_t at) { uint32_t v = 99;
            ASM("ldr %0, [%1]\\n nop" : "+r"(v) : "r"(at)); return v; }
        void main(void) { SHCSR |= 7 << 16; words[0] = 0x44332211; words[1] = 0x88776655;
            OUT = load((uint32_t)words + 1); R(0xE000ED14) |= 1 << 3;
            OUT = load((uint32_t)words); OUT = load((uint32_t)words + 1); R(0xE000ED14) &= ~(1 << 3);
            OUT = load((uint32_t)words + 2); }""").run()
    assert out == [0x5544_3322, 0x4433_2211, 1 << 24, 99, 0x6655_4433, DONE]


def test_the_division_trap_looks_at_each_register_a_divisor_may_be_in() -> None:
    registers = [*(f"r{n}" for n in range(13) if n != 7), "lr"]
    bodies = "".join(
        f"""
        static uint32_t by_{name}(uint32_t b) {{ uint32_t v = 99;
            ASM("push {{r7}}\\n mov {name}, %1\\n mov r7, #84\\n udiv %0, r7, {name}\\n pop {{r7}}"
                : "+r"(v) : "r"(b) : "{name}", "cc", "memory"); return v; }}"""
        for name in registers
    )
    calls = "".join(f"OUT = by_{name}(7); OUT = by_{name}(0);" for name in registers)
    out = kit(f"""
        HANDLER(UsageFault_Handler, fault) {{ OUT = CFSR; CFSR = CFSR; f[6] += 4; }}
        {bodies}
        void main(void) {{ SHCSR |= 7 << 16; R(0xE000ED14) |= 1 << 4; {calls} }}""").run()
    assert out == [12, 0x0200_0000, 99] * len(registers) + [DONE]
