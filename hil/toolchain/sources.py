"""Which source files make which program, and the digest of everything a build depends on."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from hil.errors import InputError

#: zcbor's runtime, taken from the installed Python package at build time.
_ZCBOR_C = ("zcbor_common.c", "zcbor_decode.c", "zcbor_encode.c")

#: The drivers that the bootloader links; the application links all but the bootloader's console.
_BOOT_DRIVERS = ("console", "cpu", "flash", "lock", "power", "startup", "time", "watchdog")


@dataclass(frozen=True)
class ProgramSources:
    """The C files of one program, as paths relative to the firmware folder or, for zcbor, to the staging folder."""

    name: str
    linker_script: str
    files: tuple[str, ...]


def boot_sources(firmware: Path) -> ProgramSources:
    """The bootloader: boot/, the C library part and the drivers it uses, by name: nothing comes in by accident."""
    drivers = tuple(f"soc/nrf52840/{name}.c" for name in _BOOT_DRIVERS)
    files = (*_c_files(firmware, "boot"), *drivers, *_c_files(firmware, "libc"))
    return ProgramSources("boot", "soc/nrf52840/boot.ld", files)


def app_sources(firmware: Path) -> ProgramSources | None:
    """The application: app/, ble/, zcbor and the drivers. None while there is no app/ folder."""
    own = _c_files(firmware, "app")
    if not own:
        return None
    soc = [path for path in _c_files(firmware, "soc") if not path.endswith("/console.c")]
    zcbor = tuple(f"zcbor/{name}" for name in _ZCBOR_C)
    files = (*own, *_c_files(firmware, "ble"), *soc, *_c_files(firmware, "libc"), *zcbor)
    return ProgramSources("app", "soc/nrf52840/app.ld", files)


def zcbor_files() -> dict[str, bytes]:
    """zcbor's C sources and headers from the installed package, by name.

    Raises:
        InputError: the zcbor package is missing or does not carry its C sources.
    """
    spec = importlib.util.find_spec("zcbor")
    if spec is None or spec.origin is None:
        raise InputError("the package 'zcbor' is missing: it comes with 'pip install -e .'")
    package = Path(spec.origin).parent
    found: dict[str, bytes] = {}
    for name in (
        *_ZCBOR_C,
        "zcbor_common.h",
        "zcbor_decode.h",
        "zcbor_encode.h",
        "zcbor_tags.h",
        "zcbor_print.h",
    ):
        candidates = [package / "src" / name, package / "include" / name, package / name]
        path = next((candidate for candidate in candidates if candidate.is_file()), None)
        if path is None:
            raise InputError(f"the package 'zcbor' in {package} has no {name}")
        found[name] = path.read_bytes()
    return found


def tree_digest(firmware: Path) -> str:
    """SHA-256 over every header, linker script and Zig file: what any object may depend on besides its own C file."""
    digest = hashlib.sha256()
    shared = [path for path in _files(firmware) if path.suffix in (".h", ".ld", ".zig")]
    for path in shared:
        _feed(digest, path.relative_to(firmware).as_posix(), path.read_bytes())
    for name, data in sorted(zcbor_files().items()):
        if name.endswith(".h"):
            _feed(digest, name, data)
    return digest.hexdigest()


def content_digest(parts: Iterable[tuple[str, bytes]]) -> str:
    """SHA-256 over named contents, unambiguous in where each ends."""
    digest = hashlib.sha256()
    for name, data in parts:
        _feed(digest, name, data)
    return digest.hexdigest()


def _feed(digest: hashlib._Hash, name: str, data: bytes) -> None:
    digest.update(f"{name}\0{len(data)}\0".encode())
    digest.update(data)


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _c_files(firmware: Path, folder: str) -> tuple[str, ...]:
    base = firmware / folder
    if not base.is_dir():
        return ()
    return tuple(path.relative_to(firmware).as_posix() for path in _files(base) if path.suffix == ".c")
