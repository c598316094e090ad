"""The provisioning page: what makes the one bootloader binary belong to a product (firmware/provisioning.h).

Keys, identity, battery curve and policy are written over SWD when a kit is provisioned, so that no key is ever
compiled in.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass, field
from enum import IntEnum, IntFlag
from typing import Any
from uuid import UUID

from hil.errors import InputError

#: Where the bootloader looks for the page, and its size in bytes (firmware/flash_map.h).
PROVISIONING_ADDRESS = 0x10000
PROVISIONING_SIZE = 0x1000

_MAGIC = 0x56505248
_LAYOUT = 1
_KEYS = 4
_HEAD = struct.Struct("<IHHII16s16sHHBBBB")
_KEY = struct.Struct("<B3x64s")
_TAIL = struct.Struct("<B3x32s")
_LENGTH = _HEAD.size + _KEYS * _KEY.size + _TAIL.size


class KeyType(IntEnum):
    """What a provisioned key verifies. P-256: X || Y, 64 bytes; Ed25519: 32 bytes."""

    P256 = 1
    ED25519 = 2


class Policy(IntFlag):
    """What every image must carry in its protected TLVs."""

    NONE = 0
    REQUIRE_VENDOR = 1
    REQUIRE_CLASS = 2
    REQUIRE_HARDWARE = 4
    REQUIRE_SECURITY_COUNTER = 8


@dataclass(frozen=True)
class PublicKey:
    """One key that may sign images: `data` is 64 bytes (P-256, X || Y) or 32 (Ed25519)."""

    type: KeyType
    data: bytes

    def __post_init__(self) -> None:
        expected = 64 if self.type is KeyType.P256 else 32
        if len(self.data) != expected:
            raise InputError(f"a {self.type.name} public key has {expected} bytes, not {len(self.data)}")

    @classmethod
    def from_raw(cls, data: bytes) -> PublicKey:
        """Takes the algorithm from the length: 64 bytes X || Y (or 65 with a leading 4) for P-256, 32 for Ed25519."""
        if len(data) == 65 and data[0] == 4:
            data = data[1:]
        return cls(KeyType.ED25519 if len(data) == 32 else KeyType.P256, data)


@dataclass(frozen=True)
class Provisioning:
    """The page's content.

    Attributes:
        keys: 1 to 4 keys; an image signed by any of them is accepted.
        vendor, device_class: what an image's vendor and class UUID TLVs must say.
        hardware_revision: 0 to 2**32-1; must be within an image's hardware revision TLV, if it has one.
        battery_empty_mv, battery_full_mv: supply in millivolts at 0 and at 100 percent.
        upload_minimum_percent: the application refuses an upload below it.
        swap_minimum_percent: the bootloader starts no swap below it, and a swap under way waits.
        swap_hysteresis_percent: a swap that waits goes on at the swap minimum plus this.
        decryption_key: P-256 private scalar (32 bytes, big endian) for encrypted images, or None.
    """

    keys: tuple[PublicKey, ...]
    vendor: UUID
    device_class: UUID
    hardware_revision: int = 1
    policy: Policy = Policy.REQUIRE_VENDOR | Policy.REQUIRE_CLASS
    battery_empty_mv: int = 2000
    battery_full_mv: int = 3000
    upload_minimum_percent: int = 20
    swap_minimum_percent: int = 15
    swap_hysteresis_percent: int = 5
    decryption_key: bytes | None = field(default=None, repr=False)

    def __post_init__(self) -> None:
        if not 1 <= len(self.keys) <= _KEYS:
            raise InputError(f"the provisioning page takes 1 to {_KEYS} keys, not {len(self.keys)}")
        _range("hardware_revision", self.hardware_revision, 0xFFFFFFFF)
        _range("battery_empty_mv", self.battery_empty_mv, 5000)
        _range("battery_full_mv", self.battery_full_mv, 5000)
        if self.battery_empty_mv >= self.battery_full_mv:
            raise InputError(f"battery_empty_mv ({self.battery_empty_mv}) must be below battery_full_mv")
        _range("upload_minimum_percent", self.upload_minimum_percent, 100)
        _range("swap_minimum_percent", self.swap_minimum_percent, 100)
        _range("swap_hysteresis_percent", self.swap_hysteresis_percent, 100 - self.swap_minimum_percent)
        if self.decryption_key is not None and len(self.decryption_key) != 32:
            raise InputError(f"decryption_key has 32 bytes, not {len(self.decryption_key)}")

    def page(self) -> bytes:
        """The page's bytes, to be written at ``PROVISIONING_ADDRESS``; the rest of the page stays erased."""
        head = _HEAD.pack(
            _MAGIC,
            _LAYOUT,
            _LENGTH,
            self.hardware_revision,
            self.policy,
            self.vendor.bytes,
            self.device_class.bytes,
            self.battery_empty_mv,
            self.battery_full_mv,
            self.upload_minimum_percent,
            self.swap_minimum_percent,
            self.swap_hysteresis_percent,
            len(self.keys),
        )
        keys = b"".join(_KEY.pack(key.type, key.data) for key in self.keys).ljust(_KEYS * _KEY.size, b"\0")
        tail = _TAIL.pack(self.decryption_key is not None, self.decryption_key or b"")
        content = head + keys + tail
        return content + struct.pack("<I", zlib.crc32(content))


def parse_provisioning(data: bytes, where: str = "provisioning page") -> Provisioning:
    """Reads a page, for example one read back over SWD.

    Raises:
        InputError: blank, cut short, of another kind, corrupt, or contradictory.
    """
    if len(data) < _LENGTH + 4:
        raise InputError(f"{where}: {len(data)} bytes are too few")
    values: tuple[Any, ...] = _HEAD.unpack_from(data)
    (
        magic,
        layout,
        length,
        revision,
        policy,
        vendor,
        device_class,
        empty,
        full,
        upload,
        swap,
        hysteresis,
        count,
    ) = values
    if magic != _MAGIC:
        raise InputError(f"{where}: not provisioned (it starts with 0x{magic:08x})")
    if layout < _LAYOUT or not _LENGTH <= length <= min(len(data), PROVISIONING_SIZE) - 4:
        raise InputError(f"{where}: layout {layout} with length {length} is none that can be read")
    if zlib.crc32(data[:length]) != struct.unpack_from("<I", data, length)[0]:
        raise InputError(f"{where}: the CRC does not match")
    if not 1 <= count <= _KEYS:
        raise InputError(f"{where}: {count} keys")
    keys = [_parse_key(data, index, where) for index in range(count)]
    present, secret = _TAIL.unpack_from(data, _HEAD.size + _KEYS * _KEY.size)
    return Provisioning(
        keys=tuple(keys),
        vendor=UUID(bytes=vendor),
        device_class=UUID(bytes=device_class),
        hardware_revision=revision,
        policy=Policy(policy),
        battery_empty_mv=empty,
        battery_full_mv=full,
        upload_minimum_percent=upload,
        swap_minimum_percent=swap,
        swap_hysteresis_percent=hysteresis,
        decryption_key=secret if present else None,
    )


def _parse_key(data: bytes, index: int, where: str) -> PublicKey:
    kind, material = _KEY.unpack_from(data, _HEAD.size + index * _KEY.size)
    try:
        key_type = KeyType(kind)
    except ValueError:
        raise InputError(f"{where}: key {index} has the unknown type {kind}") from None
    return PublicKey(key_type, material if key_type is KeyType.P256 else material[:32])


def _range(name: str, value: int, highest: int) -> None:
    if not 0 <= value <= highest:
        raise InputError(f"{name} is {value}: it must be 0 to {highest}")
