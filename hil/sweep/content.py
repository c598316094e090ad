"""What the flash holds, as the pages that differ from those a scenario begins with, with a key that follows
each change.

The key is the exclusive or of a digest of each page that differs, so that changing a page costs one digest.
Pages that are as at the beginning count as 0. Cells near the read threshold, which a cut leaves behind, are
part of the state: the content has 0 in their place, and each start reads them one way or another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

PAGE = 4096
"""Bytes, the smallest erasable unit of an nRF52840."""
_ERASED_WORD = 0xFFFF_FFFF


UICR_PAGE = 0x1000_1000 // PAGE
"""Number of the page that holds the UICR (nRF52840 PS 4.2), which is beyond the flash."""


class Base:
    """The flash that a scenario begins with, and the page of the UICR, erased unless it is given."""

    def __init__(self, flash: bytes, uicr: bytes = b"\xff" * PAGE) -> None:
        if not flash or len(flash) % PAGE:
            raise ValueError(f"flash of {len(flash)} bytes is not whole pages")
        if len(uicr) != PAGE:
            raise ValueError(f"an UICR of {len(uicr)} bytes, expected {PAGE}")
        self.flash = flash
        self._pages = {at // PAGE: flash[at : at + PAGE] for at in range(0, len(flash), PAGE)}
        self.pages = len(self._pages)
        """How many pages of flash there are."""
        self._pages[UICR_PAGE] = uicr
        self._digests = {number: _digest(number, data) for number, data in self._pages.items()}

    def page(self, number: int) -> bytes:
        """A page as it is at the beginning."""
        return self._pages[number]

    def share(self, number: int, data: bytes) -> int:
        """What a page of this content adds to the key."""
        return _digest(number, data) ^ self._digests[number]


class Content:
    """Flash content. `weak` maps an address to (bytes, mask) of cells near the threshold, which read 0 here."""

    __slots__ = ("_base", "pages", "shares", "weak")

    def __init__(
        self,
        base: Base,
        pages: Mapping[int, bytes] | None = None,
        shares: Mapping[int, int] | None = None,
        weak: Mapping[int, tuple[int, int]] | None = None,
    ) -> None:
        self._base = base
        self.pages = dict(pages or {})
        self.shares = (
            dict(shares) if shares is not None else {n: base.share(n, data) for n, data in self.pages.items()}
        )
        self.weak = dict(weak or {})

    def copy(self) -> Content:
        """The same content, to be changed on its own; the pages themselves are shared."""
        return Content(self._base, self.pages, self.shares, self.weak)

    @property
    def flash(self) -> bytes:
        """The whole flash, weak cells as 0."""
        return b"".join(self.page(number) for number in range(self._base.pages))

    @property
    def uicr(self) -> bytes:
        """The page of the UICR."""
        return self.page(UICR_PAGE)

    @property
    def key(self) -> int:
        """Equal for equal content, weak cells included."""
        key = 0
        for share in self.shares.values():
            key ^= share
        for address, (size, mask) in self.weak.items():
            key ^= _weak_digest(address, size, mask)
        return key

    def page(self, number: int) -> bytes:
        """A page, its weak cells as 0."""
        found = self.pages.get(number)
        return self._base.page(number) if found is None else found

    def put_page(self, number: int, data: bytes) -> None:
        """Replace a page; nothing is said of its weak cells."""
        share = self._base.share(number, data)
        if share:
            self.pages[number] = data
            self.shares[number] = share
        else:
            self.pages.pop(number, None)
            self.shares.pop(number, None)

    def word(self, address: int) -> int:
        """A word, its weak cells as 0."""
        at = address % PAGE
        return int.from_bytes(self.page(address // PAGE)[at : at + 4], "little")

    def put_word(self, address: int, value: int) -> None:
        """Replace a word."""
        at = address % PAGE
        data = self.page(address // PAGE)
        self.put_page(address // PAGE, data[:at] + value.to_bytes(4, "little") + data[at + 4 :])

    def program(self, address: int, asked: int) -> None:
        """A word write that was completed: bits asked to be 0 are 0, and no longer weak."""
        for start, size, mask in self._weak_in(address, 4):
            shift = 8 * (address - start)
            left = mask & ~((~asked & _ERASED_WORD) << shift)
            if left:
                self.weak[start] = (size, left)
            else:
                del self.weak[start]
        self.put_word(address, self.word(address) & asked)

    def erase(self, number: int) -> None:
        """A page erase that was completed."""
        for start, _, _ in self._weak_in(number * PAGE, PAGE):
            del self.weak[start]
        self.put_page(number, b"\xff" * PAGE)

    def weaken(self, address: int, size: int, mask: int) -> None:
        """Of `size` bytes from `address` the cells in `mask` sit near the threshold, which read 0 here; the
        others do not.
        """
        for start, known_size, known in self._weak_in(address, size):
            gone = ((1 << 8 * size) - 1) << 8 * (address - start) if start <= address else -1
            left = known & ~gone
            if left:
                self.weak[start] = (known_size, left)
            else:
                del self.weak[start]
        if mask:
            self.weak[address] = (size, mask)

    def weak_cells(self, address: int, size: int) -> int:
        """The mask of the cells near the threshold in `size` bytes from `address`."""
        found = 0
        for start, _, mask in self._weak_in(address, size):
            shift = 8 * (start - address)
            found |= mask << shift if shift >= 0 else mask >> -shift
        return found & ((1 << 8 * size) - 1)

    def readings(self) -> list[dict[int, bytes]]:
        """The pages as a start may find them: weak cells all 0, and all 1; one reading where there are none."""
        if not self.weak:
            return [self.pages]
        high = dict(self.pages)
        for address, (size, mask) in self.weak.items():
            at = address % PAGE
            data = high.get(address // PAGE) or self._base.page(address // PAGE)
            value = int.from_bytes(data[at : at + size], "little") | mask
            high[address // PAGE] = data[:at] + value.to_bytes(size, "little") + data[at + size :]
        return [self.pages, high]

    def reading(self, pages: Mapping[int, bytes]) -> Content:
        """A reading as content of its own, without weak cells."""
        return Content(self._base, pages, self.shares_of(pages))

    def shares_of(self, pages: Mapping[int, bytes]) -> dict[int, int]:
        """What each page of a reading adds to the key."""
        return {
            number: self.shares[number]
            if number in self.shares and data is self.pages.get(number)
            else self._base.share(number, data)
            for number, data in pages.items()
        }

    def _weak_in(self, address: int, size: int) -> Iterable[tuple[int, int, int]]:
        if not self.weak:
            return ()
        return [
            (start, known, mask)
            for start, (known, mask) in self.weak.items()
            if start < address + size and address < start + known
        ]


def _digest(number: int, data: bytes) -> int:
    return int.from_bytes(
        hashlib.blake2b(data, digest_size=16, salt=number.to_bytes(4, "little")).digest(), "little"
    )


def _weak_digest(address: int, size: int, mask: int) -> int:
    data = address.to_bytes(4, "little") + size.to_bytes(4, "little") + mask.to_bytes(size, "little")
    return int.from_bytes(hashlib.blake2b(data, digest_size=16, person=b"weak").digest(), "little")
