"""The SMP header, and messages put together again from pieces.

Header (Zephyr, "SMP Protocol Specification"): version and operation, flags, length of the CBOR payload
(big-endian), group (big-endian), sequence number, command.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from hil.dfu.errors import SmpProtocolError

_STRUCT = struct.Struct(">BBHHBB")
HEADER_SIZE = _STRUCT.size
MAX_MESSAGE = 16 * 1024
"""Longest message taken from a device; far above any buffer an MCU has."""

READ_RESPONSE = 1
WRITE_RESPONSE = 3


@dataclass(frozen=True)
class Header:
    """The eight bytes before every message."""

    operation: int
    version: int
    length: int
    group: int
    sequence: int
    command: int

    @classmethod
    def parse(cls, data: bytes | bytearray) -> Header:
        """Read a response's header. Raises SmpProtocolError if it is not one."""
        if len(data) < HEADER_SIZE:
            raise SmpProtocolError(f"a message of {len(data)} bytes, shorter than the SMP header")
        first, _, length, group, sequence, command = _STRUCT.unpack_from(data)
        header = cls(first & 7, first >> 3 & 3, length, group, sequence, command)
        if header.operation not in (READ_RESPONSE, WRITE_RESPONSE):
            raise SmpProtocolError(f"a message with operation {header.operation}, which is not a response")
        if HEADER_SIZE + length > MAX_MESSAGE:
            raise SmpProtocolError(f"a message that claims {length} bytes of payload")
        return header


class Reassembler:
    """Whole messages from fragments that follow each other without loss, as notifications do."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[bytes]:
        """Take a fragment; return the messages it completes.

        Raises SmpProtocolError for what is not a response, after dropping what was buffered: the next
        fragment is taken to begin a message.
        """
        self._buffer += data
        messages = []
        while len(self._buffer) >= HEADER_SIZE:
            try:
                end = HEADER_SIZE + Header.parse(self._buffer).length
            except SmpProtocolError:
                self.reset()
                raise
            if len(self._buffer) < end:
                break
            messages.append(bytes(self._buffer[:end]))
            del self._buffer[:end]
        return messages

    def reset(self) -> None:
        """Forget a message whose rest will not come."""
        self._buffer.clear()
