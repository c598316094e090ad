"""A kit's non-volatile memory in a file, for tools that run out of process.

`HIL_KIT=path pyocd flash app.hex` works on a kit whose flash and UICR live in that file: a header, the flash, the
UICR and a checksum over all three. RAM and registers are not kept: each process that opens the file powers the kit up.
"""

from __future__ import annotations

import os
import struct
import tempfile
import zlib
from dataclasses import dataclass
from pathlib import Path

from hil.errors import BenchError, InputError

FLASH_SIZE = 0x10_0000
UICR_SIZE = 0x1000
_MAGIC = b"HILKIT\x00\x01"
_HEADER = struct.Struct("<8sII")
_CHECKSUM = struct.Struct("<I")
FILE_SIZE = _HEADER.size + FLASH_SIZE + UICR_SIZE + _CHECKSUM.size


@dataclass(frozen=True)
class KitState:
    """What survives without power: 1 MiB of flash and the 4 KiB page that holds the UICR."""

    flash: bytes
    uicr: bytes

    @staticmethod
    def blank() -> KitState:
        """A chip as it leaves the factory: everything erased."""
        return KitState(b"\xff" * FLASH_SIZE, b"\xff" * UICR_SIZE)


def load(path: Path) -> KitState:
    """Read a state file, or create a blank one where there is none.

    Raises InputError for a file that is no state file, has the wrong size or a wrong checksum; BenchError when it
    cannot be read or created.
    """
    try:
        with path.open("rb") as file:
            data = file.read(FILE_SIZE + 1)
    except FileNotFoundError:
        state = KitState.blank()
        save(path, state)
        return state
    except IsADirectoryError:
        raise InputError(f"kit state file {path}: is a directory") from None
    except OSError as error:
        raise BenchError(f"kit state file {path}: cannot be read: {error.strerror}") from None
    return _parse(path, data)


def _parse(path: Path, data: bytes) -> KitState:
    advice = "delete it to start with a blank kit"
    if len(data) != FILE_SIZE:
        size = f"more than {FILE_SIZE}" if len(data) > FILE_SIZE else str(len(data))
        raise InputError(f"kit state file {path}: has {size} bytes, expected {FILE_SIZE}; {advice}")
    magic, flash_size, uicr_size = _HEADER.unpack_from(data)
    if (magic, flash_size, uicr_size) != (_MAGIC, FLASH_SIZE, UICR_SIZE):
        raise InputError(f"kit state file {path}: is not a kit state file; name another file or {advice}")
    (checksum,) = _CHECKSUM.unpack_from(data, FILE_SIZE - _CHECKSUM.size)
    if checksum != zlib.crc32(data[: -_CHECKSUM.size]):
        raise InputError(f"kit state file {path}: is corrupt, its checksum is wrong; {advice}")
    end = _HEADER.size + FLASH_SIZE
    return KitState(data[_HEADER.size : end], data[end : end + UICR_SIZE])


def save(path: Path, state: KitState) -> None:
    """Write a state file in one step: a crash leaves the old file or the new one, never half of each.

    Raises BenchError when it cannot be written.
    """
    body = _HEADER.pack(_MAGIC, FLASH_SIZE, UICR_SIZE) + state.flash + state.uicr
    temporary = ""
    try:
        handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
        with os.fdopen(handle, "wb") as file:
            file.write(body + _CHECKSUM.pack(zlib.crc32(body)))
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        if temporary:
            Path(temporary).unlink(missing_ok=True)
        raise BenchError(f"kit state file {path}: cannot be written: {error.strerror}") from None
