"""Tail-chaining: from one handler to the next on the frame that is there (ARM ARM B1.5.12)."""

from __future__ import annotations

from tests.virtual.soc.program import kit

DONE = 0xE0E0E0E0


def test_the_next_handler_begins_before_the_frame_is_read() -> None:
    """Schedulers abort a thread whose frame is spoilt: PendSV changes the stack before anyone returns to it."""
    out = kit("""
        HANDLER(SVC_Handler, call) { f[7] |= 5; f[6] = 0x30000000; ICSR = 1 << 28; OUT = 1; }
        HANDLER(PendSV_Handler, switch_thread) { OUT = 2; f[7] &= ~5u; f[6] = f[5] | 1; }
        void UsageFault_Handler(void) { OUT = 6; for (;;) ASM("wfi"); }
        __attribute__((naked)) static void call_out(void) { ASM("svc 0"); }
        void main(void) { SHCSR |= 7 << 16; call_out(); OUT = 3; }""").run()
    assert out == [1, 2, 3, DONE]


def test_the_chained_handler_returns_where_the_first_would_have() -> None:
    out = kit("""
        HANDLER(SVC_Handler, call) { ICSR = 1 << 28; OUT = (uint32_t)f; }
        HANDLER(PendSV_Handler, pend) { OUT = (uint32_t)f; f[0] = 77; }
        void main(void) { register uint32_t r __asm__("r0") = 5; ASM("svc 0" : "+r"(r)); OUT = r; }""").run()
    assert out[0] == out[1]
    assert out[2:] == [77, DONE]


def test_chaining_takes_six_cycles() -> None:
    """Cortex-M4 TRM 3.9; to return first and to enter again would take 22."""

    def ticks(inside: str) -> int:
        machine = kit(f"""
            __attribute__((naked)) void SVC_Handler(void) {{ ASM("{inside} bx lr"); }}
            __attribute__((naked)) void PendSV_Handler(void) {{ ASM("bx lr"); }}
            void main(void) {{ register volatile uint32_t *icsr __asm__("r2") = &ICSR;
                register uint32_t pend __asm__("r3") = 1 << 28;
                OUT = 1; ASM("svc 0" :: "r"(icsr), "r"(pend)); OUT = 2; }}""")
        assert machine.run() == [1, 2, DONE]
        return machine.stamped[1][0] - machine.stamped[0][0]

    two_instructions = 2 * 12
    assert ticks("str r3, [r2]\\n") - ticks("") == 6 * 8 + two_instructions


def test_what_a_mask_holds_back_is_not_chained() -> None:
    out = kit("""
        void SVC_Handler(void) { ASM("cpsid i"); ICSR = 1 << 28; OUT = 1; }
        void PendSV_Handler(void) { OUT = 2; }
        void main(void) { ASM("svc 0"); OUT = 3; ASM("cpsie i"); OUT = 4; }""").run()
    assert out == [1, 3, 2, 4, DONE]


def test_unprivileged_code_may_trigger_interrupts_where_it_is_let() -> None:
    """CCR.USERSETMPEND opens STIR, and nothing else of the System Control Space (B3.2.8, B3.2.26)."""
    out = kit("""
        HANDLER(BusFault_Handler, fault) { OUT = 5; OUT = BFAR; f[6] += 2; }
        void Irq8(void) { OUT = 8; R(0xE000ED14) |= 0; }
        void SVC_Handler(void) { R(0xE000ED14) |= 2; }
        void main(void) { SHCSR |= 7 << 16; R(0xE000E100) = 1 << 8;
            register volatile uint32_t *stir __asm__("r2") = &R(0xE000EF00);
            register uint32_t number __asm__("r3") = 8;
            ASM("mov r0, #1\\n msr control, r0\\n isb" ::: "r0");
            ASM("str r3, [r2]" :: "r"(stir), "r"(number)); ASM("svc 0");
            ASM("str r3, [r2]" :: "r"(stir), "r"(number)); ASM("ldr r0, [r2]" :: "r"(stir) : "r0"); }""").run()
    assert out == [5, 0xE000_EF00, 8, 5, 0xE000_EF00, DONE]
