"""Signs an image with imgtool, so that the same input gives the same bytes.

imgtool's own ECDSA signatures are random, and a random DER signature changes length and so the timing of a
whole run. The signature is therefore made here by RFC 6979 (deterministic ECDSA) over what imgtool says is to be
signed, and handed back to it as a fixed signature.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import click
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from imgtool import keys as imgtool_keys
from imgtool.image import Image
from imgtool.version import SemiSemVersion

from hil.errors import InputError
from hil.image.keys import SigningKey
from hil.image.mcuboot import ImageVersion, parse_image

HEADER_SIZE = 0x200
"""Bytes from the image's start to the vector table: VTOR needs 512-byte alignment for the nRF52840's 64 vectors."""
HARDWARE_TLV = 0xA0
"""Lowest and highest hardware revision, two 32-bit numbers: one of the vendor's own TLV types (image.h)."""
_LEAST_PAYLOAD = 8
"""Bytes of the two vectors without which nothing starts: stack pointer and reset handler."""


@dataclass(frozen=True)
class SignedImage:
    """A signed image and what names it on the device."""

    data: bytes
    version: ImageVersion
    hash: bytes
    """The image hash (TLV 0x10): SMP's image state names an image by it."""
    name: str = "image"

    @property
    def digest(self) -> bytes:
        """SHA-256 over the whole file: SMP's upload request carries it to tell uploads apart."""
        return hashlib.sha256(self.data).digest()

    @classmethod
    def from_bytes(cls, data: bytes, name: str = "image") -> SignedImage:
        """Take an image that somebody else signed. Raises InputError where its structure is unsound."""
        parsed = parse_image(data, name)
        return cls(parsed.data, parsed.header.version, parsed.hash, name)


def sign_image(
    payload: bytes,
    key: SigningKey,
    version: ImageVersion,
    *,
    security_counter: int | None = None,
    vendor: UUID | None = None,
    device_class: UUID | None = None,
    dependencies: Mapping[int, ImageVersion] | None = None,
    hardware: tuple[int, int] | None = None,
    slot_size: int = 0,
    name: str = "image",
) -> SignedImage:
    """Put header, TLVs and signature around `payload` (a raw binary that starts with its vector table).

    `slot_size` in bytes bounds image and trailer, 0 for no bound. `dependencies` maps an image number to the
    lowest version of it that this image needs. `hardware` are the lowest and the highest hardware revision that it
    runs on, in a protected TLV of the bundled device's own (firmware/README.md). Raises InputError with imgtool's
    reason.
    """
    if len(payload) < _LEAST_PAYLOAD:
        raise InputError(f"{name}: {len(payload)} bytes, too short for an application's vector table")

    def build(**signature: Any) -> Image:
        image = Image(
            version=SemiSemVersion(version.major, version.minor, version.revision, version.build),
            header_size=HEADER_SIZE,
            pad_header=True,
            align=4,
            max_align=8,
            slot_size=slot_size,
            security_counter=security_counter,
            vid=str(vendor) if vendor else None,
            cid=str(device_class) if device_class else None,
        )
        image.load(str(source))
        depends = None
        if dependencies:
            depends = {
                "images": list(dependencies),
                "versions": [
                    SemiSemVersion(v.major, v.minor, v.revision, v.build) for v in dependencies.values()
                ],
            }
        custom = {HARDWARE_TLV: struct.pack("<II", *hardware)} if hardware is not None else None
        image.create(
            None, "hash", None, dependencies=depends, pub_key=public, custom_tlvs=custom, **signature
        )
        return image

    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        source = Path(folder) / "payload.bin"
        source.write_bytes(payload)
        pem = Path(folder) / "public.pem"
        pem.write_bytes(key.public_pem())
        public = imgtool_keys.load(str(pem))
        try:
            if isinstance(key.private, ed25519.Ed25519PrivateKey):
                digest = bytes(build(vector_to_sign="digest").payload)
                signature = key.private.sign(digest)
            else:
                message = bytes(build(vector_to_sign="payload").payload)
                signature = key.private.sign(message, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
            image = build(fixed_sig={"value": signature})
            if slot_size:
                image.check_trailer()
        except click.UsageError as error:
            raise InputError(f"{name}: imgtool: {error.message}") from None
    return SignedImage(bytes(image.payload), version, image.image_hash, name)
