"""An external anchor: a time-stamp token (RFC 3161) over a bundle's envelope, by an authority of the user's choice.

Nothing here goes on the network: the request is a file to be sent, the answer a file to be put in.
"""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

from cryptography import x509
from rfc3161_client import (
    HashAlgorithm,
    TimestampRequestBuilder,
    VerificationError,
    VerifierBuilder,
    decode_timestamp_response,
)

from hil.errors import InputError

TOKEN = "timestamp.tsr"


def request(envelope: bytes) -> bytes:
    """The request over an envelope's bytes, as `openssl ts -query` writes it; without a nonce, so that it repeats."""
    builder = TimestampRequestBuilder(data=envelope, hash_algorithm=HashAlgorithm.SHA256, nonce=False)
    return bytes(builder.build().as_bytes())


def verify(token: bytes, envelope: bytes, certificates: Path) -> tuple[datetime | None, str | None]:
    """When the authority saw the envelope, and why the token does not hold, or None.

    `certificates` is PEM: the authority's root, or its own certificate. Raises InputError when it is not.
    """
    try:
        roots = x509.load_pem_x509_certificates(certificates.read_bytes())
    except (OSError, ValueError):
        raise InputError(f"{certificates}: not a certificate in PEM") from None
    try:
        response = decode_timestamp_response(token)
    except ValueError as error:
        return None, f"is no time-stamp response: {error}"
    builder = VerifierBuilder()
    for certificate in roots:
        builder = builder.add_root_certificate(certificate)
    try:
        builder.build().verify_message(response, envelope)
    except (VerificationError, ValueError) as error:
        return None, f"the time-stamp does not hold for this envelope and authority: {error}"
    return response.tst_info.gen_time, None
