"""Accesses in IT blocks that the stepping core is asked about: what follows the block is not a part of it."""

from __future__ import annotations

import pytest

from hil.virtual.soc.cpu import Watchpoint
from tests.virtual.soc.program import Kit, kit

DONE = 0xE0E0E0E0
PROGRAM = """
    static uint32_t area[512] __attribute__((aligned(1024)));
    void main(void) {{
      R(0xE000ED98) = 0; R(0xE000ED9C) = (uint32_t)&area[128];   /* a guard of 32 bytes in the middle of area */
      R(0xE000EDA0) = 6 << 24 | 4 << 1 | 1; R(0xE000ED94) = {mpu}; ASM("dsb\\n isb");
      register uint32_t one __asm__("r0") = 1, two __asm__("r1") = 2, flags __asm__("r2");
      register volatile uint32_t *at __asm__("r3") = (void *)({address});
      register uint32_t same __asm__("r4") = 7, count __asm__("r5") = 0;
      ASM("cmp r0, r1\\n {block}\\n cmp r4, #7\\n beq 1f\\n add r5, #16\\n 1: mrs r2, apsr\\n bne 2f\\n add r5, #1\\n"
          "2: nop" : "+r"(one), "+r"(two), "=r"(flags), "+r"(same), "+r"(count) : "r"(at) : "cc", "memory");
      OUT = flags >> 28; OUT = count; }}"""
BLOCKS = (
    "it cc\\n strcc r0, [r3]",
    "it cc\\n ldrcc r0, [r3]",
    "ittt cc\\n ldrcc r0, [r3]\\n strcc r1, [r3]\\n addcc r1, #1",
    "ite cc\\n strcc r0, [r3]\\n strcs r1, [r3]",
)


def program(address: str, block: str, mpu: int = 0) -> Kit:
    return kit(PROGRAM.format(address=address, block=block, mpu=mpu))


@pytest.mark.parametrize("block", BLOCKS)
@pytest.mark.parametrize(
    ("address", "mpu"), [("&area[8]", 5), ("0xE000ED98", 0)], ids=["page with a guard", "register"]
)
def test_a_conditional_access_ends_with_its_block(block: str, address: str, mpu: int) -> None:
    """Z and C from the comparison behind the block, and the branches on them as it says."""
    assert program(address, block, mpu).run() == [6, 1, DONE]


@pytest.mark.parametrize("block", BLOCKS)
def test_a_watchpoint_nearby_changes_nothing(block: str) -> None:
    machine = program("&area[8]", block)
    machine.cpu.debug_enabled = True
    machine.cpu.watchpoints = [Watchpoint(0x2003_FFF0, 4, read=True, write=True)]
    assert machine.run() == [6, 1, DONE]
