"""Stores to flash and UICR: what is written, how long it takes, what is refused, and stopping at one."""

from __future__ import annotations

import struct

import pytest

from hil.virtual.kernel import TICKS_PER_US
from hil.virtual.soc.memory import FICR_BASE, FLASH_PAGE, UICR_BASE
from hil.virtual.soc.nvm import NEVER, WriteMode
from tests.virtual.soc.program import Kit, kit

DONE = 0xE0E0E0E0
BUS_FAULT = """
    HANDLER(BusFault_Handler, bus_fault) { OUT = CFSR; OUT = BFAR; CFSR = CFSR; f[6] += 2; }
    __attribute__((noinline)) static void put(uint32_t a, uint32_t v) {
      ASM("str %1, [%0]" :: "l"(a), "l"(v) : "memory"); }
    __attribute__((noinline)) static void put8(uint32_t a, uint32_t v) {
      ASM("strb %1, [%0]" :: "l"(a), "l"(v) : "memory"); }
    __attribute__((noinline)) static void put16(uint32_t a, uint32_t v) {
      ASM("strh %1, [%0]" :: "l"(a), "l"(v) : "memory"); }
    __attribute__((noinline)) static uint32_t get(uint32_t a) { uint32_t v = 7;
      ASM("ldr %0, [%1]" : "+l"(v) : "l"(a) : "memory"); return v; }
"""


def writing(body: str, *, enable: bool = True) -> Kit:
    machine = kit(BUS_FAULT + f"void main(void) {{ SHCSR |= 7 << 16; {body} }}")
    machine.cpu.nvm.write_enable = enable
    return machine


def word(machine: Kit, address: int) -> int:
    return int(struct.unpack("<I", machine.memory.read(address, 4))[0])


def test_bits_only_go_from_one_to_zero() -> None:
    machine = writing("put(0x80000, 0xFFFF00FF); put(0x80000, 0x0FF0FFFF); OUT = get(0x80000);")
    assert machine.run() == [0x0FF000FF, DONE]
    assert machine.cpu.nvm.operations == 2


def test_a_word_takes_41_us_of_the_cpu_and_is_recorded() -> None:
    machine = writing("OUT = R(0x40008008); put(0x80010, 0x12345678); OUT = R(0x40008008);")
    before, after = machine.run()[:2]
    assert 41 * TICKS_PER_US < after - before < 42 * TICKS_PER_US
    last = machine.cpu.nvm.last
    assert last is not None
    assert (last.kind, last.address) == ("write", 0x80010)
    assert last.old == b"\xff" * 4
    assert last.new == struct.pack("<I", 0x12345678)
    assert last.end - last.start == 41 * TICKS_PER_US
    assert before < last.start < after


def test_each_word_of_a_multiple_store_takes_its_own_time() -> None:
    machine = writing("""ASM("movw r0, #0\\n movt r0, #8\\n movs r1, #1\\n movs r2, #2\\n movs r3, #3\\n"
        "stmia r0!, {r1-r3}"
        ::: "r0", "r1", "r2", "r3", "memory"); OUT = R(0x40008008);""")
    assert machine.run()[0] > 3 * 41 * TICKS_PER_US
    assert machine.memory.read(0x80000, 12) == struct.pack("<3I", 1, 2, 3)
    assert machine.cpu.nvm.operations == 3


def test_an_event_during_a_write_happens_at_its_own_time() -> None:
    machine = writing("put(0x80000, 0); OUT = 1;")
    seen: list[int] = []
    machine.kernel.at(20 * TICKS_PER_US, lambda: seen.append(machine.kernel.now))
    machine.run()
    assert seen == [20 * TICKS_PER_US]
    last = machine.cpu.nvm.last
    assert last is not None and last.start < seen[0] < last.end


@pytest.mark.parametrize(
    ("store", "address"),
    [("put(0x80000, 0)", 0x80000), (f"put({UICR_BASE:#x}, 0)", UICR_BASE)],
)
def test_without_write_enable_a_store_is_a_bus_fault(store: str, address: int) -> None:
    machine = writing(f"{store}; OUT = get({address});", enable=False)
    assert machine.run() == [0x8200, address, 0xFFFFFFFF, DONE]
    assert machine.cpu.nvm.operations == 0


@pytest.mark.parametrize(
    "store", ["put8(0x80001, 0)", "put8(0x80000, 0)", "put16(0x80000, 0)", "put16(0x80002, 0)"]
)
def test_only_whole_words_can_be_written(store: str) -> None:
    machine = writing(f"{store}; OUT = get(0x80000);")
    out = machine.run()
    assert out[0] == 0x8200
    assert out[2:] == [0xFFFFFFFF, DONE]


def test_uicr_can_be_written_and_ficr_cannot() -> None:
    machine = writing(f"put({UICR_BASE + 0x80:#x}, 0x1234); put({FICR_BASE + 0x80:#x}, 0);")
    assert machine.run() == [0x8200, FICR_BASE + 0x80, DONE]
    assert word(machine, UICR_BASE + 0x80) == 0x1234
    assert word(machine, FICR_BASE + 0x80) == 0xFFFFFFFF


def test_a_protected_page_cannot_be_written_and_its_neighbour_can() -> None:
    machine = writing("put(0x80FFC, 1); put(0x81000, 2); put(0x81FFC, 3); put(0x82000, 4);")
    machine.cpu.nvm.write_protect_pages = 1 << 0x81
    assert machine.run() == [0x8200, 0x81000, 0x8200, 0x81FFC, DONE]
    assert [word(machine, at) for at in (0x80FFC, 0x81000, 0x81FFC, 0x82000)] == [
        1,
        0xFFFFFFFF,
        0xFFFFFFFF,
        4,
    ]
    assert machine.cpu.nvm.write_protect_pages == 1 << 0x81


def test_a_page_can_be_made_unreadable_until_reset() -> None:
    machine = writing("OUT = get(0x81000); R(0x4001E000) = 1; OUT = get(0x81000); OUT = get(0x82000);")
    machine.memory.write(0x81000, b"\x11" * 4)
    machine.memory.write(0x82000, b"\x22" * 4)
    machine.bus.register(
        0x4001_E000, None, lambda value: setattr(machine.cpu.nvm, "read_protect_pages", value << 0x81)
    )
    assert machine.run() == [0x11111111, 0x8200, 0x81000, 7, 0x22222222, DONE]
    machine.cpu.reset()
    machine.out.clear()
    assert machine.run()[0] == 0x11111111


def test_writing_an_unreadable_page_still_asks_for_write_protection() -> None:
    machine = writing("put(0x81000, 5);")
    machine.cpu.nvm.read_protect_pages = 1 << 0x81
    assert machine.run() == [DONE]
    assert word(machine, 0x81000) == 5


def test_code_that_was_rewritten_runs_anew() -> None:
    machine = writing("""
        int (*function)(void) = (int (*)(void))0x80001;
        put(0x80000, 0x4770200F); OUT = function();       /* movs r0, #15; bx lr */
        put(0x80000, 0x4770200A); OUT = function();""")
    assert machine.run() == [15, 10, DONE]


def test_code_changed_from_outside_runs_anew() -> None:
    machine = writing("""
        int (*function)(void) = (int (*)(void))0x80001; int (*in_ram)(void) = (int (*)(void))0x20030001;
        for (;;) { OUT = function(); OUT = in_ram(); ASM("wfi"); }""")
    for address, value in ((0x80000, 1), (0x2003_0000, 2)):
        machine.memory.write(address, struct.pack("<HH", 0x2000 | value, 0x4770))
    assert machine.run() == [1, 2]
    machine.memory.flash[0x80000] = 3
    machine.memory.changed(0x80000, 1)
    machine.memory.write(0x2003_0000, b"\x04")
    machine.cpu.reset()
    assert machine.run() == [1, 2, 3, 4]


def test_a_prevented_write_does_nothing_and_a_hang_lasts_until_reset() -> None:
    machine = writing("put(0x80000, 0); OUT = 1; R(0x4001E000) = 0; put(0x80004, 0); OUT = 2;")
    machine.cpu.nvm.write_mode = WriteMode.IGNORE
    machine.bus.register(
        0x4001_E000, None, lambda value: setattr(machine.cpu.nvm, "write_mode", WriteMode.HANG)
    )
    assert machine.run() == [1]
    assert machine.cpu.hung and machine.cpu.idle
    assert machine.cpu.nvm.operations == 0
    machine.cpu.reset()
    assert not machine.cpu.hung


def test_power_can_be_cut_in_front_of_any_operation() -> None:
    body = "for (uint32_t i = 0; i < 8; i++) put(0x80000 + 4 * i, i);"
    for operation in range(8):
        machine = writing(body)
        machine.cpu.nvm.on_stop = machine.cpu.power_off
        machine.cpu.nvm.stop_at(operation)
        assert machine.run() == []
        assert machine.cpu.nvm.operations == operation
        expected = [*range(operation), *[0xFFFFFFFF] * (8 - operation)]
        assert [word(machine, 0x80000 + 4 * i) for i in range(8)] == expected


def test_power_can_be_cut_in_the_middle_of_an_operation() -> None:
    machine = writing("for (uint32_t i = 0; i < 8; i++) put(0x80000 + 4 * i, i);")
    machine.cpu.nvm.on_stop = lambda: machine.kernel.after(20 * TICKS_PER_US, machine.cpu.power_off)
    machine.cpu.nvm.stop_at(5)
    machine.run()
    last = machine.cpu.nvm.last
    assert last is not None and last.address == 0x80014
    assert machine.cpu.nvm.operations == 6


def test_an_erase_is_counted_and_recorded_with_the_writes() -> None:
    machine = writing("put(0x80000, 0);")
    machine.run()
    seen: list[int] = []
    nvm = machine.cpu.nvm
    nvm.on_stop = lambda: seen.append(nvm.operations)
    nvm.stop_at(1)
    now = machine.kernel.now
    nvm.begin("erase page", 0x80000, now, now + 85 * 512_000)
    assert seen == [1]
    assert nvm.operations == 2
    assert nvm.last is not None and nvm.last.kind == "erase page"
    nvm.stop_at(None)
    assert machine.cpu._core.nvm_stop_at == NEVER


def test_bad_arguments_are_refused() -> None:
    nvm = Kit(b"").cpu.nvm
    with pytest.raises(ValueError, match="bitmap"):
        nvm.write_protect_pages = 1 << 256
    with pytest.raises(ValueError, match="operation"):
        nvm.stop_at(-1)
    nvm.read_protect_pages = (1 << 256) - 1
    assert nvm.read_protect_pages.bit_length() == 0x100000 // FLASH_PAGE
