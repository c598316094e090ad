"""Captures of HCI traffic in the BTSnoop format, which Wireshark and btmon open.

The format is RFC 1761's (snoop) with another magic and 64-bit times: a file header (identification
"btsnoop", version 1, datalink type 1002 for HCI UART, H4), then records of a 24-octet header and
the packet, everything big-endian.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

IDENTIFICATION = b"btsnoop\x00"
VERSION = 1
DATALINK_HCI_UART = 1002

UNIX_EPOCH_US = 0x00DCDDB30F2F8000
"""1970-01-01 in microseconds since the zero of a record's time, "midnight, January 1st, 0 AD".

The format pins that down by giving 2000-01-01 as 0x00E03AB44A676000, twelve days off the calendar."""

FROM_CONTROLLER = 0x01
COMMAND_OR_EVENT = 0x02

_COMMAND_PACKET = 0x01
_EVENT_PACKET = 0x04


class BtsnoopWriter:
    """Writes one capture. Every record is handed to the system at once, so a killed run keeps what it had.

    `target` is a path (created or emptied; OSError if that fails) or an open binary file, which is not
    closed. `clock` gives microseconds since 0000-01-01, for instance
    `lambda: UNIX_EPOCH_US + time.time_ns() // 1000`, or `UNIX_EPOCH_US` plus a virtual clock.
    """

    def __init__(self, target: Path | BinaryIO, clock: Callable[[], int]) -> None:
        self._own = isinstance(target, Path)
        self._file: BinaryIO = target.open("wb", buffering=0) if isinstance(target, Path) else target
        self._clock = clock
        self._file.write(IDENTIFICATION + struct.pack(">II", VERSION, DATALINK_HCI_UART))

    def write(self, packet: bytes, from_controller: bool) -> None:
        """Add one H4 packet, type octet first. Raises ValueError if it is empty."""
        if not packet:
            raise ValueError("an H4 packet has at least its type octet")
        flags = FROM_CONTROLLER if from_controller else 0
        if packet[0] in (_COMMAND_PACKET, _EVENT_PACKET):
            flags |= COMMAND_OR_EVENT
        length = len(packet)
        self._file.write(struct.pack(">IIIIQ", length, length, flags, 0, self._clock()) + packet)

    def close(self) -> None:
        """End the capture; may be called again."""
        if self._own:
            self._file.close()

    def __enter__(self) -> BtsnoopWriter:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
