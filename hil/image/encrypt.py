"""Encrypts a signed image for one device, so that the same input gives the same bytes.

Source: MCUboot, docs/encrypted_images.md, and imgtool: the payload by AES-128-CTR from counter 0 on, its key by ECIES
on P-256: an ephemeral key pair, HKDF-SHA256 over the shared secret, AES-128-CTR and HMAC-SHA256. Hash and signature are
those of the plain image whose header says that it is encrypted. imgtool draws the two keys at random; here they are
derived from the image and the device's key, which is what a test bench wants and nothing to ship.
"""

from __future__ import annotations

import hashlib
import hmac
import struct
from dataclasses import replace

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hil.errors import InputError
from hil.image.keys import SigningKey, bench_key
from hil.image.mcuboot import TLV_INFO_MAGIC, ImageFlag, TlvType, parse_image
from hil.image.sign import SignedImage

_INFO = b"MCUBoot_ECIES_v1"
_FLAGS_AT = 16


def encrypt_image(image: SignedImage, signer: SigningKey, device: ec.EllipticCurvePublicKey) -> SignedImage:
    """The image for the device that has the private half of `device`, signed anew by `signer`.

    Raises InputError when the image is unsound.
    """
    parsed = parse_image(image.data, image.name)
    flags = parsed.header.flags | ImageFlag.ENCRYPTED_AES128
    plain = bytearray(image.data[: parsed.hashed_length])
    struct.pack_into("<I", plain, _FLAGS_AT, flags)
    digest = hashlib.sha256(plain).digest()
    start = parsed.header.header_size
    end = start + parsed.header.image_size
    point = device.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    content_key = hashlib.sha256(b"content" + digest + point).digest()[:16]
    plain[start:end] = _counter_mode(content_key, bytes(plain[start:end]))
    tlvs = [
        (TlvType.SHA256, digest),
        (TlvType.KEYHASH, signer.key_hash),
        _signature(signer, digest),
        (TlvType.ENC_EC256, _wrapped(content_key, device, digest.hex())),
    ]
    entries = b"".join(struct.pack("<HH", kind, len(value)) + value for kind, value in tlvs)
    data = bytes(plain) + struct.pack("<HH", TLV_INFO_MAGIC, 4 + len(entries)) + entries
    return replace(image, data=data, hash=digest, name=f"{image.name} encrypted")


def _signature(signer: SigningKey, digest: bytes) -> tuple[int, bytes]:
    if isinstance(signer.private, ed25519.Ed25519PrivateKey):
        return TlvType.ED25519, signer.private.sign(digest)
    from cryptography.hazmat.primitives.asymmetric.utils import Prehashed

    algorithm = ec.ECDSA(Prehashed(hashes.SHA256()), deterministic_signing=True)
    return TlvType.ECDSA_SIG, signer.private.sign(digest, algorithm)


def _wrapped(content_key: bytes, device: ec.EllipticCurvePublicKey, name: str) -> bytes:
    """Ephemeral public key (65 bytes), HMAC (32), encrypted key (16)."""
    ephemeral = bench_key(f"ephemeral {name}").private
    if not isinstance(ephemeral, ec.EllipticCurvePrivateKey):
        raise InputError("an ephemeral key is on P-256")
    shared = ephemeral.exchange(ec.ECDH(), device)
    derived = HKDF(hashes.SHA256(), 48, salt=None, info=_INFO).derive(shared)
    cipher = _counter_mode(derived[:16], content_key)
    code = hmac.new(derived[16:], cipher, hashlib.sha256).digest()
    public = ephemeral.public_key().public_bytes(
        serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint
    )
    return public + code + cipher


def _counter_mode(key: bytes, data: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor()
    return encryptor.update(data) + encryptor.finalize()
