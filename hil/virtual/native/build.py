"""Builds the native stepping core with the Zig compiler from PyPI: no system compiler is needed.

Imports nothing but the standard library, since the wheel's build hook loads this file by its path.
"""

from __future__ import annotations

import hashlib
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

SOURCES = ("core.c", "clock.c", "access.c", "mpu.c", "exceptions.c", "float.c", "thumb.c")
HEADERS = ("core.h", "frame.h")
HERE = Path(__file__).resolve().parent

# (system, machine): (target of zig cc, platform tag of the wheel)
TARGETS = {
    ("Linux", "x86_64"): ("x86_64-linux-gnu.2.17", "manylinux_2_17_x86_64"),
    ("Linux", "aarch64"): ("aarch64-linux-gnu.2.17", "manylinux_2_17_aarch64"),
    ("Darwin", "x86_64"): ("x86_64-macos.11.0", "macosx_11_0_x86_64"),
    ("Darwin", "arm64"): ("aarch64-macos.11.0", "macosx_11_0_arm64"),
    ("Windows", "AMD64"): ("x86_64-windows-gnu", "win_amd64"),
}


class BuildError(Exception):
    """The core cannot be built; the text says why in one line."""


def target() -> tuple[str, str]:
    """(compiler target, wheel platform tag) of this machine. Raises BuildError if unsupported."""
    machine = (platform.system(), platform.machine())
    if machine not in TARGETS:
        raise BuildError(f"no native core for {machine[0]} on {machine[1]}: add it to {Path(__file__).name}")
    return TARGETS[machine]


def library_path() -> Path:
    """Where the library lies: beside its sources, for a checkout and for an installed wheel."""
    suffix = {"Darwin": ".dylib", "Windows": ".dll"}.get(platform.system(), ".so")
    return HERE / f"_core{suffix}"


def source_hash() -> str:
    """SHA-256 over the sources, in hexadecimal; it is compiled in and checked when loading."""
    digest = hashlib.sha256()
    for name in (*HEADERS, *SOURCES):
        content = (HERE / name).read_bytes().replace(b"\r\n", b"\n")
        digest.update(f"{name} {len(content)}\n".encode())
        digest.update(content)
    return digest.hexdigest()


def command(output: Path) -> list[str]:
    """The compiler's command line."""
    return [
        *(sys.executable, "-m", "ziglang", "cc", "-target", target()[0]),
        *(
            "-shared",
            "-fPIC",
            "-O2",
            "-std=c11",
            "-g0",
            "-fno-sanitize=all",
            "-fomit-frame-pointer",
            "-fvisibility=hidden",
        ),
        *("-Wall", "-Wextra", "-Werror", f'-DCORE_SOURCE_HASH="{source_hash()}"'),
        *(str(HERE / name) for name in SOURCES),
        *("-o", str(output)),
    ]


def build() -> Path:
    """Compile the core and put it in place in one step, so that others may build at the same time.

    Raises BuildError with the first line of the compiler's complaint.
    """
    destination = library_path()
    with tempfile.TemporaryDirectory(prefix="hil-core-") as scratch:
        output = Path(scratch) / destination.name
        # The compiler would leave its local cache in the current folder.
        environment = {**os.environ, "ZIG_LOCAL_CACHE_DIR": str(Path(scratch) / "cache")}
        try:
            done = subprocess.run(
                command(output),
                env=environment,
                cwd=scratch,
                capture_output=True,
                check=False,
                text=True,
                timeout=300,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise BuildError(f"the compiler did not run: {error}") from error
        if done.returncode != 0 or not output.is_file():
            lines = (done.stderr or done.stdout or "no output").strip().splitlines()
            errors = [line for line in lines if "error" in line] or lines
            raise BuildError(f"zig cc failed: {errors[0]}")
        handle, temporary = tempfile.mkstemp(prefix=".core-", dir=destination.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(output.read_bytes())
        os.chmod(temporary, 0o755)
        os.replace(temporary, destination)
    return destination


if __name__ == "__main__":
    print(build())
