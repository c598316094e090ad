"""ACL: access control lists over flash pages (nRF52840 PS v1.8, 6.1 ACL).

Eight regions, each of whole pages. ADDR, SIZE and PERM can be written once; only a reset, from any source,
clears them. A region holds from the moment all three are written; a violation is a bus fault of the one who
tried.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

REGIONS = 8
PAGE = 4096
PAGES = 256
WRITE, READ = 2, 4
"""PERM bits: 1 blocks."""


class Acl(Peripheral):
    """``write_protected`` and ``read_protected`` have a bit for each page; ``on_change`` is called after a
    change.
    """

    STATE = ("_written", "write_protected", "read_protected")

    def __init__(
        self, kernel: Kernel, bus: Bus, lines: InterruptLines, on_change: Callable[[], None]
    ) -> None:
        super().__init__("ACL", 0x4001_E000, None, kernel, bus, lines)
        self._on_change = on_change
        self._written: set[int] = set()
        self.write_protected = 0
        self.read_protected = 0
        for region in range(REGIONS):
            for offset, mask in ((0x800, 0xFFFF_F000), (0x804, 0xFFFF_F000), (0x808, WRITE | READ)):
                at = offset + 0x10 * region
                self.register(at, write=partial(self._write_once, at, mask))

    def on_reset(self, cause: ResetCause) -> None:
        self._written = set()
        self._protect()

    def restore(self, state: object) -> None:
        super().restore(state)
        self._on_change()

    def _write_once(self, offset: int, mask: int, value: int) -> None:
        if offset in self._written:
            return
        self._written.add(offset)
        self.values[offset] = value & mask
        self._protect()

    def _protect(self) -> None:
        write = read = 0
        for region in range(REGIONS):
            at = 0x800 + 0x10 * region
            if not {at, at + 4, at + 8} <= self._written:
                continue
            first, count = self.values[at] // PAGE, self.values[at + 4] // PAGE
            if first >= PAGES:
                continue
            pages = ((1 << min(count, PAGES - first)) - 1) << first
            if self.values[at + 8] & WRITE:
                write |= pages
            if self.values[at + 8] & READ:
                read |= pages
        self.write_protected, self.read_protected = write, read
        self._on_change()
