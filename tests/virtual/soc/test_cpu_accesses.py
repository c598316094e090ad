"""Loads and stores of every width where the core is asked about them, and code that changes."""

from __future__ import annotations

import pytest

from tests.virtual.soc.program import kit

DONE = 0xE0E0E0E0

# A page of which the first 32 bytes are forbidden: every other access to it is asked about.
GUARD = """
    static uint32_t area[512] __attribute__((aligned(1024)));
    HANDLER(MemManage_Handler, mem_fault) { OUT = 0xFA17; OUT = R(0xE000ED34) - (uint32_t)area; OUT = f[0];
        f[6] += 4; CFSR = CFSR; }
    static void guard(void) { SHCSR |= 7 << 16; R(0xE000ED9C) = (uint32_t)area | 0x10; R(0xE000EDA0) = 4 << 1 | 1;
        R(0xE000ED94) = 5; ASM("dsb\\n isb"); }
    static void open_again(void) { R(0xE000ED94) = 0; ASM("dsb\\n isb"); }
"""


def guarded(body: str) -> list[int]:
    return kit(
        GUARD
        + f"void main(void) {{ for (int i = 0; i < 512; i++) area[i] = 0x11223300 + i; guard(); {body} }}"
    ).run()


def test_double_words_are_loaded_and_stored_whole() -> None:
    out = guarded("""uint32_t a, b; ASM("vldr d0, [%2]\\n vmov %0, %1, d0" : "=r"(a), "=r"(b) : "r"(area + 9));
        OUT = a; OUT = b; ASM("vstr d0, [%0]" :: "r"(area + 20) : "memory"); open_again();
        OUT = area[20]; OUT = area[21]; OUT = area[22];""")
    assert out == [0x1122_3309, 0x1122_330A, 0x1122_3309, 0x1122_330A, 0x1122_3316, DONE]


@pytest.mark.parametrize("offset", [1, 2, 3])
def test_unaligned_words_of_a_guarded_page(offset: int) -> None:
    out = guarded(f"""uint32_t v; ASM("ldr %0, [%1]" : "=r"(v) : "r"((uint32_t)(area + 10) + {offset})); OUT = v;
        ASM("str %0, [%1]" :: "r"(0xAABBCCDD), "r"((uint32_t)(area + 30) + {offset}) : "memory"); open_again();
        OUT = area[30]; OUT = area[31];""")
    words = (0x1122_330A | 0x1122_330B << 32) >> 8 * offset & 0xFFFF_FFFF
    stored = 0x1122_331E | 0x1122_331F << 32
    mask = 0xFFFF_FFFF << 8 * offset
    stored = stored & ~mask | 0xAABB_CCDD << 8 * offset
    assert out == [words, stored & 0xFFFF_FFFF, stored >> 32, DONE]


def test_a_double_load_of_its_own_base_faults_with_the_base_as_it_was() -> None:
    out = kit("""
        static uint32_t area[512] __attribute__((aligned(1024)));
        HANDLER(MemManage_Handler, mem_fault) { OUT = f[0] - (uint32_t)area; f[6] += 4; CFSR = CFSR; }
        void main(void) { SHCSR |= 7 << 16; R(0xE000ED9C) = (uint32_t)(area + 8) | 0x10; R(0xE000EDA0) = 4 << 1 | 1;
            R(0xE000ED94) = 5; ASM("dsb\\n isb"); register uint32_t r0 __asm__("r0") = (uint32_t)area + 20;
            ASM("ldrd r0, r1, [r0, #8]" : "+r"(r0) :: "r1"); }""").run()
    assert out == [20, DONE]


def test_code_in_ram_that_is_rewritten_is_executed_as_it_is_now() -> None:
    out = kit("""static uint32_t code[4] __attribute__((aligned(4)));
        static uint32_t call(uint32_t w) { code[0] = w; ASM("dsb\\n isb" ::: "memory");
            return ((uint32_t (*)(void))((uintptr_t)code | 1))(); }
        void main(void) { for (int i = 1; i < 6; i++) OUT = call(0x47702000 + i); }""").run()
    assert out == [1, 2, 3, 4, 5, DONE]


def test_a_refused_instruction_in_an_it_block_reaches_no_register_with_what_follows() -> None:
    out = kit("""HANDLER(UsageFault_Handler, usage) { OUT = CFSR; CFSR = CFSR; f[6] += 8; f[7] &= ~0x0600FC00u; }
        void main(void) { SHCSR |= 7 << 16; R(0xE000ED14) |= 1 << 4; ASM("movs r0, #0\\n cmp r0, #0\\n"
            "itt eq\\n sdiveq r2, r0, r0\\n streq.w r0, [%0]" :: "r"(0x40002000) : "r0", "r2", "cc"); }""").run()
    assert out == [1 << 25, DONE]
