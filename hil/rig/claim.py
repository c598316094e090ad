"""One process at a time for the instruments of a bench that exists."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
import time
from pathlib import Path

from hil.errors import BenchError
from hil.filelock import FileLock
from hil.rig.schema import RigFile

PATIENCE_S = 30.0
"""How long a claimed bench is waited for: the guardian of a run that was killed needs a moment to switch it off."""
_BETWEEN_TRIES_S = 0.1
_ADDRESSES = (
    ("supply", ("driver", "resource", "port", "channel")),
    ("probe", ("unique_id",)),
    ("console", ("port",)),
    ("central", ("transport",)),
    ("spare", ("transport",)),
)


def addresses(file: RigFile) -> list[str]:
    """What of a rig only one run can have at a time, such as "supply scpi TCPIP::192.0.2.7::INSTR 1".

    An instrument that the rig file does not name, such as the only probe there is, is left out: it could be any.
    """
    found = []
    for kind, keys in _ADDRESSES:
        table = getattr(file, kind, None)
        values = [getattr(table, key, None) for key in keys]
        if table is not None and any(
            value is not None
            for key, value in zip(keys, values, strict=True)
            if key != "driver" and key != "channel"
        ):
            found.append(" ".join([kind, *(str(value) for value in values if value is not None)]))
    return found


class Claim:
    """Keeps every other process of this computer away from a bench's instruments until `release`, or until this process
    and every one that inherited `descriptors` have ended.

    Raises BenchError when another process has one of them for longer than `patience_s`. On Windows nobody is held off.
    """

    def __init__(self, file: RigFile, patience_s: float = PATIENCE_S) -> None:
        self._locks: list[FileLock] = []
        folder = _folder()
        until = time.monotonic() + patience_s
        for address in addresses(file):
            path = folder / hashlib.sha256(address.encode()).hexdigest()[:24]
            while True:
                try:
                    self._locks.append(FileLock(path, address))
                    break
                except BenchError as error:
                    if time.monotonic() < until and "in use" in str(error):
                        time.sleep(_BETWEEN_TRIES_S)
                        continue
                    self.release()
                    raise BenchError(
                        f"rig {file.name}: {address} is in use by another run; wait for its end, or name another rig"
                    ) from None

    @property
    def descriptors(self) -> tuple[int, ...]:
        """File descriptors that hold the claim wherever they are open."""
        return tuple(lock.fileno() for lock in self._locks)

    def release(self) -> None:
        """Let others have the bench; a second call does nothing."""
        for lock in self._locks:
            lock.release()
        self._locks = []


def _folder() -> Path:
    owner = os.getuid() if hasattr(os, "getuid") else 0
    folder = Path(tempfile.gettempdir()) / f"hil-benches-{owner}"
    with contextlib.suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    if hasattr(os, "getuid") and (folder.is_symlink() or folder.stat().st_uid != owner):
        raise BenchError(f"{folder}: belongs to someone else, so benches cannot be claimed there; remove it")
    return folder
