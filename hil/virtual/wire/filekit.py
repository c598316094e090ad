"""A kit in a file: powered up when a probe opens it, its flash and UICR written back when the probe lets go."""

from __future__ import annotations

import zlib
from pathlib import Path

from hil.filelock import FileLock
from hil.virtual import statefile
from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.power.rail import Rail
from hil.virtual.power.source import Profile
from hil.virtual.soc.nrf52840 import Soc
from hil.virtual.swdlink import SwdLink

VOLTS = 3.0
REVISION = "Rev2"
"""The last revision whose debug port is open on a blank chip, so that any image can be flashed and read back."""
START = 2 * TICKS_PER_MS


def check(path: Path) -> None:
    """Raise what `statefile.load` raises, and create a file that is missing."""
    statefile.load(path)


def unique_id(path: Path) -> str:
    """A serial number that belongs to the file: stable, and without the ':' that pyOCD reserves."""
    return f"hil-{zlib.crc32(str(path.resolve()).encode()):08x}"


class FileKit:
    """An nRF52840 on 3 V whose non-volatile memory is a state file, which nobody else may open meanwhile.

    Raises what `statefile.load` and `FileLock` raise.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = FileLock(path, "kit state file")
        try:
            self._saved = statefile.load(path)
        except BaseException:
            self._lock.release()
            raise
        self.kernel = Kernel(zlib.crc32(str(path.resolve()).encode()))
        self.soc = Soc(
            self.kernel, Rail(self.kernel, source=Profile(VOLTS)), name=path.stem, revision=REVISION
        )
        memory = self.soc.memory
        memory.flash[:] = self._saved.flash
        memory.uicr[:] = self._saved.uicr
        self.link = SwdLink(self.kernel, self.soc.debug)
        self.kernel.advance(START)

    def close(self) -> None:
        """Write the file if anything in it changed; raises what `statefile.save` raises."""
        memory = self.soc.memory
        state = statefile.KitState(bytes(memory.flash), bytes(memory.uicr))
        try:
            if state != self._saved:
                statefile.save(self._path, state)
                self._saved = state
        finally:
            self._lock.release()
