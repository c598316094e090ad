"""One process at a time for a kit's state file."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from hil.errors import BenchError

if sys.platform != "win32":
    import fcntl


class StateLock:
    """Keeps every other process away from the state file at `path` until it is released.

    The lock is on a file beside it, since saving puts a new file in the old one's place. It goes with the process that
    holds it, however that ends. Raises BenchError when another process has it. Windows has no such lock: there
    it holds nobody off.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(f".{path.name}.lock")
        try:
            while True:
                self._file = self._path.open("a+b")
                if self._locked():
                    return
                self._file.close()
        except BlockingIOError:
            self._file.close()
            raise BenchError(
                f"kit state file {path}: is in use by another process; end that one or name another file"
            ) from None
        except OSError as error:
            raise BenchError(f"kit state file {path}: cannot be locked: {error.strerror}") from None

    def _locked(self) -> bool:
        """Lock the file that is open; False when it is no longer the one that the path names."""
        if sys.platform == "win32":
            return True
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            return os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Let others in; may be called again."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._file.close()
