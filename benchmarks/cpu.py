"""Guest MIPS of the virtual CPU with its exact clock, beside bare Unicorn, in one process.

    python benchmarks/cpu.py

The workload is SHA-256 over 512 KiB in C, for slices of 10,000 and 1,000 instructions and without
slicing; the ratio is to the same image in Unicorn with no hook at all. Absolute figures depend on the
machine and what else it does: each is the best of several rounds taken in turns.
"""

from __future__ import annotations

import time

import unicorn
from unicorn import arm_const as arm

from hil.virtual.native.core import TICKS_PER_INSTRUCTION, buffer_address
from hil.virtual.soc.memory import FLASH_BASE, FLASH_SIZE, RAM_BASE, RAM_SIZE, Memory
from tests.virtual.soc.program import Kit, compile_program

ROUNDS = 3
SHA256 = """
static const uint32_t K[64] = {%s};
static uint32_t state[8], w[64];
static uint32_t turn(uint32_t x, int n) { return x >> n | x << (32 - n); }
static void block(const uint8_t *p) {
    for (int i = 0; i < 16; i++, p += 4)
        w[i] = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
    for (int i = 16; i < 64; i++) {
        uint32_t a = w[i - 15], b = w[i - 2];
        w[i] = w[i - 16] + (turn(a, 7) ^ turn(a, 18) ^ a >> 3) + w[i - 7] + (turn(b, 17) ^ turn(b, 19) ^ b >> 10);
    }
    uint32_t v[8];
    for (int i = 0; i < 8; i++) v[i] = state[i];
    for (int i = 0; i < 64; i++) {
        uint32_t t = v[7] + (turn(v[4], 6) ^ turn(v[4], 11) ^ turn(v[4], 25)) +
            ((v[4] & v[5]) ^ (~v[4] & v[6])) + K[i] + w[i];
        uint32_t u = (turn(v[0], 2) ^ turn(v[0], 13) ^ turn(v[0], 22)) +
            ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        for (int k = 7; k > 0; k--) v[k] = v[k - 1];
        v[4] += t; v[0] = t + u;
    }
    for (int i = 0; i < 8; i++) state[i] += v[i];
}
volatile uint32_t done;
void main(void) {
    for (int i = 0; i < 8; i++) state[i] = K[i];
    for (uint32_t at = 0; at < 524288; at += 64) block((const uint8_t *)(at & 0x3FFF));
    done = state[0];
    for (;;) ASM("wfi");
}
"""


def image() -> bytes:
    """The workload; its constants need not be SHA-256's own for the time it takes."""
    constants = ", ".join(hex((0x428A2F98 * (2 * i + 1)) & 0xFFFF_FFFF) for i in range(64))
    return compile_program(SHA256 % constants, "-O2")


def exact(program: bytes, slice_instructions: int | None) -> tuple[float, int]:
    """(seconds, instructions) of a run on the kernel, in slices of so many instructions."""
    machine = Kit(program)
    cpu, kernel = machine.cpu, machine.kernel
    cpu.run(TICKS_PER_INSTRUCTION)  # translates nothing yet, but the first call pays for imports
    length = (slice_instructions or 1 << 40) * TICKS_PER_INSTRUCTION
    awake = 0
    begin = time.process_time()
    while not cpu.sleeping:
        awake = cpu.now
        kernel.advance(kernel.now + min(length, 200_000 * TICKS_PER_INSTRUCTION))
    return time.process_time() - begin, awake // TICKS_PER_INSTRUCTION


def bare(program: bytes) -> float:
    """Seconds of the same in Unicorn with no hook."""
    memory = Memory()
    memory.write(0, program)
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    engine.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
    engine.mem_map_ptr(FLASH_BASE, FLASH_SIZE, unicorn.UC_PROT_ALL, buffer_address(memory.flash))
    engine.mem_map_ptr(RAM_BASE, RAM_SIZE, unicorn.UC_PROT_ALL, buffer_address(memory.ram))
    engine.mem_map(0xE000_E000, 0x1000)  # the program switches the FPU on there
    stack, start = (int.from_bytes(program[at : at + 4], "little") for at in (0, 4))
    engine.reg_write(arm.UC_ARM_REG_SP, stack)
    begin = time.process_time()
    engine.emu_start(start | 1, 0xFFFF_FFFE)
    return time.process_time() - begin


def main() -> None:
    program = image()
    slicings = (None, 10_000, 1_000)
    best_bare = float("inf")
    best = dict.fromkeys(slicings, float("inf"))
    instructions = 0
    for _ in range(ROUNDS):
        best_bare = min(best_bare, bare(program))
        for slicing in slicings:
            seconds, instructions = exact(program, slicing)
            best[slicing] = min(best[slicing], seconds)
    mips = instructions / 1e6
    print(f"SHA-256 of 512 KiB, {mips:.2f} M instructions, best of {ROUNDS}")
    print(f"bare Unicorn, no hook            {mips / best_bare:7.1f} MIPS   ratio 1.00")
    for slicing, seconds in best.items():
        name = f"slices of {slicing}" if slicing else "slices as the kernel makes them"
        print(f"exact clock, {name:31s} {mips / seconds:6.1f} MIPS   ratio {best_bare / seconds:.2f}")


if __name__ == "__main__":
    main()
