"""One compiler call: the arguments that make the output the same on every machine, and readable errors.

The target is the Cortex-M4 with software floating point everywhere: C, Zig and the linker take it from one constant, so
that no object can differ. ``-ffile-prefix-map`` and relative source names keep paths out; there is no debug information
with paths, no time stamp and no build identifier.
"""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from hil.errors import BenchError, InputError

TARGET = ("-target", "thumb-freestanding-eabi", "-mcpu=cortex_m4")

C_FLAGS = (
    *TARGET,
    "-std=c11",
    "-Os",
    "-ffreestanding",
    "-fno-sanitize=all",
    "-fno-unwind-tables",
    "-fno-asynchronous-unwind-tables",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-strict-aliasing",
    "-fno-common",
    "-g0",
    "-Wall",
    "-Wextra",
    "-Werror",
    "-Wconversion",
    "-Wshadow",
    "-Wundef",
    "-Wcast-qual",
    "-Wpointer-arith",
    "-Wnull-dereference",
    "-Wvla",
    "-Wstrict-prototypes",
    "-Wmissing-declarations",
)

ZIG_FLAGS = (
    *TARGET,
    "-OReleaseSmall",
    "-fstrip",
    "-ffunction-sections",
    "-fdata-sections",
    "-fno-unwind-tables",
)

LINK_FLAGS = (
    *TARGET,
    "-nostdlib",
    "-Wl,--gc-sections",
    "-Wl,-e,Reset_Handler",
    "-Wl,--build-id=none",
    # With larger pages the ELF header itself becomes flash content in front of a program that does not start on one.
    "-Wl,-z,max-page-size=4",
)

_ERROR_LINE = re.compile(r"^(?P<where>[^\s:][^:]*:\d+:\d+): (?:fatal )?error: (?P<what>.*)$", re.MULTILINE)


def compiler_identity() -> str:
    """Name and version of the compiler, as it enters the cache key and a run's record.

    Raises:
        BenchError: ziglang is not installed in this Python environment.
    """
    if importlib.util.find_spec("ziglang") is None:
        raise BenchError(
            "the compiler is missing: install the package 'ziglang' (it comes with 'pip install -e .')"
        )
    from importlib.metadata import version

    return f"ziglang {version('ziglang')}"


def run_compiler(arguments: Sequence[str], *, source: str, directory: Path, zig_cache: Path) -> None:
    """Runs ``python -m ziglang`` with these arguments in this directory.

    Raises:
        InputError: the compiler refused the source; the text names file, line and the first complaint.
        BenchError: the compiler could not be run.
    """
    environment = dict(os.environ)
    environment["ZIG_GLOBAL_CACHE_DIR"] = str(zig_cache / "global")
    environment["ZIG_LOCAL_CACHE_DIR"] = str(zig_cache / "local")
    environment["SOURCE_DATE_EPOCH"] = "0"
    try:
        done = subprocess.run(
            [sys.executable, "-m", "ziglang", *arguments],
            cwd=directory,
            env=environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise BenchError(f"the compiler could not be started: {error}") from error
    if done.returncode != 0:
        raise InputError(f"{source}: {_first_complaint(done.stderr, done.returncode)}")


def _first_complaint(text: str, code: int) -> str:
    found = _ERROR_LINE.search(text)
    if found is not None:
        return f"{found['where']}: {found['what']}"
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line]
    if errors:
        return errors[0]
    return lines[-1] if lines else f"the compiler ended with code {code} and said nothing"
