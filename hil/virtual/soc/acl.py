"""ACL: access control lists over flash pages (nRF52840 Product Specification, ACL).

Eight regions, each of whole pages and at most half the flash. ADDR, SIZE and PERM can be written once; only
a reset, from any source, clears them. A region holds once all three are written (on the chip two CPU cycles
later), if ADDR is the start of a page and SIZE and PERM are not zero. A violation is blocked and is a bus
fault of the one who tried; Nordic's test of its flash protection library expects that for a store and for a
read, and an erase of a protected page ends the same way (Nordic DevZone, case 57770).

Assumed, no source found: a SIZE that is no multiple of the page or exceeds 512 KiB protects nothing; a first
write of zero counts as the one write; a debugger is held to the regions as the CPU is (the register that
lifted them in debug mode, DISABLEINDEBUG, was in the headers of engineering samples only).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import WORD, InterruptLines, Peripheral, ResetCause

REGIONS = 8
PAGE = 4096
PAGES = 256
LARGEST = 512 * 1024
"""Limit of SIZE in bytes (description of ACL[n].SIZE in Nordic's MDK)."""
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
            for offset, mask in ((0x800, WORD), (0x804, WORD), (0x808, WRITE | READ)):
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
            start, size = self.values[at], self.values[at + 4]
            if start % PAGE or size % PAGE or size > LARGEST or start >= PAGES * PAGE:
                continue
            first, count = start // PAGE, size // PAGE
            pages = ((1 << min(count, PAGES - first)) - 1) << first
            if self.values[at + 8] & WRITE:
                write |= pages
            if self.values[at + 8] & READ:
                read |= pages
        self.write_protected, self.read_protected = write, read
        self._on_change()
