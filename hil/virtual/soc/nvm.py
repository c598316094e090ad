"""The CPU's side of the non-volatile memory: what the NVMC and ACL peripherals set, and what was done.

The store itself is executed in native code (`program` in native/core.c): AND semantics, write enable,
protected pages, 41 us a word.
"""

from __future__ import annotations

import enum
import mmap
from collections.abc import Callable, Iterable
from typing import NamedTuple

from hil.virtual.native import core as native
from hil.virtual.soc.memory import FLASH_PAGE, FLASH_SIZE, UICR_BASE, UICR_SIZE

PAGES = FLASH_SIZE // FLASH_PAGE
NEVER = (1 << 64) - 1
LOGGED_ERASES = 50_000


class Operation(NamedTuple):
    """One operation on flash or UICR; a loss of power from `start` to before `end` tears it."""

    kind: str
    """"write" for a word, or as the NVMC names it ("erase page", "erase all", ...)."""
    address: int
    old: bytes
    """What the cells held; empty for an erase, which the NVMC saves itself if it needs to."""
    new: bytes
    start: int
    end: int


class WriteMode(enum.IntEnum):
    """What a permitted store does."""

    NORMAL = native.NVM_NORMAL
    IGNORE = native.NVM_IGNORE
    """Nothing: the NVMC prevents operations while the supply is below the POF threshold."""
    HANG = native.NVM_HANG
    """Stops the CPU for good: anomaly 242. Only a reset gets it back."""


WRITES_BETWEEN_ERASES = 2
"""nWRITE: how often a word may be written (nRF52840 Product Specification, NVMC, Electrical specification)."""
WORDS = (FLASH_SIZE + UICR_SIZE) // 4


def _ignore() -> None:
    """Nobody asked to be told."""


def _ignore_address(address: int) -> None:
    """Nobody asked to be told."""


class WriteCounts:
    """How often each word of flash and UICR was written since its erase, a byte each, up to 255.

    Cells are as good as ever in the model, whatever the count: ``on_excess`` is only told the address of a write that
    the chip does not promise to work.
    """

    def __init__(self) -> None:
        self._map = mmap.mmap(-1, WORDS)
        self.counts = memoryview(self._map)
        """Flash words first, then those of UICR; the view keeps its address for life, for native code."""
        self.on_excess: Callable[[int], None] = _ignore_address

    def written(self, address: int) -> None:
        """A word was written."""
        index = _word(address)
        count = min(255, self.counts[index] + 1)
        self.counts[index] = count
        if count > WRITES_BETWEEN_ERASES:
            self.on_excess(address)

    def erased(self, address: int, size: int) -> None:
        """Whole words were erased; an address outside of flash and UICR is nobody's."""
        if size:
            first = _word(address)
            self.counts[first : first + size // 4] = bytes(size // 4)

    def save(self) -> object:
        return bytes(self.counts)

    def restore(self, state: object) -> None:
        assert isinstance(state, bytes)
        self.counts[:] = state


def _word(address: int) -> int:
    return (address if address < FLASH_SIZE else FLASH_SIZE + address - UICR_BASE) // 4


class Nvm:
    """Write enable, page protection, and the count and record of operations.

    Made by Cpu, which hands in its native core and the function that applies read protection.
    """

    def __init__(self, core: native.Core, protect_reads: Callable[[int], None]) -> None:
        self._core = core
        self._protect_reads = protect_reads
        self._erase: Operation | None = None
        self._read_protect = 0
        self.counts = WriteCounts()
        self.erases: list[Operation] = []
        """The erases since the kit was made, the first LOGGED_ERASES of them."""
        self.page_erases: dict[int, int] = {}
        """How often each flash page was erased, by its number; a partial erase counts as one."""
        self.on_stop: Callable[[], None] = _ignore
        """Called in front of the operation chosen by `stop_at`; set it to `soc.nvm_operations`."""
        self._upcoming: tuple[str, int, int] | None = None
        self.stop_at(None)

    @property
    def upcoming(self) -> tuple[str, int, int]:
        """Inside `on_stop`: kind, address and, for a word, the value asked for of the operation about to begin."""
        if self._upcoming is not None:
            return self._upcoming
        return "write", self._core.nvm_next, self._core.nvm_asked

    @property
    def write_enable(self) -> bool:
        """CONFIG.WEN = Wen: stores to flash and UICR program; without it they are bus faults."""
        return bool(self._core.nvm_write_enable)

    @write_enable.setter
    def write_enable(self, enabled: bool) -> None:
        self._core.nvm_write_enable = int(enabled)

    @property
    def write_mode(self) -> WriteMode:
        return WriteMode(self._core.nvm_mode)

    @write_mode.setter
    def write_mode(self, mode: WriteMode) -> None:
        self._core.nvm_mode = int(mode)

    @property
    def write_protect_pages(self) -> int:
        """Bitmap of the flash pages (bit n is page n) whose programming ACL makes a bus fault."""
        return sum(word << 64 * index for index, word in enumerate(self._core.write_protect))

    @write_protect_pages.setter
    def write_protect_pages(self, pages: int) -> None:
        _check(pages)
        for index in range(PAGES // 64):
            self._core.write_protect[index] = pages >> 64 * index & NEVER

    @property
    def read_protect_pages(self) -> int:
        """Bitmap of the flash pages that ACL makes unreadable: reads and fetches are bus faults."""
        return self._read_protect

    @read_protect_pages.setter
    def read_protect_pages(self, pages: int) -> None:
        _check(pages)
        if pages != self._read_protect:
            self._read_protect = pages
            self._protect_reads(pages)

    @property
    def operations(self) -> int:
        """How many operations there were, word writes and erases together."""
        return int(self._core.nvm_operations)

    @property
    def last(self) -> Operation | None:
        """The latest operation; its `end` is in the future while it is going on."""
        core = self._core
        if self._erase is not None and self._erase.start >= core.nvm_start:
            return self._erase
        if core.nvm_end == 0:
            return None
        old, new = (word.to_bytes(4, "little") for word in (core.nvm_old, core.nvm_new))
        return Operation("write", core.nvm_address, old, new, core.nvm_start, core.nvm_end)

    def stop_at(self, operation: int | None) -> None:
        """Call `on_stop` in front of the operation that finds `operations` equal to this; None: never."""
        if operation is not None and operation < 0:
            raise ValueError(f"flash operation {operation}")
        self._core.nvm_stop_at = NEVER if operation is None else operation

    def begin(
        self, kind: str, address: int, start: int, end: int, *, old: bytes = b"", new: bytes = b""
    ) -> None:
        """Count and record an operation the NVMC does itself; `on_stop` comes first if it is due.

        The cells are the caller's business, and so is stalling the CPU. Afterwards the caller looks
        whether power was cut.
        """
        if self._core.nvm_operations == self._core.nvm_stop_at:
            self._upcoming = (kind, address, 0)
            self.on_stop()
            self._upcoming = None
        self._core.nvm_operations += 1
        self._erase = Operation(kind, address, old, new, start, end)
        if kind != "write":
            self._log_erase(self._erase)

    def _log_erase(self, operation: Operation) -> None:
        if len(self.erases) < LOGGED_ERASES:
            self.erases.append(operation._replace(old=b"", new=b""))
        if operation.kind == "erase all":
            pages: Iterable[int] = range(PAGES)
        else:
            pages = (operation.address // FLASH_PAGE,) if operation.address < FLASH_SIZE else ()
        for page in pages:
            self.page_erases[page] = self.page_erases.get(page, 0) + 1

    def reset(self) -> None:
        """Back to read-only and unprotected: ACL is cleared by every reset, and CONFIG too."""
        self.write_enable = False
        self.write_mode = WriteMode.NORMAL
        self.write_protect_pages = 0
        self.read_protect_pages = 0

    def save(self) -> object:
        return (
            self._erase,
            self._read_protect,
            self.counts.save(),
            list(self.erases),
            dict(self.page_erases),
        )

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        self._erase, self.read_protect_pages, counts, erases, page_erases = state
        self.counts.restore(counts)
        self.erases, self.page_erases = list(erases), dict(page_erases)


def _check(pages: int) -> None:
    if pages < 0 or pages >> PAGES:
        raise ValueError(f"page bitmap 0x{pages:x} has more than {PAGES} pages")
