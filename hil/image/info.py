"""What an image says of itself, and whether it holds."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from hil.image.keys import SigningKey
from hil.image.mcuboot import ImageFlag, ParsedImage, TlvType, parse_image


def verify_signature(image: ParsedImage, key: SigningKey) -> bool:
    """Whether the image's signature holds for that key, over what the image contains and not what it claims."""
    public = key.private.public_key()
    try:
        if isinstance(public, ed25519.Ed25519PublicKey):
            tlv = image.tlv(TlvType.ED25519)
            if tlv is None:
                return False
            public.verify(tlv.value, image.computed_hash())
        elif isinstance(public, ec.EllipticCurvePublicKey):
            tlv = image.tlv(TlvType.ECDSA_SIG)
            if tlv is None:
                return False
            public.verify(tlv.value, image.data[: image.hashed_length], ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        return False
    return True


def image_info(data: bytes, where: str = "image", key: SigningKey | None = None) -> dict[str, Any]:
    """Header, TLVs and verdicts as plain values, ready for JSON. Raises InputError when the structure is unsound."""
    image = parse_image(data, where)
    header = image.header
    flags = ImageFlag(header.flags & sum(ImageFlag))
    hash_tlv = image.tlv(TlvType.SHA256)
    info: dict[str, Any] = {
        "version": str(header.version),
        "header_size": header.header_size,
        "image_size": header.image_size,
        "load_address": header.load_address,
        "flags": [flag.name for flag in flags],
        "security_counter": image.security_counter,
        "hash": hash_tlv.value.hex() if hash_tlv else None,
        "hash_holds": hash_tlv is not None and hash_tlv.value == image.computed_hash(),
        "tlvs": [
            {"type": tlv.name, "length": len(tlv.value), "protected": tlv.protected, "value": tlv.value.hex()}
            for tlv in image.tlvs
        ],
        "size": len(image.data),
        "trailing_bytes": len(data) - len(image.data),
    }
    if key is not None:
        info["signature_holds"] = verify_signature(image, key)
    return info
