"""Signed envelopes (DSSE): any bytes with a type, signed by a key file, verified with the public key alone.

Source: github.com/secure-systems-lab/dsse, protocol.md and envelope.md; signatures by securesystemslib.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from securesystemslib.dsse import Envelope
from securesystemslib.exceptions import VerificationError
from securesystemslib.signer._crypto_signer import CryptoSigner
from securesystemslib.signer._key import SSlibKey

from hil.errors import InputError

STATEMENT_TYPE = "application/vnd.in-toto+json"
MANIFEST_TYPE = "application/vnd.hil.evidence-manifest+json"
PASSWORD = "HIL_KEY_PASSWORD"
"""Environment variable with the password of an encrypted key file."""
MAX_ENVELOPE = 64 * 1024 * 1024
"""Bytes of an envelope file; a larger one is refused."""


def load_signer(path: Path) -> CryptoSigner:
    """A signer from a private key in PEM (PKCS#8), Ed25519 or P-256. Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the key: {error.strerror}") from None
    password = os.environ.get(PASSWORD)
    try:
        private = serialization.load_pem_private_key(data, password.encode() if password else None)
    except TypeError:
        told = (
            f"is encrypted: give its password in {PASSWORD}"
            if not password
            else "is not encrypted: unset " + PASSWORD
        )
        raise InputError(f"{path}: the key {told}") from None
    except (ValueError, UnsupportedAlgorithm):
        wrong = " or the password is wrong" if password else ""
        raise InputError(f"{path}: not a private key in PEM, Ed25519 or P-256{wrong}") from None
    if isinstance(private, ed25519.Ed25519PrivateKey):
        return CryptoSigner(private)
    if isinstance(private, ec.EllipticCurvePrivateKey) and isinstance(private.curve, ec.SECP256R1):
        return CryptoSigner(private)
    raise InputError(f"{path}: expected an Ed25519 or P-256 key, got {type(private).__name__}")


def load_public(path: Path) -> SSlibKey:
    """A public key in PEM, Ed25519 or P-256. Raises InputError."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot read the key: {error.strerror}") from None
    if b"PRIVATE KEY" in data:
        raise InputError(f"{path}: is a private key; give the public one: openssl pkey -in {path} -pubout")
    try:
        public = serialization.load_pem_public_key(data)
    except (ValueError, UnsupportedAlgorithm):
        raise InputError(f"{path}: not a public key in PEM, Ed25519 or P-256") from None
    supported = isinstance(public, ed25519.Ed25519PublicKey) or (
        isinstance(public, ec.EllipticCurvePublicKey) and isinstance(public.curve, ec.SECP256R1)
    )
    if not supported:
        raise InputError(f"{path}: expected an Ed25519 or P-256 key, got {type(public).__name__}")
    key: SSlibKey = SSlibKey.from_crypto(public)
    return key


def seal(payload: bytes, payload_type: str, signer: CryptoSigner) -> bytes:
    """The envelope's file."""
    envelope = Envelope(payload, payload_type, {})
    envelope.sign(signer)
    return (json.dumps(envelope.to_dict(), indent=2, sort_keys=True) + "\n").encode()


def unseal(data: bytes, payload_type: str, where: str, key: SSlibKey | None) -> tuple[bytes, str | None]:
    """The payload of an envelope, and why its signature does not hold, or None.

    Without a key only the form is looked at. Raises InputError when it is no envelope of this type.
    """
    if len(data) > MAX_ENVELOPE:
        raise InputError(f"{where}: {len(data)} bytes, too large for an envelope")
    try:
        body: Any = json.loads(data)
        envelope = Envelope.from_dict(body)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise InputError(f"{where}: not a DSSE envelope") from None
    if envelope.payload_type != payload_type:
        raise InputError(f"{where}: holds {envelope.payload_type!r}, expected {payload_type!r}")
    if key is None:
        return envelope.payload, "no public key was given: nobody is known to have signed it"
    try:
        envelope.verify([key], 1)
    except (VerificationError, ValueError) as error:
        signers = ", ".join(sorted(envelope.signatures)) or "nobody"
        mine = key.keyid in envelope.signatures
        if mine:
            return envelope.payload, f"the signature does not hold: {str(error).splitlines()[0]}"
        return envelope.payload, f"is signed by another key ({signers}), not by the one given ({key.keyid})"
    return envelope.payload, None
