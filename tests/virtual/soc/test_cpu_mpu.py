"""The MPU: what each kind of region lets through, to whom, and what is said when it does not."""

from __future__ import annotations

import pytest

from tests.virtual.soc.program import kit

DONE = 0xE0E0E0E0
READ_FAULT = WRITE_FAULT = 0x82  # DACCVIOL, MMARVALID
FETCH_FAULT = 0x01  # IACCVIOL

# A fault is reported and the instruction stepped over; a fetch that is refused goes back to its caller.
PROGRAM = """
    HANDLER(MemManage_Handler, mem_fault) { OUT = 0xFA17; OUT = CFSR; OUT = R(0xE000ED34);
        if (CFSR & 1) f[6] = f[5] & ~1u; else f[6] += 2; CFSR = CFSR; }
    HANDLER(HardFault_Handler, hard_fault) { OUT = 3; OUT = CFSR; for (;;) ASM("wfi"); }
    static uint32_t area[2048] __attribute__((aligned(8192)));
    #define REGION(n, base, attributes) \\
        (R(0xE000ED9C) = (uint32_t)(base) | 0x10 | (n), R(0xE000EDA0) = (attributes) | 1)
    #define SIZE(bits) (((bits) - 1) << 1)
    #define AP(x) ((x) << 24)
    #define XN (1u << 28)
    #define ON(bits) do { SHCSR |= 7 << 16; R(0xE000ED94) = (bits); ASM("dsb\\n isb" ::: "memory"); } while (0)
    __attribute__((noinline)) static uint32_t load(uint32_t *p) { uint32_t v = 77;
        ASM("ldr %0, [%1]\\n nop" : "+r"(v) : "r"(p)); return v; }
    __attribute__((noinline)) static void save(uint32_t *p, uint32_t v) {
        ASM("str %0, [%1]\\n nop" :: "r"(v), "r"(p) : "memory"); }
    static void user(void) { ASM("mrs r0, control\\n orr r0, r0, #1\\n msr control, r0\\n isb" ::: "r0"); }
"""


def run(body: str) -> list[int]:
    return kit(PROGRAM + f"void main(void) {{ {body} }}").run()


@pytest.mark.parametrize(
    ("access", "reads", "writes"),
    [
        (0, False, False),
        (1, True, True),
        (2, True, True),
        (3, True, True),
        (5, True, False),
        (6, True, False),
    ],
)
def test_what_privileged_code_may_do(access: int, reads: bool, writes: bool) -> None:
    out = run(f"""area[0] = 5; REGION(0, area, SIZE(10) | AP({access})); ON(5);
        uint32_t got = load(area); save(area, 6); R(0xE000ED94) = 0; OUT = got; OUT = area[0];""")
    faults = [value for value in out if value == 0xFA17]
    assert len(faults) == (not reads) + (not writes)
    assert out[-3:] == [5 if reads else 77, 6 if writes else 5, DONE]


@pytest.mark.parametrize(
    ("access", "reads", "writes"),
    [
        (0, False, False),
        (1, False, False),
        (2, True, False),
        (3, True, True),
        (5, False, False),
        (6, True, False),
    ],
)
def test_what_unprivileged_code_may_do(access: int, reads: bool, writes: bool) -> None:
    out = run(f"""area[0] = 5; area[1024] = 9;
        REGION(0, 0, SIZE(20) | AP(6)); REGION(1, 0x20000000, SIZE(18) | AP(3));
        REGION(2, 0x40000000, SIZE(29) | AP(3)); REGION(3, area, SIZE(10) | AP({access})); ON(5);
        user(); uint32_t got = load(area); save(area, 6); OUT = got; OUT = load(area + 1024);""")
    faults = [value for value in out if value == 0xFA17]
    assert len(faults) == (not reads) + (not writes)
    assert out[-3:-1] == [5 if reads else 77, 9]


def test_the_fault_names_the_address_and_the_kind() -> None:
    machine = kit(
        PROGRAM + "void main(void) { REGION(0, area, SIZE(10)); ON(5); load(area + 3); save(area + 5, 1); }"
    )
    out = machine.run()
    assert out[:2] == [0xFA17, READ_FAULT]
    assert out[3:5] == [0xFA17, WRITE_FAULT]
    assert out[5] - out[2] == 8
    assert out[6:] == [DONE]


def test_a_stack_guard_of_32_bytes_leaves_its_neighbours_alone() -> None:
    out = run("""REGION(0, area + 64, SIZE(5) | AP(5)); ON(5);
        for (int i = 60; i < 76; i++) save(area + i, i);
        R(0xE000ED94) = 0; for (int i = 60; i < 76; i++) OUT = area[i];""")
    assert out.count(0xFA17) == 8
    assert out[24:] == [*range(60, 64), *[0] * 8, *range(72, 76), DONE]


def test_reads_of_a_page_that_is_forbidden_in_part() -> None:
    out = run("""for (int i = 0; i < 32; i++) area[i] = 100 + i;
        REGION(0, area + 8, SIZE(5)); ON(5); OUT = load(area + 7); OUT = load(area + 8); OUT = load(area + 16);
        OUT = load(area + 8);""")
    assert [out[0], out[4], out[5], out[-2]] == [107, 77, 116, 77]
    assert out.count(0xFA17) == 2


def test_subregions_are_open_where_they_are_disabled() -> None:
    out = run("""REGION(0, area, SIZE(11) | AP(5) | 0x0200); ON(5);
        save(area, 1); save(area + 64, 2); save(area + 128, 3);
        R(0xE000ED94) = 0; OUT = area[0]; OUT = area[64]; OUT = area[128];""")
    assert out[-4:] == [0, 2, 0, DONE]


def test_the_region_of_the_highest_number_decides() -> None:
    out = run("""REGION(0, area, SIZE(12) | AP(5)); REGION(7, area, SIZE(10) | AP(3)); ON(5);
        save(area, 1); save(area + 512, 2); R(0xE000ED94) = 0; OUT = area[0]; OUT = area[512];""")
    assert out.count(0xFA17) == 1
    assert out[-3:] == [1, 0, DONE]


def test_without_a_background_region_what_no_region_covers_is_forbidden() -> None:
    out = run("""REGION(0, 0, SIZE(20) | AP(6)); REGION(1, 0x40000000, SIZE(29) | AP(3));
        REGION(2, 0x20008000, SIZE(15) | AP(3)); ON(1); save(area, 1);""")
    assert out[:2] == [0xFA17, WRITE_FAULT]


def test_code_in_ram_that_may_not_be_executed() -> None:
    out = run("""area[0] = 0x47704770; ((void (*)(void))((uintptr_t)area | 1))(); OUT = 1;
        REGION(0, area, SIZE(10) | AP(3) | XN); ON(5);
        ((void (*)(void))((uintptr_t)area | 1))(); OUT = 2; R(0xE000ED94) = 0;
        ((void (*)(void))((uintptr_t)area | 1))(); OUT = 3;""")
    assert out[0] == 1
    assert out[1:3] == [0xFA17, FETCH_FAULT]
    assert out[4:] == [2, 3, DONE]


def test_handlers_of_hard_faults_go_by_the_background_map_unless_told_otherwise() -> None:
    body = """area[0] = 1; REGION(0, area, SIZE(10)); R(0xE000ED94) = {control}; ASM("dsb\\n isb");
        ASM("udf #0");"""
    program = PROGRAM.replace("OUT = 3; OUT = CFSR;", "OUT = 3; OUT = load(area);").replace(
        "HANDLER(HardFault_Handler",
        "static uint32_t load(uint32_t *p); static uint32_t area[2048];HANDLER(HardFault_Handler",
    )
    open_map = kit(program + f"void main(void) {{ {body.format(control=5)} }}").run()
    assert open_map == [3, 1]
    machine = kit(program + f"void main(void) {{ {body.format(control=7)} }}")
    assert machine.run() == [3]
    assert machine.cpu.lockup


def test_an_exception_whose_frame_does_not_fit_is_a_fault_of_stacking() -> None:
    out = kit("""
        HANDLER(MemManage_Handler, mem_fault) { OUT = CFSR; OUT = ICSR & 0x1FF; OUT = ICSR >> 28 & 1;
            R(0xE000ED94) = 0; CFSR = CFSR; }
        void PendSV_Handler(void) { OUT = 14; }
        static uint32_t guard[8] __attribute__((aligned(32)));
        static uint32_t process[64] __attribute__((aligned(32)));
        void main(void) {
            SHCSR |= 7 << 16; R(0xE000ED20) = 0xFF << 16;
            R(0xE000ED9C) = (uint32_t)process | 0x10; R(0xE000EDA0) = 4 << 1 | 5 << 24 | 1;
            R(0xE000ED94) = 5;
            ASM("msr psp, %0\\n mov r0, #2\\n msr control, r0\\n isb" :: "r"(process + 10) : "r0");
            ICSR = 1 << 28; ASM("isb"); OUT = guard[0]; for (;;) ASM("wfi"); }""").run()
    # MSTKERR alone; the handler is MemManage's, and PendSV still waits.
    assert out[:4] == [0x10, 4, 1, 14]


def test_programming_flash_needs_a_region_that_may_be_written() -> None:
    program = (
        PROGRAM
        + """void main(void) { REGION(0, 0, SIZE(20) | AP(ACCESS)); ON(5);
        save((uint32_t *)0x80000, 0x1234); OUT = R(0x80000); }"""
    )
    closed, opened = (kit(program.replace("ACCESS", access)) for access in ("6", "3"))
    for machine in (closed, opened):
        machine.cpu.nvm.write_enable = True
    assert closed.run()[:2] == [0xFA17, WRITE_FAULT]
    assert opened.run() == [0x1234, DONE]


def test_the_private_peripherals_are_for_privileged_code() -> None:
    out = kit("""HANDLER(BusFault_Handler, bus_fault) { OUT = CFSR; OUT = BFAR; f[6] += 2; }
        void main(void) { SHCSR |= 7 << 16; ASM("mov r0, #1\\n msr control, r0\\n isb" ::: "r0");
            ASM("ldr r0, [%0]\\n nop" :: "r"(0xE000ED04) : "r0"); OUT = 1; }""").run()
    assert out == [0x8200, 0xE000ED04, 1, DONE]


def test_a_reset_switches_it_off() -> None:
    machine = kit(PROGRAM + "void main(void) { save(area, 1); REGION(0, area, SIZE(10) | AP(5)); ON(5); }")
    assert machine.run() == [DONE]
    machine.cpu.reset()
    assert machine.run() == [DONE, DONE]
