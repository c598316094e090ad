"""Breaks a signed image in a named way, as an attacker or a bad transport would.

Every mutation takes the bytes of a sound image and gives bytes that a careful bootloader must refuse. None
needs the private key.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from hil.errors import InputError
from hil.image.mcuboot import (
    TLV_INFO_MAGIC,
    TLV_PROTECTED_INFO_MAGIC,
    ImageFlag,
    ParsedImage,
    Tlv,
    TlvType,
    parse_image,
)
from hil.image.trailer import TRAILER_MAGIC

# What a request to install for good looks like at the end of a slot (hil.image.trailer).
_FORGED_TRAILER = b"\x03" + b"\xff" * 7 + b"\xff" * 8 + b"\x01" + b"\xff" * 7 + TRAILER_MAGIC

_Break = Callable[[ParsedImage], bytes]


@dataclass(frozen=True)
class Mutation:
    """One named way to break an image; `sentence` says what is done to it."""

    name: str
    sentence: str
    apply: _Break


MUTATIONS: dict[str, Mutation] = {}
"""Every mutation by name."""


def _mutation(name: str, sentence: str) -> Callable[[_Break], _Break]:
    def register(function: _Break) -> _Break:
        MUTATIONS[name] = Mutation(name, sentence, function)
        return function

    return register


def mutate_image(data: bytes, name: str) -> bytes:
    """`data`, a sound image, broken as `name` says. Raises InputError for an unknown name or an unsound image."""
    mutation = MUTATIONS.get(name)
    if mutation is None:
        raise InputError(f"mutation {name!r}: expected one of {', '.join(sorted(MUTATIONS))}")
    return mutation.apply(parse_image(data))


def _flip(data: bytes, offset: int, bit: int = 0) -> bytes:
    broken = bytearray(data)
    broken[offset] ^= 1 << bit
    return bytes(broken)


def _put(data: bytes, offset: int, value: bytes) -> bytes:
    return data[:offset] + value + data[offset + len(value) :]


def _need(image: ParsedImage, *kinds: int) -> Tlv:
    for kind in kinds:
        tlv = image.tlv(kind)
        if tlv is not None:
            return tlv
    raise InputError(
        f"image: this mutation needs a TLV of type {' or '.join(f'0x{kind:02x}' for kind in kinds)}"
    )


def _signature(image: ParsedImage) -> Tlv:
    return _need(image, TlvType.ECDSA_SIG, TlvType.ED25519)


def _rehash(image: ParsedImage, data: bytes) -> bytes:
    """Make the hash TLV right again, so that only the signature stands against the change."""
    tlv = _need(image, TlvType.SHA256)
    return _put(data, tlv.offset + 4, hashlib.sha256(data[: image.hashed_length]).digest())


@_mutation("header-magic", "one bit of the header's magic is flipped")
def _header_magic(image: ParsedImage) -> bytes:
    return _flip(image.data, 0)


@_mutation("header-size", "the header claims to be 64 KB long, so that the payload lies elsewhere")
def _header_size(image: ParsedImage) -> bytes:
    return _put(image.data, 8, struct.pack("<H", 0xFFFC))


@_mutation("header-image-size", "the header claims a payload of 4 GB, so that offset plus size wraps around")
def _header_image_size(image: ParsedImage) -> bytes:
    return _put(image.data, 12, struct.pack("<I", 0xFFFFFFF0))


@_mutation("header-zero-size", "the header claims an empty payload")
def _header_zero_size(image: ParsedImage) -> bytes:
    return _put(image.data, 12, struct.pack("<I", 0))


@_mutation("header-protected-size", "the header claims 64 KB of protected TLVs")
def _header_protected_size(image: ParsedImage) -> bytes:
    return _put(image.data, 10, struct.pack("<H", 0xFFFF))


@_mutation("header-version", "the header's version is raised to 255.255 without signing again")
def _header_version(image: ParsedImage) -> bytes:
    return _put(image.data, 20, b"\xff\xff")


@_mutation("header-version-rehashed", "the header's version is raised and the hash made right again")
def _header_version_rehashed(image: ParsedImage) -> bytes:
    return _rehash(image, _put(image.data, 20, b"\xff\xff"))


@_mutation("header-flag", "one bit of the header's flags is flipped")
def _header_flag(image: ParsedImage) -> bytes:
    return _flip(image.data, 16)


@_mutation("payload-first-bit", "the first bit of the payload is flipped")
def _payload_first(image: ParsedImage) -> bytes:
    return _flip(image.data, image.header.header_size)


@_mutation("payload-last-bit", "the last bit of the payload is flipped")
def _payload_last(image: ParsedImage) -> bytes:
    return _flip(image.data, image.header.header_size + image.header.image_size - 1, 7)


@_mutation("payload-rehashed", "a bit of the payload is flipped and the hash made right again")
def _payload_rehashed(image: ParsedImage) -> bytes:
    return _rehash(image, _flip(image.data, image.header.header_size + image.header.image_size // 2))


@_mutation("tlv-hash", "one bit of the hash TLV is flipped")
def _tlv_hash(image: ParsedImage) -> bytes:
    return _flip(image.data, _need(image, TlvType.SHA256).offset + 4)


@_mutation("tlv-key-hash", "one bit of the key hash TLV is flipped")
def _tlv_key_hash(image: ParsedImage) -> bytes:
    return _flip(image.data, _need(image, TlvType.KEYHASH).offset + 4)


@_mutation("tlv-signature", "one bit of the signature is flipped")
def _tlv_signature(image: ParsedImage) -> bytes:
    tlv = _signature(image)
    return _flip(image.data, tlv.offset + 4 + len(tlv.value) - 1)


@_mutation("tlv-signature-zero", "the signature is all zeros")
def _tlv_signature_zero(image: ParsedImage) -> bytes:
    tlv = _signature(image)
    return _put(image.data, tlv.offset + 4, bytes(len(tlv.value)))


@_mutation("tlv-signature-type", "the signature TLV is relabelled, so that the image has none")
def _tlv_signature_type(image: ParsedImage) -> bytes:
    return _put(image.data, _signature(image).offset, struct.pack("<H", 0x00FE))


@_mutation("tlv-length", "the last TLV claims 64 KB, past the end of its block")
def _tlv_length(image: ParsedImage) -> bytes:
    return _put(image.data, image.tlvs[-1].offset + 2, struct.pack("<H", 0xFFFF))


@_mutation("tlv-block-length", "the TLV block claims 64 KB, past the end of the image")
def _tlv_block_length(image: ParsedImage) -> bytes:
    return _put(image.data, image.hashed_length + 2, struct.pack("<H", 0xFFFF))


@_mutation("tlv-counter", "the protected security counter is raised without signing again")
def _tlv_counter(image: ParsedImage) -> bytes:
    return _put(image.data, _need(image, TlvType.SEC_CNT).offset + 4, b"\xff\xff\xff\x7f")


@_mutation("truncated-payload", "the image ends in the middle of its payload")
def _truncated_payload(image: ParsedImage) -> bytes:
    return image.data[: image.header.header_size + image.header.image_size // 2]


@_mutation("truncated-tlv", "the image ends in the middle of its signature")
def _truncated_tlv(image: ParsedImage) -> bytes:
    tlv = _signature(image)
    return image.data[: tlv.offset + 4 + len(tlv.value) // 2]


# ---- Each flag that means something ----


def _with_flag(flag: ImageFlag) -> _Break:
    def flip(image: ParsedImage) -> bytes:
        return _put(image.data, 16, struct.pack("<I", image.header.flags ^ flag))

    return flip


for _flag in ImageFlag:
    _flag_name = str(_flag.name).lower().replace("_", "-")
    _mutation(f"header-flag-{_flag_name}", f"the header's flag {_flag.name} is set without signing again")(
        _with_flag(_flag)
    )


@_mutation("header-load-address", "the header's load address is changed without signing again")
def _header_load_address(image: ParsedImage) -> bytes:
    return _put(image.data, 4, struct.pack("<I", 0x0001_0000))


@_mutation("header-padding", "the header's last, unused word is changed without signing again")
def _header_padding(image: ParsedImage) -> bytes:
    return _flip(image.data, 28)


@_mutation("header-size-overlap", "the header claims to be longer by a vector table, into the payload")
def _header_size_overlap(image: ParsedImage) -> bytes:
    return _put(image.data, 8, struct.pack("<H", image.header.header_size + 0x100))


@_mutation("header-image-size-short", "the header claims a payload one word shorter than it is")
def _header_image_size_short(image: ParsedImage) -> bytes:
    return _put(image.data, 12, struct.pack("<I", image.header.image_size - 4))


@_mutation("header-image-size-long", "the header claims a payload one word longer, into the TLVs")
def _header_image_size_long(image: ParsedImage) -> bytes:
    return _put(image.data, 12, struct.pack("<I", image.header.image_size + 4))


@_mutation("header-protected-size-zero", "the header claims that there are no protected TLVs")
def _header_protected_size_zero(image: ParsedImage) -> bytes:
    return _put(image.data, 10, struct.pack("<H", 0))


# ---- Each TLV: taken out, there twice, empty, too long ----

_NAMES = {
    "hash": (TlvType.SHA256,),
    "key-hash": (TlvType.KEYHASH,),
    "signature": (TlvType.ECDSA_SIG, TlvType.ED25519),
    "counter": (TlvType.SEC_CNT,),
    "vendor": (TlvType.UUID_VID,),
    "class": (TlvType.UUID_CID,),
}


def _block(magic: int, tlvs: Iterable[tuple[int, bytes]]) -> bytes:
    entries = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in tlvs)
    return struct.pack("<HH", magic, 4 + len(entries)) + entries


def _rebuilt(image: ParsedImage, tlvs: Iterable[tuple[int, bytes, bool]]) -> bytes:
    """The image with these TLVs (type, value, protected) in place of its own, the header's length of them set right."""
    listed = list(tlvs)
    protected = _block(TLV_PROTECTED_INFO_MAGIC, [(kind, value) for kind, value, inner in listed if inner])
    plain = _block(TLV_INFO_MAGIC, [(kind, value) for kind, value, inner in listed if not inner])
    start = image.header.header_size + image.header.image_size
    body = _put(image.data[:start], 10, struct.pack("<H", len(protected)))
    return body + protected + plain


def _edited(kinds: tuple[int, ...], edit: Callable[[Tlv], list[bytes]]) -> _Break:
    """Replace the TLV of one of these kinds by as many as `edit` gives values for."""

    def change(image: ParsedImage) -> bytes:
        target = _need(image, *kinds)
        return _rebuilt(
            image,
            [
                (tlv.type, value, tlv.protected)
                for tlv in image.tlvs
                for value in (edit(tlv) if tlv.offset == target.offset else [tlv.value])
            ],
        )

    return change


def _inverted(value: bytes) -> bytes:
    return bytes(byte ^ 0xFF for byte in value)


for _name, _kinds in _NAMES.items():
    _mutation(f"tlv-{_name}-removed", f"the {_name} TLV is taken out")(_edited(_kinds, lambda tlv: []))
    _mutation(f"tlv-{_name}-twice", f"a second {_name} TLV, another one, stands behind the right one")(
        _edited(_kinds, lambda tlv: [tlv.value, _inverted(tlv.value)])
    )
    _mutation(f"tlv-{_name}-before", f"another {_name} TLV stands before the right one")(
        _edited(_kinds, lambda tlv: [_inverted(tlv.value), tlv.value])
    )
    _mutation(f"tlv-{_name}-empty", f"the {_name} TLV has a length of 0")(_edited(_kinds, lambda tlv: [b""]))
    _mutation(f"tlv-{_name}-long", f"the {_name} TLV is four bytes longer than it may be")(
        _edited(_kinds, lambda tlv: [tlv.value + bytes(4)])
    )

for _name in ("counter", "vendor", "class"):
    _mutation(f"tlv-{_name}-changed", f"the protected {_name} TLV is changed without signing again")(
        _edited(_NAMES[_name], lambda tlv: [_inverted(tlv.value)])
    )


def _and_rehash(broken: bytes) -> bytes:
    image = parse_image(broken)
    return _rehash(image, broken)


@_mutation("tlv-counter-removed-rehashed", "the security counter is taken out and the hash made right again")
def _counter_removed_rehashed(image: ParsedImage) -> bytes:
    return _and_rehash(_edited(_NAMES["counter"], lambda tlv: [])(image))


@_mutation("tlv-vendor-changed-rehashed", "the vendor is changed and the hash made right again")
def _vendor_changed_rehashed(image: ParsedImage) -> bytes:
    return _and_rehash(_edited(_NAMES["vendor"], lambda tlv: [_inverted(tlv.value)])(image))


@_mutation(
    "tlv-counter-unprotected", "a higher security counter is added where the signature does not cover it"
)
def _counter_unprotected(image: ParsedImage) -> bytes:
    own = [(tlv.type, tlv.value, tlv.protected) for tlv in image.tlvs]
    return _rebuilt(image, [*own, (TlvType.SEC_CNT, b"\xff\xff\xff\x7f", False)])


@_mutation("tlv-dependency-unprotected", "a dependency is added where the signature does not cover it")
def _dependency_unprotected(image: ParsedImage) -> bytes:
    own = [(tlv.type, tlv.value, tlv.protected) for tlv in image.tlvs]
    return _rebuilt(image, [*own, (TlvType.DEPENDENCY, bytes(12), False)])


@_mutation("tlv-hash-protected", "a second hash stands among the protected TLVs")
def _hash_protected(image: ParsedImage) -> bytes:
    own = [(tlv.type, tlv.value, tlv.protected) for tlv in image.tlvs]
    return _rebuilt(image, [*own, (TlvType.SHA256, _need(image, TlvType.SHA256).value, True)])


@_mutation(
    "tlv-encryption-key", "a TLV with the key of an encrypted image is added to a plain one, flag and all"
)
def _encryption_key(image: ParsedImage) -> bytes:
    own = [(tlv.type, tlv.value, tlv.protected) for tlv in image.tlvs]
    broken = _rebuilt(image, [*own, (TlvType.ENC_EC256, bytes(113), False)])
    return _put(broken, 16, struct.pack("<I", image.header.flags | ImageFlag.ENCRYPTED_AES128))


@_mutation("tlv-block-magic", "the magic of the plain TLVs is that of the protected ones")
def _block_magic(image: ParsedImage) -> bytes:
    return _put(image.data, image.hashed_length, struct.pack("<H", TLV_PROTECTED_INFO_MAGIC))


@_mutation("tlv-block-empty", "the TLV block ends right after its head")
def _block_empty(image: ParsedImage) -> bytes:
    return image.data[: image.hashed_length] + struct.pack("<HH", TLV_INFO_MAGIC, 4)


@_mutation("tlv-block-short", "the TLV block claims less than its own head")
def _block_short(image: ParsedImage) -> bytes:
    return _put(image.data, image.hashed_length + 2, struct.pack("<H", 3))


@_mutation("tlv-protected-length", "the protected block and the header disagree on its length")
def _protected_length(image: ParsedImage) -> bytes:
    start = image.header.header_size + image.header.image_size
    return _put(image.data, start + 2, struct.pack("<H", image.header.protected_tlv_size + 4))


@_mutation("payload-trailer", "a swap trailer, magic and all, is forged at the end of the payload")
def _payload_trailer(image: ParsedImage) -> bytes:
    end = image.header.header_size + image.header.image_size
    return _put(image.data, end - len(_FORGED_TRAILER), _FORGED_TRAILER)
