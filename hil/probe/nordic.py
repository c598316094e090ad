"""What the drivers on Nordic's own tools share: the flash of an nRF52, its UICR, and whether its core is
halted.

Sources: nRF52840 PS, "Memory" (flash, UICR); Armv7-M Architecture Reference Manual, C1.6.2 (DHCSR).
"""

from __future__ import annotations

from hil.errors import InputError
from hil.probe.pieces import Piece

PAGE = 0x1000
UICR, UICR_SIZE = 0x1000_1000, 0x1000
FLASH_LIMIT = 0x10_0000
"""The largest flash of the family, bytes: what is beyond is no flash."""
DHCSR = 0xE000_EDF0
DHCSR_HALTED = 1 << 17


def split(wanted: list[Piece]) -> tuple[list[Piece], list[Piece]]:
    """The stretches in the flash, and those in the UICR. Raises InputError for one that is in neither."""
    flash: list[Piece] = []
    uicr: list[Piece] = []
    for start, data in wanted:
        if start + len(data) <= FLASH_LIMIT:
            flash.append((start, data))
        elif start >= UICR and start + len(data) <= UICR + UICR_SIZE:
            if start % 4 or len(data) % 4:
                raise InputError(
                    f"probe: the UICR is written in words, not {len(data)} bytes at 0x{start:08x}"
                )
            uicr.append((start, data))
        else:
            raise InputError(
                f"probe: 0x{start:08x} to 0x{start + len(data) - 1:08x} is not in the flash of an nRF52"
            )
    return flash, uicr


def words(data: bytes) -> list[int]:
    """Little-endian words; the length must be a multiple of 4."""
    return [int.from_bytes(data[at : at + 4], "little") for at in range(0, len(data), 4)]


def check_pages(address: int, length: int) -> None:
    """Raises InputError for what is not whole pages of flash."""
    if address % PAGE or length % PAGE:
        raise InputError(f"probe: 0x{address:x}+0x{length:x} is not whole flash pages of {PAGE} bytes")
    if address + length > FLASH_LIMIT:
        raise InputError(f"probe: 0x{address:08x}+0x{length:x} is not in the flash of an nRF52")
