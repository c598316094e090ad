"""Small programs for a served kit, compiled by the pinned Zig compiler with debug information."""

from __future__ import annotations

import functools
import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from intelhex import IntelHex

LINKER_SCRIPT = """
SECTIONS {
  . = 0;
  .text : { KEEP(*(.vectors)) *(.text*) *(.rodata*) }
  .bss 0x20000000 (NOLOAD) : { bss_start = .; *(.data*) *(.bss*) *(COMMON) . = ALIGN(4); bss_end = .; }
  /DISCARD/ : { *(.ARM*) *(.comment*) }
}
"""


@dataclass(frozen=True)
class Program:
    """A linked program."""

    elf: bytes
    binary: bytes

    def write_hex(self, path: Path, offset: int = 0) -> Path:
        image = IntelHex()
        image.frombytes(self.binary, offset)
        image.write_hex_file(str(path))
        return path

    def write_elf(self, path: Path) -> Path:
        path.write_bytes(self.elf)
        return path


@functools.cache
def compile_program(name: str) -> Program:
    """The program in `<name>.c` beside this file."""
    source = Path(__file__).with_name(f"{name}.c")
    with tempfile.TemporaryDirectory(prefix="hil-test-") as folder:
        root = Path(folder)
        (root / "link.ld").write_text(LINKER_SCRIPT)
        environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(root / "cache")}
        flags = [
            *(
                "-target",
                "thumb-freestanding-eabi",
                "-mcpu=cortex_m4",
                "-O1",
                "-g",
                "-fno-omit-frame-pointer",
            ),
            *("-ffreestanding", "-fno-sanitize=all", "-fno-unwind-tables", "-fno-stack-protector"),
            *("-nostdlib", "-Wl,-T,link.ld", "-Wl,-e,Reset_Handler"),
        ]
        for arguments in (
            ["cc", *flags, str(source), "-o", "program.elf"],
            ["objcopy", "-O", "binary", "program.elf", "program.bin"],
        ):
            command = [sys.executable, "-m", "ziglang", *arguments]
            done = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, check=False, timeout=300
            )
            assert done.returncode == 0, done.stderr.decode()
        return Program((root / "program.elf").read_bytes(), (root / "program.bin").read_bytes())
