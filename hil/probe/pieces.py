"""What a probe is asked to program: stretches of memory, checked, compared, and made into whole pages."""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

from hil.errors import BenchError, InputError
from hil.hexfile import read_image

MAX_LENGTH = 16 << 20
"""Bytes of one read or write, above any device's memory."""
_ACCESS_LIMIT = 1 << 32

Piece = tuple[int, bytes]
"""Address and content."""


class Readable(Protocol):
    """Something that memory can be read from."""

    def read(self, address: int, length: int) -> bytes: ...


def check_range(address: int, length: int, align: int = 1) -> None:
    """Raises InputError for a range that no device has, or an address that is not a multiple of `align`."""
    if address < 0 or length < 0 or address + length > _ACCESS_LIMIT or length > MAX_LENGTH:
        raise InputError(f"probe: no such range: {length} bytes at 0x{address:x}")
    if address % align:
        raise InputError(f"probe: 0x{address:x} is not aligned to {align} bytes")


def pieces(image: Path | bytes, address: int | None) -> list[Piece]:
    """The stretches of a HEX file, or of a raw file or bytes for `address`. Raises InputError."""
    if isinstance(image, Path):
        found = read_image(image, address)
    elif address is None:
        raise InputError("probe: bytes need an address to go to")
    else:
        found = [(address, image)]
    for start, data in found:
        check_range(start, len(data))
    return found


def compare(who: str, memory: Readable, wanted: list[Piece]) -> int:
    """Read the stretches back; returns the bytes compared. Raises BenchError with the first that differs."""
    for start, data in wanted:
        back = memory.read(start, len(data))
        if back != data:
            offset = next(
                index for index, (want, got) in enumerate(zip(data, back, strict=True)) if want != got
            )
            raise BenchError(
                f"{who}: verify failed at 0x{start + offset:08x}: "
                f"wrote {data[offset]:02x}, reads {back[offset]:02x}"
            )
    return sum(len(data) for _, data in wanted)


def whole_pages(memory: Readable, wanted: list[Piece], page: int) -> list[Piece]:
    """The pages that the stretches touch, each with the rest of its content as it is, in rising order."""
    found: dict[int, bytearray] = {}
    for start, data in wanted:
        for number in range(start // page, (start + len(data) - 1) // page + 1 if data else start // page):
            base = number * page
            if base not in found:
                covered = start <= base and start + len(data) >= base + page
                found[base] = bytearray(b"\xff" * page if covered else memory.read(base, page))
            first, last = max(start, base), min(start + len(data), base + page)
            found[base][first - base : last - base] = data[first - start : last - start]
    return [(base, bytes(content)) for base, content in sorted(found.items())]
