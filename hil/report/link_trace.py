"""What a capture of HCI traffic says of the link over time: when it was up, and how much went over it.

Source: btsnoop as hil.ble.btsnoop writes it; events by Core 5.4, Vol 4, Part E, 7.7 (Disconnection Complete 0x05, LE
Meta 0x3E with LE Connection Complete 0x01, Enhanced 0x0A, PHY Update Complete 0x0C). The file may be cut short.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass, field
from pathlib import Path

_HEAD = struct.Struct(">8sII")
_RECORD = struct.Struct(">IIIIQ")
_EPOCH_US = 0x00DCDDB30F2F8000
MAX_BYTES = 64 * 1024 * 1024
MAX_RECORDS = 500_000
_PHYS = {1: "1M", 2: "2M", 3: "coded"}


@dataclass
class LinkTrace:
    """Times are seconds on the bench's clock."""

    up: list[tuple[float, float | None]] = field(default_factory=list)
    """From when to when a link was up; None: it was still up at the end."""
    phys: list[tuple[float, str]] = field(default_factory=list)
    data: list[tuple[float, int]] = field(default_factory=list)
    """When a data packet passed between host and controller, and its bytes."""


def read(path: Path) -> LinkTrace:
    """Read a capture; what is not one gives an empty trace."""
    trace = LinkTrace()
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES)
    except OSError:
        return trace
    if len(content) < _HEAD.size or not content.startswith(b"btsnoop\x00"):
        return trace
    at = _HEAD.size
    for _ in range(MAX_RECORDS):
        if at + _RECORD.size > len(content):
            break
        _, length, _, _, when = _RECORD.unpack_from(content, at)
        at += _RECORD.size
        packet = content[at : at + length]
        if len(packet) < length:
            break
        at += length
        _take(trace, (when - _EPOCH_US) / 1e6, packet)
    return trace


def _take(trace: LinkTrace, when: float, packet: bytes) -> None:
    kind = packet[0] if packet else 0
    if kind == 0x02:
        trace.data.append((when, len(packet)))
    if kind != 0x04 or len(packet) < 4:
        return
    code, subevent = packet[1], packet[3]
    if code == 0x05 and trace.up and trace.up[-1][1] is None:
        trace.up[-1] = (trace.up[-1][0], when)
    elif code == 0x3E and subevent in (0x01, 0x0A) and len(packet) > 4 and packet[4] == 0:
        trace.up.append((when, None))
    elif code == 0x3E and subevent == 0x0C and len(packet) >= 9 and packet[4] == 0:
        trace.phys.append((when, _PHYS.get(packet[7], "another PHY")))
