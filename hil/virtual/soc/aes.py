"""The AES-128 module that ECB, CCM and AAR share (nRF52840 Product Specification, CCM, Shared resources).

"The ECB will always have the lowest priority. If there is a sharing conflict during encryption, the ECB operation
will be aborted and an ERRORECB event will be generated."
"""

from __future__ import annotations

from collections.abc import Callable

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

BLOCK = 16


class AesModule:
    """Who uses the module: CCM and AAR say in ``users`` whether they do; ``on_conflict`` is ECB's."""

    def __init__(self) -> None:
        self.users: list[Callable[[], bool]] = []
        self.on_conflict: Callable[[], None] | None = None

    @property
    def busy(self) -> bool:
        """CCM or AAR has the module."""
        return any(uses() for uses in self.users)

    def take(self) -> None:
        """CCM or AAR begins: ECB has to give way."""
        if self.on_conflict is not None:
            self.on_conflict()


def encrypt_block(key: bytes, block: bytes) -> bytes:
    """AES-128 of one block of 16 bytes (FIPS-197)."""
    encryptor = Cipher(algorithms.AES(key), modes.ECB()).encryptor()
    return encryptor.update(block)


def count(key: bytes, start: bytes, data: bytes) -> bytes:
    """AES-128 in counter mode from the counter block ``start``."""
    encryptor = Cipher(algorithms.AES(key), modes.CTR(start)).encryptor()
    return encryptor.update(data)
