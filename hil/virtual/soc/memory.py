"""The memories of the nRF52840 (PS 4.2): flash, UICR, FICR and RAM, as the bytes they hold.

These are the cells, without rules: write enable, AND semantics and protection are the CPU's and
NVMC's business. Whoever changes bytes the CPU may execute tells so by `changed`.
"""

from __future__ import annotations

import mmap
import random
from collections.abc import Callable

FLASH_BASE, FLASH_SIZE, FLASH_PAGE = 0x0000_0000, 0x10_0000, 0x1000
CODE_RAM_BASE = 0x0080_0000
"""The RAM again, on the code bus."""
FICR_BASE, FICR_SIZE = 0x1000_0000, 0x1000
UICR_BASE, UICR_SIZE = 0x1000_1000, 0x1000
RAM_BASE, RAM_SIZE = 0x2000_0000, 0x4_0000


class BusFault(Exception):
    """An access that the bus answers with an error; the CPU takes it as a BusFault exception."""

    def __init__(self, address: int, write: bool) -> None:
        super().__init__(f"bus fault {'writing' if write else 'reading'} 0x{address:08x}")
        self.address = address
        self.write = write


def _nobody(address: int, length: int) -> None:
    """Nothing executes from a memory without a CPU."""


class Memory:
    """The cells of one kit; the views keep their addresses for life."""

    def __init__(self) -> None:
        self._maps = [mmap.mmap(-1, size) for size in (FLASH_SIZE, UICR_SIZE, FICR_SIZE, RAM_SIZE)]
        self.flash, self.uicr, self.ficr, self.ram = (memoryview(cells) for cells in self._maps)
        self._regions = (
            (FLASH_BASE, FLASH_SIZE, self.flash),
            (RAM_BASE, RAM_SIZE, self.ram),
            (UICR_BASE, UICR_SIZE, self.uicr),
            (FICR_BASE, FICR_SIZE, self.ficr),
            (CODE_RAM_BASE, RAM_SIZE, self.ram),
        )
        self.on_change: Callable[[int, int], None] = _nobody
        """Called with (address, length) when cells change behind the CPU's back; set by the CPU."""
        for region in (self.flash, self.uicr, self.ficr):
            region[:] = b"\xff" * len(region)

    def find(self, address: int, length: int) -> tuple[memoryview, int] | None:
        """The region that holds `length` bytes from `address`, and the offset in it; None if none does."""
        for base, size, region in self._regions:
            if base <= address and address + length <= base + size:
                return region, address - base
        return None

    def read(self, address: int, length: int) -> bytes:
        """The bytes at `address`. Raises BusFault where there is no memory."""
        found = self.find(address, length)
        if found is None:
            raise BusFault(address, write=False)
        region, offset = found
        return bytes(region[offset : offset + length])

    def write(self, address: int, data: bytes | bytearray | memoryview) -> None:
        """Put bytes into the cells as they are: for DMA, a debugger, tearing. Raises BusFault."""
        found = self.find(address, len(data))
        if found is None:
            raise BusFault(address, write=True)
        region, offset = found
        region[offset : offset + len(data)] = data
        self.on_change(address, len(data))

    def changed(self, address: int, length: int) -> None:
        """Cells were changed through a view: drop what was translated from them."""
        self.on_change(address, length)

    flash_changed = changed

    def lose_ram(self, stream: random.Random) -> None:
        """What RAM holds after a time without power: noise, drawn from `stream`."""
        self.ram[:] = stream.randbytes(RAM_SIZE)
        self.on_change(RAM_BASE, RAM_SIZE)

    def save(self) -> object:
        """A copy of all cells."""
        return tuple(bytes(view) for view in (self.flash, self.uicr, self.ficr, self.ram))

    def restore(self, state: object) -> None:
        """Put a copy given by `save` back."""
        assert isinstance(state, tuple)
        for view, content in zip((self.flash, self.uicr, self.ficr, self.ram), state, strict=True):
            view[:] = content
        for base, size, _ in self._regions:
            self.on_change(base, size)
