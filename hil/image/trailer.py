"""The trailer at the end of an MCUboot slot: what the bootloader and the application agreed on.

Source: MCUboot `docs/design.md`, "Image trailer", with a write alignment of 8 bytes: from the slot's end
backwards the magic (16 bytes), image_ok, copy_done and swap_info (8 bytes each, the value in the first byte).
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, IntEnum

TRAILER_MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
MAX_ALIGN = 8
_ERASED = 0xFF
_SET = 0x01


class Magic(Enum):
    """State of the 16 magic bytes."""

    GOOD = "good"
    UNSET = "unset"
    BAD = "bad"


class Flag(Enum):
    """State of a one-byte flag (image_ok, copy_done)."""

    SET = "set"
    UNSET = "unset"
    BAD = "bad"


class SwapType(IntEnum):
    """Low nibble of swap_info (bootutil_public.h, BOOT_SWAP_TYPE_*)."""

    NONE = 1
    TEST = 2
    PERMANENT = 3
    REVERT = 4
    FAIL = 5


@dataclass(frozen=True)
class Trailer:
    """The four fields that decide what the next boot does with the slot."""

    magic: Magic
    image_ok: Flag
    copy_done: Flag
    swap_info: int

    @property
    def swap_type(self) -> SwapType | None:
        """Type of the swap under way or last done; None where nothing valid is written."""
        try:
            return SwapType(self.swap_info & 0x0F)
        except ValueError:
            return None


def _flag(value: int) -> Flag:
    return {_SET: Flag.SET, _ERASED: Flag.UNSET}.get(value, Flag.BAD)


def parse_trailer(slot_end: bytes) -> Trailer:
    """Read the trailer from the last bytes of a slot (at least 40). Raises ValueError when fewer are given."""
    if len(slot_end) < 16 + 3 * MAX_ALIGN:
        raise ValueError(f"a trailer needs the slot's last 40 bytes, got {len(slot_end)}")
    magic = slot_end[-16:]
    if magic == TRAILER_MAGIC:
        state = Magic.GOOD
    elif magic == b"\xff" * 16:
        state = Magic.UNSET
    else:
        state = Magic.BAD
    ok, done, info = (slot_end[-16 - MAX_ALIGN * index] for index in (1, 2, 3))
    return Trailer(state, _flag(ok), _flag(done), info)
