"""Small Cortex-M4 programs for the CPU's tests, compiled by the pinned Zig compiler."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.cpu import Cpu
from hil.virtual.soc.memory import Memory
from hil.virtual.soc.scs import SystemControl

OUT = 0x4000_2000
"""Writing here appends to `Kit.out`."""
TIMER = 0x4000_8000
"""+0: raise interrupt line 8 this many ticks from now; +4: lower it; +8: read the tick."""
FAULTY = 0x4000_9000
"""Answers with a bus fault."""

LINKER_SCRIPT = """
SECTIONS {
  . = 0;
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) }
  .ramcode 0x20020000 : AT(0x40000) { *(.ramcode*) }
  .bss 0x20000000 (NOLOAD) : { bss_start = .; *(.data*) *(.bss*) *(COMMON) bss_end = .; }
  /DISCARD/ : { *(.ARM*) *(.comment*) }
}
"""

PRELUDE = """
#include <stdint.h>
#include <stddef.h>
#define R(a) (*(volatile uint32_t *)(a))
#define R8(a) (*(volatile uint8_t *)(a))
#define OUT R(0x40002000)
#define CFSR R(0xE000ED28)
#define HFSR R(0xE000ED2C)
#define BFAR R(0xE000ED38)
#define ICSR R(0xE000ED04)
#define SHCSR R(0xE000ED24)
#define ASM(...) __asm__ volatile(__VA_ARGS__)
#define HANDLER(name, frame) __attribute__((naked)) void name(void) { \\
    ASM("tst lr, #4\\n ite eq\\n mrseq r0, msp\\n mrsne r0, psp\\n b " #frame "\\n"); } \\
    __attribute__((used)) void frame(uint32_t *f)
void main(void);
"""

STARTUP = """
void *memcpy(void *d, const void *s, size_t n) { uint8_t *p = d; const uint8_t *q = s;
    while (n--) { *p++ = *q++; ASM(""); } return d; }
void *memset(void *d, int c, size_t n) { volatile uint8_t *p = d; while (n--) *p++ = (uint8_t)c; return d; }
void main(void);
extern uint8_t bss_start, bss_end;
void Reset_Handler(void) { R(0xE000ED88) = 0xF << 20; /* the FPU is off at reset */
  memset(&bss_start, 0, &bss_end - &bss_start); main(); OUT = 0xE0E0E0E0;
  for (;;) ASM("wfi"); }
static void Unexpected(void) { uint32_t n; ASM("mrs %0, ipsr" : "=r"(n));
    OUT = 0xBAD00000 | n; for (;;) ASM("wfi"); }
#define WEAK(name) void name(void) __attribute__((weak, alias("Unexpected_")));
__attribute__((used)) void Unexpected_(void) { Unexpected(); }
WEAK(NMI_Handler) WEAK(HardFault_Handler) WEAK(MemManage_Handler) WEAK(BusFault_Handler) WEAK(UsageFault_Handler)
WEAK(SVC_Handler) WEAK(DebugMon_Handler) WEAK(PendSV_Handler) WEAK(SysTick_Handler)
WEAK(Irq0) WEAK(Irq1) WEAK(Irq2) WEAK(Irq8)
__attribute__((section(".vectors"), used)) void (*const vectors[16 + 48])(void) = {
    (void (*)(void))0x20010000, Reset_Handler, NMI_Handler, HardFault_Handler, MemManage_Handler, BusFault_Handler,
    UsageFault_Handler, 0, 0, 0, 0, SVC_Handler, DebugMon_Handler, 0, PendSV_Handler, SysTick_Handler,
    Irq0, Irq1, Irq2, Unexpected_, Unexpected_, Unexpected_, Unexpected_, Unexpected_, Irq8};
"""


@functools.cache
def compile_program(source: str, optimise: str = "-O1") -> bytes:
    """The flash image of a C program that defines `main` and the handlers it needs."""
    with tempfile.TemporaryDirectory(prefix="hil-test-") as folder:
        root = Path(folder)
        (root / "program.c").write_text(PRELUDE + source)
        (root / "startup.c").write_text(PRELUDE + STARTUP)
        (root / "link.ld").write_text(LINKER_SCRIPT)
        environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(root / "cache")}
        flags = [
            *("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", optimise),
            *("-ffreestanding", "-fno-sanitize=all", "-fno-unwind-tables", "-fno-stack-protector"),
            *("-nostdlib", "-g", "-Wl,-T,link.ld", "-Wl,-e,Reset_Handler"),
        ]
        for arguments in (
            ["cc", *flags, "program.c", "startup.c", "-o", "program.elf"],
            ["objcopy", "-O", "binary", "program.elf", "program.bin"],
        ):
            command = [sys.executable, "-m", "ziglang", *arguments]
            done = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, check=False, timeout=300
            )
            assert done.returncode == 0, done.stderr.decode()
        return (root / "program.bin").read_bytes()


class Kit:
    """A CPU with its System Control Space, a register to write results to and a timer with an interrupt."""

    def __init__(self, image: bytes, seed: int = 0) -> None:
        self.kernel = Kernel(seed)
        self.memory = Memory()
        self.bus = Bus()
        self.cpu = Cpu(self.kernel, self.memory, self.bus)
        self.bus.program_counter = lambda: self.cpu.program_counter
        self.scs = SystemControl(self.cpu, self.bus)
        self.out: list[int] = []
        self.stamped: list[tuple[int, int]] = []
        self.bus.register(OUT, None, self._put)
        self.bus.register(TIMER, None, self._start_timer)
        self.bus.register(TIMER + 4, None, self._lower)
        self.bus.register(TIMER + 8, self._tick, None)
        self.bus.register(FAULTY, self._fault_read, self._fault_write)
        self.memory.write(0, image)
        self.cpu.on_system_reset = self.cpu.reset
        self.cpu.power_on()

    def run(self, microseconds: float = 1000) -> list[int]:
        self.kernel.advance(self.kernel.now + int(microseconds * 512))
        return self.out

    def _put(self, value: int) -> None:
        self.out.append(value)
        self.stamped.append((self.kernel.now, value))

    def _start_timer(self, ticks: int) -> None:
        self.kernel.after(ticks, self.cpu.set_irq_line, 8, True)

    def _lower(self, value: int) -> None:
        self.cpu.set_irq_line(8, False)

    def _tick(self) -> int:
        return self.kernel.now & 0xFFFF_FFFF

    def _fault_read(self) -> int:
        self.cpu.raise_bus_fault(FAULTY, write=False)
        return 0

    def _fault_write(self, value: int) -> None:
        self.cpu.raise_bus_fault(FAULTY, write=True)


def kit(source: str, optimise: str = "-O1") -> Kit:
    return Kit(compile_program(source, optimise))
