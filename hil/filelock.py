"""One process at a time for a file or a folder."""

from __future__ import annotations

import contextlib
import os
import sys
from pathlib import Path

from hil.errors import BenchError

if sys.platform != "win32":
    import fcntl


class FileLock:
    """Keeps every other process away from the file or folder at `path` until it is released.

    The lock is on a file beside it, since saving puts a new file in the old one's place. It goes with the process that
    holds it, however that ends. `what` names the path's kind in messages. Raises BenchError when another process has
    it. Windows has no such lock: there it holds nobody off.
    """

    def __init__(self, path: Path, what: str) -> None:
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
                f"{what} {path}: is in use by another process; end that one or name another"
            ) from None
        except OSError as error:
            raise BenchError(f"{what} {path}: cannot be locked: {error.strerror}") from None

    def _locked(self) -> bool:
        """Lock the file that is open; False when it is no longer the one that the path names."""
        if sys.platform == "win32":
            return True
        fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            return os.fstat(self._file.fileno()).st_ino == self._path.stat().st_ino
        except FileNotFoundError:
            return False

    def fileno(self) -> int:
        """The descriptor that holds the lock, for a process that shall hold it too."""
        return self._file.fileno()

    def release(self) -> None:
        """Let others in; may be called again."""
        if not self._file.closed:
            with contextlib.suppress(OSError):
                self._path.unlink()
            self._file.close()
