"""How fast the virtual kit is, beside bare Unicorn in the same process.

    python -m benchmarks.kit [--no-update]

Each figure names its workload and, where time is cut into slices, their length. Times are CPU time, the best of
several rounds taken in turns; absolute figures depend on the machine and what else it does, the ratios hardly. "Bare"
is Unicorn with the same image and no hook; where the workload needs registers, with the callbacks in Python
that Unicorn offers for them.
"""

from __future__ import annotations

import argparse
import gc
import resource
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import unicorn
from unicorn import arm_const as arm

from benchmarks import update
from hil.rig import files
from hil.rig.product import bundled_product
from hil.rig.rig import open_rig
from hil.virtual.kernel import TICKS_PER_SECOND, Kernel
from hil.virtual.kit import Kit as Board
from hil.virtual.native.core import TICKS_PER_INSTRUCTION, buffer_address
from hil.virtual.soc.cpu import Cpu
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
CALLS = 100_000
SUPERVISOR_CALLS = """
volatile uint32_t calls;
void SVC_Handler(void) { calls++; }
void main(void) { for (int i = 0; i < %d; i++) ASM("svc 0"); for (;;) ASM("wfi"); }
"""
ACCESSES = 200_000
REGISTER_READS = """
void main(void) { uint32_t sum = 0; for (int i = 0; i < %d; i++) sum += R(0x40008008);
    (*(volatile uint32_t *)0x20000000) = sum; for (;;) ASM("wfi"); }
"""
IDLE = """
volatile uint32_t ticks;
void SysTick_Handler(void) { ticks++; }
void main(void) { R(0xE000E014) = 640000 - 1; R(0xE000E018) = 0; R(0xE000E010) = 7; for (;;) ASM("wfi"); }
"""


def row(figure: str, value: str, ratio: float | None = None, what: str = "of bare Unicorn") -> None:
    print(f"{figure:66s} {value:>14s}" + (f"   {ratio:6.2f} {what}" if ratio is not None else ""), flush=True)


def best(measure: Callable[[], float]) -> float:
    return min(measure() for _ in range(ROUNDS))


def sha256_image() -> bytes:
    """The workload; its constants need not be SHA-256's own for the time it takes."""
    constants = ", ".join(hex((0x428A2F98 * (2 * i + 1)) & 0xFFFF_FFFF) for i in range(64))
    return compile_program(SHA256 % constants, "-O2")


def exact(program: bytes, slice_instructions: int | None = None) -> tuple[float, Kit]:
    """CPU seconds until the program sleeps, in slices of so many instructions, and the kit it ran on."""
    machine = Kit(program)
    cpu, kernel = machine.cpu, machine.kernel
    cpu.run(TICKS_PER_INSTRUCTION)  # translates nothing yet, but the first call pays for imports
    length = (slice_instructions or 200_000) * TICKS_PER_INSTRUCTION
    begin = time.process_time()
    while not cpu.sleeping:
        kernel.advance(kernel.now + length)
    return time.process_time() - begin, machine


def bare_engine(program: bytes) -> tuple[unicorn.Uc, Memory]:
    memory = Memory()
    memory.write(0, program)
    engine = unicorn.Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    engine.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
    engine.mem_map_ptr(FLASH_BASE, FLASH_SIZE, unicorn.UC_PROT_ALL, buffer_address(memory.flash))
    engine.mem_map_ptr(RAM_BASE, RAM_SIZE, unicorn.UC_PROT_ALL, buffer_address(memory.ram))
    engine.mem_map(0xE000_E000, 0x1000)  # the program switches the FPU on there
    engine.reg_write(arm.UC_ARM_REG_SP, int.from_bytes(program[0:4], "little"))
    return engine, memory


def bare(program: bytes, with_registers: bool = False) -> float:
    """CPU seconds of the same in Unicorn with no hook; registers answered by a callback in Python."""
    engine, _memory = bare_engine(program)
    if with_registers:
        engine.mmio_map(0x4000_0000, 0x10_0000, lambda *_: 1, None, lambda *_: None, None)
    start = int.from_bytes(program[4:8], "little")
    begin = time.process_time()
    engine.emu_start(start | 1, 0xFFFF_FFFE)
    return time.process_time() - begin


def instructions_per_second() -> float:
    """The MIPS of the exact clock; returns those of bare Unicorn."""
    program = sha256_image()
    slicings = (None, 10_000, 1_000)
    seconds: dict[int | None, float] = dict.fromkeys(slicings, float("inf"))
    alone = float("inf")
    millions = 0.0
    for _ in range(ROUNDS):
        alone = min(alone, bare(program))
        for slicing in slicings:
            taken, machine = exact(program, slicing)
            seconds[slicing] = min(seconds[slicing], taken)
            millions = machine.cpu.instructions / 1e6
    row("SHA-256 of 512 KiB, bare Unicorn", f"{millions / alone:.0f} MIPS", 1.0)
    for slicing, taken in seconds.items():
        name = f"slices of {slicing or 200_000:,} instructions"
        goal = " (asked: 0.5)" if slicing == 10_000 else ""
        row(f"  exact clock, {name}", f"{millions / taken:.0f} MIPS", alone / taken, f"of bare Unicorn{goal}")
    return millions / alone


def exceptions_per_second() -> None:
    program = compile_program(SUPERVISOR_CALLS % CALLS, "-O2")
    taken = best(lambda: exact(program)[0])
    row("exceptions: SVC, its handler and back, slices of 200,000", f"{CALLS / taken:,.0f}/s")


def accesses_per_second() -> None:
    program = compile_program(REGISTER_READS % ACCESSES, "-O2")
    taken, alone = best(lambda: exact(program)[0]), best(lambda: bare(program, with_registers=True))
    row(
        "register reads answered in Python, slices of 200,000",
        f"{ACCESSES / taken:,.0f}/s",
        alone / taken,
        "of bare Unicorn with a callback in Python",
    )


def idle() -> None:
    program = compile_program(IDLE, "-O2")

    def measure() -> float:
        machine = Kit(program)
        begin = time.process_time()
        machine.kernel.advance(60 * TICKS_PER_SECOND)
        return time.process_time() - begin

    row("idle: WFI and a tick of 10 ms", f"{60 / best(measure):,.0f} s/s")


def memory_and_life() -> None:
    """What a kit costs to have, to reset and to save."""

    def resident() -> float:
        fields = Path("/proc/self/statm").read_text().split() if Path("/proc/self/statm").exists() else []
        pages = int(fields[1]) * resource.getpagesize() if fields else 0
        return pages / 1e6

    gc.collect()
    count, before, begin = 40, resident(), time.process_time()
    boards = [Board(Kernel(index)) for index in range(count)]
    made = (time.process_time() - begin) / count
    for board in boards:
        board.soc.memory.write(0, compile_program(IDLE, "-O2"))
        board.rail.set_voltage(3.0)
        board.kernel.advance(TICKS_PER_SECOND // 10)
    row(f"{count} kits in a process, each running: memory of one", f"{(resident() - before) / count:.1f} MB")
    row("  making one", f"{made * 1e3:.1f} ms")
    soc, board = boards[0].soc, boards[0]
    turns = 200

    def timed(action: Callable[[], object]) -> float:
        begin = time.process_time()
        for _ in range(turns):
            action()
        return (time.process_time() - begin) / turns * 1e6

    saved = (soc.save(), board.kernel.save())

    def restore() -> None:
        soc.restore(saved[0])
        board.kernel.restore(saved[1])

    engine, _memory = bare_engine(compile_program(IDLE, "-O2"))
    context = engine.context_save()
    row("reset of the core", f"{timed(soc.cpu.reset):.0f} us")
    row("snapshot: all of the chip, 1.3 MB of it memory", f"{timed(soc.save):.0f} us")
    row("  and back", f"{timed(restore):.0f} us")
    row("  registers alone, of the CPU", f"{timed(soc.cpu.save):.0f} us")
    row("  registers alone, bare Unicorn", f"{timed(lambda: engine.context_restore(context)):.0f} us")


def in_an_update(bare_mips: float) -> None:
    """A whole 256 KB update over 2M, and how fast the CPU is in it."""
    cpus: dict[int, Cpu] = {}
    inside = [0.0]
    plain = Cpu.run

    def run(cpu: Cpu, until: int) -> None:
        cpus[id(cpu)] = cpu
        begin = time.process_time()
        plain(cpu, until)
        inside[0] += time.process_time() - begin

    def progress() -> tuple[float, int, int]:
        return inside[0], sum(cpu.instructions for cpu in cpus.values()), sum(c.slices for c in cpus.values())

    file = files.load("virtual")
    product = bundled_product(file.device)
    marks: dict[str, list[tuple[float, int, int]]] = {}
    with tempfile.TemporaryDirectory() as folder, open_rig(file) as rig:
        watch = update.Stopwatch(
            rig, quiet=True, at_ends=lambda name: marks.setdefault(name, []).append(progress())
        )
        Cpu.run = run  # type: ignore[method-assign]
        try:
            update.measure(rig, product, 256 * 1024, Path(folder), watch)
        finally:
            Cpu.run = plain  # type: ignore[method-assign]
    virtual = processor = executing = 0.0
    executed = 0
    for name in ("upload", "swap, boot, confirm"):
        seconds, _wall, taken = watch.parts[name]
        virtual, processor = virtual + seconds, processor + taken
        (before, count, slices), (after, count_after, slices_after) = marks[name]
        executing, executed = executing + after - before, executed + count_after - count
        mips = (count_after - count) / 1e6 / (after - before)
        length = (count_after - count) / max(1, slices_after - slices)
        row(f"256 KB over 2M, ATT MTU 498: {name}", f"{seconds / taken:.1f} s/s")
        row(
            f"  CPU and its registers, slices of {length:,.0f} instructions",
            f"{mips:.0f} MIPS",
            mips / bare_mips,
        )
    mips = executed / 1e6 / executing
    row(
        "256 KB over 2M: CPU and its registers in all of it",
        f"{mips:.0f} MIPS",
        mips / bare_mips,
        "of bare Unicorn (asked: 0.3)",
    )
    row(
        "256 KB over 2M: the whole update",
        f"{virtual / processor:.1f} s/s",
        virtual / processor / 20,
        "of the 20 asked",
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--no-update", action="store_true", help="leave the firmware update out")
    arguments = parser.parse_args()
    bare_mips = instructions_per_second()
    exceptions_per_second()
    accesses_per_second()
    idle()
    memory_and_life()
    if not arguments.no_update:
        in_an_update(bare_mips)


if __name__ == "__main__":
    main()
