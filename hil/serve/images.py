"""The HEX files a kit is flashed with before it gets power."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from pathlib import Path

from hil import hexfile
from hil.errors import InputError
from hil.virtual.soc.memory import FLASH_PAGE, FLASH_SIZE, UICR_BASE, UICR_SIZE
from hil.virtual.statefile import KitState


@dataclass(frozen=True)
class Piece:
    """Bytes for one stretch of flash or UICR, and whose they are."""

    address: int
    data: bytes
    origin: str

    @property
    def end(self) -> int:
        """The first address behind it."""
        return self.address + len(self.data)


def read_pieces(paths: list[Path]) -> list[Piece]:
    """What the HEX files hold. Raises InputError for a file that is none, and for addresses that are no flash."""
    pieces: list[Piece] = []
    for path in paths:
        if path.suffix.lower() not in hexfile.SUFFIXES:
            raise InputError(
                f"{path}: not an Intel HEX file by its name; expected one of {', '.join(hexfile.SUFFIXES)}"
            )
        for address, data in hexfile.read_image(path):
            pieces.append(checked(Piece(address, data, str(path))))
    return pieces


def checked(piece: Piece) -> Piece:
    """The piece, if it lies wholly in flash or UICR; InputError otherwise."""
    for base, size in ((0, FLASH_SIZE), (UICR_BASE, UICR_SIZE)):
        if base <= piece.address and piece.end <= base + size:
            return piece
    raise InputError(
        f"{piece.origin}: 0x{piece.address:08x} to 0x{piece.end - 1:08x} is not in the nRF52840's flash "
        f"(0x0 to 0x{FLASH_SIZE - 1:x}) or UICR (0x{UICR_BASE:x} to 0x{UICR_BASE + UICR_SIZE - 1:x})"
    )


def flash(state: KitState, pieces: list[Piece]) -> KitState:
    """The memories with every page that a piece touches erased, then the pieces written.

    Raises InputError when two pieces write the same address.
    """
    ordered = sorted(pieces, key=lambda piece: piece.address)
    for first, second in itertools.pairwise(ordered):
        if second.address < first.end:
            who = (
                first.origin if first.origin == second.origin else f"{first.origin} and {second.origin} both"
            )
            raise InputError(f"{who} write address 0x{second.address:08x}")
    memories = {0: bytearray(state.flash), UICR_BASE: bytearray(state.uicr)}
    for piece in ordered:
        base = UICR_BASE if piece.address >= UICR_BASE else 0
        cells = memories[base]
        for page in range((piece.address - base) // FLASH_PAGE, (piece.end - base - 1) // FLASH_PAGE + 1):
            cells[page * FLASH_PAGE : (page + 1) * FLASH_PAGE] = b"\xff" * FLASH_PAGE
    for piece in ordered:
        base = UICR_BASE if piece.address >= UICR_BASE else 0
        memories[base][piece.address - base : piece.end - base] = piece.data
    return KitState(bytes(memories[0]), bytes(memories[UICR_BASE]))


def cannot_start(state: KitState, pieces: list[Piece]) -> str:
    """Why a kit with these memories cannot run, empty when it can: the core fetches its vectors from address 0."""
    if state.flash[:8] != b"\xff" * 8:
        return ""
    if not pieces:
        return "the flash is blank: the kit does nothing until it is programmed"
    first = min(pieces, key=lambda piece: piece.address)
    return (
        f"there is no vector table at address 0, so the kit cannot start: the lowest image, {first.origin}, begins at "
        f"0x{first.address:08x}; does it need a bootloader?"
    )
