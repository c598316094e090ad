"""Link encryption: session key and AES-CCM (Core 5.4, Vol 6 Part B 5.1.3 and Part E)."""

from __future__ import annotations

from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESCCM

MIC_OCTETS = 4


def aes_128(key: bytes, block: bytes) -> bytes:
    """The security function e of HCI and LL: key and block least significant octet first."""
    cipher = Cipher(algorithms.AES(key[::-1]), modes.ECB()).encryptor()  # one block: no mode involved
    return cipher.update(block[::-1])[::-1]


class Session:
    """The keys and packet counters of one encrypted connection, seen from one end.

    `ltk`, `skd` and `iv` are least significant octet first, as in the PDUs; central is True at the central.
    """

    def __init__(self, ltk: bytes, skd: bytes, iv: bytes, central: bool) -> None:
        # SKDm and IVm come first in the PDU order; the session key is e(LTK, SKD), SKDs most significant.
        self._ccm = AESCCM(aes_128(ltk, skd)[::-1], tag_length=MIC_OCTETS)
        self._iv = iv
        self._sent = 0
        self._received = 0
        self._tx_direction = 0x80 if central else 0x00
        self._rx_direction = 0x00 if central else 0x80

    def __deepcopy__(self, memo: dict[int, Any]) -> Session:
        copy = object.__new__(Session)
        copy.__dict__.update(self.__dict__)
        return copy

    def _nonce(self, counter: int, direction: int) -> bytes:
        packed = bytearray(counter.to_bytes(5, "little"))
        packed[4] |= direction
        return bytes(packed) + self._iv

    def encrypt(self, llid: int, payload: bytes) -> bytes:
        """The payload of a new PDU, with its MIC. NESN, SN and MD do not count in the header's octet."""
        nonce = self._nonce(self._sent, self._tx_direction)
        self._sent += 1
        return self._ccm.encrypt(nonce, payload, bytes((llid,)))

    def decrypt(self, llid: int, payload: bytes) -> bytes | None:
        """The plaintext of a received new PDU, or None if its MIC is wrong."""
        nonce = self._nonce(self._received, self._rx_direction)
        self._received += 1
        try:
            return self._ccm.decrypt(nonce, payload, bytes((llid,)))
        except InvalidTag:
            return None
