"""Compiles a program for both machines with the project's own compiler."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from tests.differential.layout import LINKER_SCRIPT

FLAGS = (
    *("-target", "thumb-freestanding-eabihf", "-mcpu=cortex_m4+vfp4d16sp", "-O1"),
    *("-ffreestanding", "-fno-sanitize=all", "-fno-unwind-tables", "-fno-stack-protector"),
    *("-Wall", "-Wextra", "-Werror", "-nostdlib", "-Wl,-T,link.ld", "-Wl,-e,Reset_Handler"),
)


def compile_image(files: Mapping[str, str | bytes]) -> bytes:
    """The content of flash from address 0; `files` are sources (.c, .S) and what they include."""
    with tempfile.TemporaryDirectory(prefix="hil-differential-") as folder:
        root = Path(folder)
        for name, content in {**files, "link.ld": LINKER_SCRIPT}.items():
            (root / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(root / "cache")}
        sources = [name for name in files if name.endswith((".c", ".S"))]
        for arguments in (
            ["cc", *FLAGS, *sources, "-o", "program.elf"],
            ["objcopy", "-O", "binary", "program.elf", "program.bin"],
        ):
            command = [sys.executable, "-m", "ziglang", *arguments]
            done = subprocess.run(
                command, env=environment, cwd=folder, capture_output=True, check=False, timeout=300
            )
            assert done.returncode == 0, done.stderr.decode()
        return (root / "program.bin").read_bytes()
