"""SMP over a console: lines of base64 with a CRC.

Zephyr, "SMP over console": a packet is a start marker 06 09 or a continuation marker 04 14, base64 text
and a line feed. Decoded and joined they are a big-endian length, the message and a CRC-16/XMODEM over the
message; the length counts message and CRC.
"""

from __future__ import annotations

import binascii
import struct

from smp.packet import encode

from hil.dfu.smp_header import MAX_MESSAGE

START = b"\x06\x09"
CONTINUATION = b"\x04\x14"
MAX_LINE = 127
"""Longest line sent, with marker and line feed: what Zephyr's console takes by default."""

_CRC_SIZE = 2


def packet_lines(message: bytes) -> bytes:
    """The lines to send for a message."""
    return b"".join(encode(message, line_length=MAX_LINE))


class PacketAssembler:
    """Messages out of frame lines, as a console hands them over (without the log text between them).

    A damaged packet (bad base64, bad CRC, a missing line) is dropped and counted in `damaged`, as a
    receiver on a noisy line must: the sender's time-out repairs it.
    """

    def __init__(self) -> None:
        self._packet = bytearray()
        self._begun = False
        self.damaged = 0

    def feed(self, line: bytes) -> bytes | None:
        """Take one line, from its marker to its line feed; return the message it completes, if any."""
        marker, text = line[:2], line[2:].rstrip(b"\r\n")
        if marker == START:
            self.damaged += self._begun
            self._packet.clear()
            self._begun = True
        elif marker != CONTINUATION or not self._begun:
            self.damaged += 1
            return None
        try:
            self._packet += binascii.a2b_base64(text, strict_mode=True)
            message = self._whole_message()
        except ValueError:  # bad base64 (binascii.Error) or what _whole_message found
            self.damaged += 1
            self.reset()
            return None
        if message is not None:
            self.reset()
        return message

    def reset(self) -> None:
        """Forget a packet whose rest will not come."""
        self._packet.clear()
        self._begun = False

    def _whole_message(self) -> bytes | None:
        """The message once it is all there. Raises ValueError if it can never be."""
        if len(self._packet) < 2:
            raise ValueError("no length")
        (length,) = struct.unpack_from(">H", self._packet)
        if not _CRC_SIZE <= length <= MAX_MESSAGE + _CRC_SIZE or len(self._packet) > 2 + length:
            raise ValueError("bad length")
        if len(self._packet) < 2 + length:
            return None
        message = bytes(self._packet[2:-_CRC_SIZE])
        (crc,) = struct.unpack_from(">H", self._packet, 2 + length - _CRC_SIZE)
        if binascii.crc_hqx(message, 0) != crc:
            raise ValueError("bad CRC")
        return message
