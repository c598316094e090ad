"""What the bundled bootloader tells of its last start, in RAM (firmware/boot/boot_info.h)."""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass
from enum import IntEnum, IntFlag

ADDRESS = 0x2003_FF00
SIZE = 0x100
_MAGIC = 0x4942_4C48
_HEAD = struct.Struct("<IHHBBBBHHIII4B")
_IMAGE = struct.Struct("<BBHIIBBBB")
_IMAGES = 2
_CRC_AT = _HEAD.size + _IMAGES * _IMAGE.size


class ResetReason(IntFlag):
    """POWER.RESETREAS of the nRF52840 (Product Specification, POWER); none set: power-on or brown-out."""

    PIN = 1 << 0
    WATCHDOG = 1 << 1
    SOFT = 1 << 2
    LOCKUP = 1 << 3
    OFF = 1 << 16
    COMPARATOR = 1 << 17
    DEBUG = 1 << 18
    NFC = 1 << 19
    USB = 1 << 20


class Refusal(IntEnum):
    """Why the bootloader refused an image."""

    NONE = 0
    HEADER = 1
    SIZE = 2
    TLV = 3
    HASH = 4
    KEY = 5
    DEBUG_KEY = 6
    SIGNATURE = 7
    HARDWARE = 8
    VERSION = 9
    SECURITY_COUNTER = 10
    DEPENDENCY = 11
    BATTERY = 12
    ENCRYPTION = 13
    VECTORS = 14


@dataclass(frozen=True)
class ImageStart:
    """What the last start did with one image number."""

    version: str
    security_counter: int
    swap: int
    """1 none, 2 test, 3 permanent, 4 revert: MCUboot's swap types."""
    refusal: Refusal
    confirmed: bool


@dataclass(frozen=True)
class BootInfo:
    """What the bootloader told at the last start."""

    reset_reason: ResetReason
    hardware_revision: int
    watchdog_ms: int
    bootloader_version: str
    images: tuple[ImageStart, ...]


def parse(data: bytes) -> BootInfo | None:
    """The boot information in RAM, or None when there is none that is sound: no start since the RAM was lost."""
    if len(data) < _CRC_AT + 4:
        return None
    head = _HEAD.unpack_from(data)
    magic, layout, reason, hardware, watchdog = head[0], head[1], head[9], head[10], head[11]
    (crc,) = struct.unpack_from("<I", data, _CRC_AT)
    if magic != _MAGIC or layout < 1 or crc != zlib.crc32(data[:_CRC_AT]):
        return None
    images = []
    for index in range(_IMAGES):
        major, minor, revision, build, counter, swap, refusal, confirmed, present = _IMAGE.unpack_from(
            data, _HEAD.size + index * _IMAGE.size
        )
        if present:
            version = f"{major}.{minor}.{revision}+{build}"
            images.append(ImageStart(version, counter, swap, Refusal(refusal), confirmed == 1))
    return BootInfo(
        ResetReason(reason), hardware, watchdog, ".".join(str(part) for part in head[12:15]), tuple(images)
    )
