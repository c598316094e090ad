"""Signing keys: from a PEM file, or a bench's own, derived from a name so that every run has the same.

Derived keys are for test benches only: whoever knows the name has the key. They are provisioned into a
kit on the bench and never into a product.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from hil.errors import InputError

# Order of the NIST P-256 group (SEC 2 v2, 2.4.2); a private scalar lies in 1..n-1.
_P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

# The private half of MCUboot's root-ec-p256.pem, which is published and therefore no secret.
_PUBLISHED_SCALAR = 0xD798D52F8301243BD3542B7E55ED4C74611900B0F9505A824FE1E8EC063BCFF1

PrivateKey = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


@dataclass(frozen=True)
class SigningKey:
    """A private key that images are signed with; `name` is what messages call it."""

    private: PrivateKey
    name: str

    @property
    def algorithm(self) -> str:
        """`ecdsa-p256` or `ed25519`."""
        return "ed25519" if isinstance(self.private, ed25519.Ed25519PrivateKey) else "ecdsa-p256"

    @property
    def public_der(self) -> bytes:
        """SubjectPublicKeyInfo in DER; the KEYHASH TLV is its SHA-256 for ECDSA (imgtool, `get_public_bytes`)."""
        return self.private.public_key().public_bytes(
            serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    @property
    def public_raw(self) -> bytes:
        """X || Y (64 bytes) for P-256, the 32-byte key for Ed25519: as the provisioning page stores it."""
        public = self.private.public_key()
        if isinstance(public, ed25519.Ed25519PublicKey):
            return public.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        point = public.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
        return point[1:]

    @property
    def key_hash(self) -> bytes:
        return hashlib.sha256(self.public_der).digest()

    def public_pem(self) -> bytes:
        return self.private.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )

    def private_pem(self) -> bytes:
        return self.private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )


def bench_key(name: str, algorithm: str = "ecdsa-p256") -> SigningKey:
    """A key derived from `name` by HKDF-SHA256 (RFC 5869); the same name always gives the same key."""
    material = HKDF(
        hashes.SHA256(), 48, salt=None, info=b"hil bench signing key " + algorithm.encode()
    ).derive(name.encode())
    if algorithm == "ed25519":
        return SigningKey(ed25519.Ed25519PrivateKey.from_private_bytes(material[:32]), name)
    if algorithm == "ecdsa-p256":
        scalar = int.from_bytes(material, "big") % (_P256_ORDER - 1) + 1
        return SigningKey(ec.derive_private_key(scalar, ec.SECP256R1()), name)
    raise InputError(f"key algorithm {algorithm!r}: expected ecdsa-p256 or ed25519")


def published_key() -> SigningKey:
    """MCUboot's root-ec-p256.pem, the default of Zephyr and of nRF Connect SDK: a private key that everybody has.

    No device may start an image that it signed. Source: the file of that name at the root of MCUboot's repository.
    """
    return SigningKey(ec.derive_private_key(_PUBLISHED_SCALAR, ec.SECP256R1()), "MCUboot root-ec-p256")


def load_key(path: Path) -> SigningKey:
    """Read an unencrypted PEM private key (P-256 or Ed25519). Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the key: {error.strerror}") from None
    try:
        private = serialization.load_pem_private_key(data, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise InputError(f"{path}: not a private key in PEM without a password, P-256 or Ed25519") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return SigningKey(private, path.name)
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        return SigningKey(private, path.name)
    raise InputError(f"{path}: expected a P-256 or Ed25519 key, got {type(private).__name__}")
