"""The MCUboot image format, read with every length checked.

Source: MCUboot `docs/design.md`, "Image format", and `boot/bootutil/include/bootutil/image.h`.
All integers are little endian. An image is a 32-byte header (padded to `header_size`), the payload, an optional
block of protected TLVs (covered by the hash) and a block of plain TLVs.
"""

from __future__ import annotations

import hashlib
import struct
from dataclasses import dataclass
from enum import IntEnum, IntFlag

from hil.errors import InputError

IMAGE_MAGIC = 0x96F3B83D
TLV_INFO_MAGIC = 0x6907
TLV_PROTECTED_INFO_MAGIC = 0x6908
HEADER_LENGTH = 32
_HEADER = struct.Struct("<IIHHIIBBHII")
_TLV_INFO = struct.Struct("<HH")


class TlvType(IntEnum):
    """TLV types that this project reads or writes (image.h, IMAGE_TLV_*)."""

    KEYHASH = 0x01
    PUBKEY = 0x02
    SHA256 = 0x10
    SHA384 = 0x11
    SHA512 = 0x12
    RSA2048 = 0x20
    ECDSA_SIG = 0x22
    RSA3072 = 0x23
    ED25519 = 0x24
    SIG_PURE = 0x25
    ENC_EC256 = 0x32
    ENC_X25519 = 0x33
    DEPENDENCY = 0x40
    SEC_CNT = 0x50
    BOOT_RECORD = 0x60
    UUID_VID = 0x74
    UUID_CID = 0x75


class ImageFlag(IntFlag):
    """Header flags (image.h, IMAGE_F_*)."""

    PIC = 0x1
    ENCRYPTED_AES128 = 0x4
    ENCRYPTED_AES256 = 0x8
    NON_BOOTABLE = 0x10
    RAM_LOAD = 0x20
    ROM_FIXED = 0x100


@dataclass(frozen=True, order=True)
class ImageVersion:
    """`major.minor.revision+build`; ordered as MCUboot orders versions with the build number counted."""

    major: int
    minor: int = 0
    revision: int = 0
    build: int = 0

    def __post_init__(self) -> None:
        limits = (0xFF, 0xFF, 0xFFFF, 0xFFFFFFFF)
        for name, limit in zip(("major", "minor", "revision", "build"), limits, strict=True):
            value = getattr(self, name)
            if not 0 <= value <= limit:
                raise InputError(f"image version: {name} is {value}, expected 0 to {limit}")

    @classmethod
    def parse(cls, text: str) -> ImageVersion:
        """Read `1.2.3` or `1.2.3+4`; missing parts are 0. Raises InputError."""
        release, _, build = text.partition("+")
        parts = release.split(".")
        try:
            if not 1 <= len(parts) <= 3:
                raise ValueError
            numbers = [int(part, 10) for part in parts] + [0] * (3 - len(parts))
            return cls(numbers[0], numbers[1], numbers[2], int(build, 10) if build else 0)
        except ValueError:
            raise InputError(
                f"image version {text!r}: expected MAJOR.MINOR.REVISION[+BUILD], such as 1.2.3+4"
            ) from None

    def __str__(self) -> str:
        text = f"{self.major}.{self.minor}.{self.revision}"
        return f"{text}+{self.build}" if self.build else text

    def __repr__(self) -> str:
        # Short, because what a failed case compares is shown to people, and pytest cuts what is long.
        return f"ImageVersion({self})"


@dataclass(frozen=True)
class ImageHeader:
    """`struct image_header`."""

    magic: int
    load_address: int
    header_size: int
    protected_tlv_size: int
    image_size: int
    flags: int
    version: ImageVersion

    def pack(self) -> bytes:
        version = self.version
        return _HEADER.pack(
            self.magic,
            self.load_address,
            self.header_size,
            self.protected_tlv_size,
            self.image_size,
            self.flags,
            version.major,
            version.minor,
            version.revision,
            version.build,
            0,
        )


@dataclass(frozen=True)
class Tlv:
    """One type-length-value entry; `offset` is that of its first byte in the image."""

    type: int
    value: bytes
    offset: int
    protected: bool

    @property
    def name(self) -> str:
        try:
            return TlvType(self.type).name
        except ValueError:
            return f"0x{self.type:04x}"


@dataclass(frozen=True)
class ParsedImage:
    """An image whose structure is sound; whether its hash and signature hold is another question."""

    header: ImageHeader
    tlvs: tuple[Tlv, ...]
    data: bytes

    @property
    def hashed_length(self) -> int:
        """Bytes covered by the image hash: header, payload and protected TLVs."""
        header = self.header
        return header.header_size + header.image_size + header.protected_tlv_size

    @property
    def payload(self) -> bytes:
        return self.data[self.header.header_size : self.header.header_size + self.header.image_size]

    def tlv(self, kind: int) -> Tlv | None:
        """The first TLV of that type, or None."""
        return next((tlv for tlv in self.tlvs if tlv.type == kind), None)

    @property
    def hash(self) -> bytes:
        """The SHA-256 the image claims (TLV 0x10): how SMP's image group names an image. Raises InputError."""
        tlv = self.tlv(TlvType.SHA256)
        if tlv is None:
            raise InputError("image: no SHA256 TLV (0x10)")
        return tlv.value

    @property
    def security_counter(self) -> int | None:
        tlv = self.tlv(TlvType.SEC_CNT)
        return int.from_bytes(tlv.value, "little") if tlv is not None and len(tlv.value) == 4 else None

    def computed_hash(self) -> bytes:
        return hashlib.sha256(self.data[: self.hashed_length]).digest()


def parse_header(data: bytes, where: str = "image") -> ImageHeader:
    """Read the 32-byte header. Raises InputError when it is too short or its magic is wrong."""
    if len(data) < HEADER_LENGTH:
        raise InputError(f"{where}: {len(data)} bytes, too short for a 32-byte MCUboot header")
    fields = _HEADER.unpack_from(data)
    magic, load, header_size, protected, size, flags, major, minor, revision, build, _ = fields
    if magic != IMAGE_MAGIC:
        raise InputError(f"{where}: magic 0x{magic:08x} is not MCUboot's 0x{IMAGE_MAGIC:08x}")
    version = ImageVersion(major, minor, revision, build)
    return ImageHeader(magic, load, header_size, protected, size, flags, version)


def _parse_tlvs(data: bytes, offset: int, magic: int, where: str) -> tuple[list[Tlv], int]:
    if offset + _TLV_INFO.size > len(data):
        raise InputError(f"{where}: ends at {len(data)}, before the TLV block at {offset}")
    found, total = _TLV_INFO.unpack_from(data, offset)
    if found != magic:
        raise InputError(f"{where}: TLV block at {offset} has magic 0x{found:04x}, expected 0x{magic:04x}")
    end = offset + total
    if total < _TLV_INFO.size or end > len(data):
        raise InputError(
            f"{where}: TLV block at {offset} claims {total} bytes, {len(data) - offset} are there"
        )
    tlvs = []
    position = offset + _TLV_INFO.size
    while position < end:
        if position + _TLV_INFO.size > end:
            raise InputError(f"{where}: TLV at {position} is cut short by the end of its block at {end}")
        kind, length = _TLV_INFO.unpack_from(data, position)
        start = position + _TLV_INFO.size
        if start + length > end:
            raise InputError(
                f"{where}: TLV 0x{kind:04x} at {position} claims {length} bytes, {end - start} are there"
            )
        tlvs.append(Tlv(kind, data[start : start + length], position, magic == TLV_PROTECTED_INFO_MAGIC))
        position = start + length
    return tlvs, end


def parse_image(data: bytes, where: str = "image") -> ParsedImage:
    """Read an image from its first byte; bytes after the last TLV are cut off.

    Raises InputError, with the place and the two sizes that disagree, for anything that does not fit together.
    """
    header = parse_header(data, where)
    if header.header_size < HEADER_LENGTH:
        raise InputError(f"{where}: header size {header.header_size} is below {HEADER_LENGTH}")
    offset = header.header_size + header.image_size
    if offset > len(data):
        raise InputError(f"{where}: header and payload need {offset} bytes, {len(data)} are there")
    tlvs: list[Tlv] = []
    if header.protected_tlv_size:
        protected, end = _parse_tlvs(data, offset, TLV_PROTECTED_INFO_MAGIC, where)
        if end - offset != header.protected_tlv_size:
            raise InputError(
                f"{where}: protected TLVs are {end - offset} bytes, the header says {header.protected_tlv_size}"
            )
        tlvs += protected
        offset = end
    plain, end = _parse_tlvs(data, offset, TLV_INFO_MAGIC, where)
    return ParsedImage(header, tuple(tlvs + plain), bytes(data[:end]))
