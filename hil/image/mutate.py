"""Breaks a signed image in a named way, as an attacker or a bad transport would.

Every mutation takes the bytes of a sound image and gives bytes that a careful bootloader must refuse. None
needs the private key.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Callable
from dataclasses import dataclass

from hil.errors import InputError
from hil.image.mcuboot import ParsedImage, Tlv, TlvType, parse_image

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
