"""What a sweep begins with: flash content, the pages that nothing may change, and the programs that may run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.rig.machine import FLASH_PAGE, Pure
from hil.sweep.content import PAGE


@dataclass(frozen=True)
class Image:
    """A program that may run: `data` as it lies in flash from `address` on, its header first."""

    name: str
    address: int
    data: bytes


@dataclass(frozen=True)
class Scenario:
    """A device in front of something that a power failure may interrupt.

    `order` are the names of `images` in the order in which they may start: one may follow itself or those
    before it, whatever happens, and never the other way round. An image that is not in it must not start;
    where it is empty any may, whenever.
    """

    name: str
    sentence: str
    flash: bytes
    fixed: frozenset[int]
    images: tuple[Image, ...]
    order: tuple[str, ...]
    trailer: int | None
    """The end of the slot that programs run from, where its trailer is."""
    firmware: str
    """SHA-256 of the bootloader."""
    symbols: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    """Of the bootloader: address and size by name, for those who read a point."""
    uicr: bytes = b"\xff" * PAGE
    pure: Mapping[int, Pure] = field(default_factory=dict)
    """Functions of the bootloader by address whose calls need to be executed once for each input only."""
    installs: bool = False
    """An update was asked for, so that the former program may run again only after that was installed."""

    def function_at(self, pc: int) -> str:
        """The function that holds an address; "" where none is known."""
        return next(
            (name for name, (start, size) in self.symbols.items() if start <= pc < start + max(size, 2)), ""
        )


def pages(start: int, size: int) -> frozenset[int]:
    """The numbers of the pages that `size` bytes from `start` lie in."""
    return frozenset(range(start // FLASH_PAGE, (start + size - 1) // FLASH_PAGE + 1))
