"""Keeps a kit's flash and UICR in a file while the bench is open, so that little is lost however it ends."""

from __future__ import annotations

import logging
import threading
from pathlib import Path

from hil.errors import HilError
from hil.filelock import FileLock
from hil.virtual import statefile
from hil.virtual.kit import Kit
from hil.virtual.statefile import KitState

log = logging.getLogger(__name__)

SAVE_EVERY_S = 1.0


class StateKeeper:
    """Owns the state file at `path`: nobody else may open it meanwhile.

    Raises what `statefile.load` raises, and BenchError when another process has the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = FileLock(path, "kit state file")
        try:
            self.state = statefile.load(path)
            """What the file holds."""
        except BaseException:
            self._lock.release()
            raise
        self._kit: Kit | None = None
        self._writer: threading.Thread | None = None
        self._complained = False

    def keep(self, kit: Kit) -> None:
        """From now on `save_changes` saves this kit."""
        self._kit = kit

    def save_changes(self) -> None:
        """Write the file, in a thread, if the memories have changed; a write that is under way is left to end."""
        if self._kit is None or (self._writer is not None and self._writer.is_alive()):
            return
        state = self._kit.dump()
        if state == self.state:
            return
        self.state = state
        self._writer = threading.Thread(target=self._write, args=(self.state,), name="state file")
        self._writer.start()

    def close(self) -> None:
        """Write what has changed and let go of the file. Raises BenchError when it cannot be written."""
        if self._writer is not None:
            self._writer.join()
        try:
            if self._kit is not None:
                self.state = self._kit.dump()
                statefile.save(self.path, self.state)
        finally:
            self._lock.release()

    def _write(self, state: KitState) -> None:
        try:
            statefile.save(self.path, state)
        except HilError as error:
            if not self._complained:
                self._complained = True
                log.error("%s (told once; it is tried again when the kit changes, and at the end)", error)
