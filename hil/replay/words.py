"""What crossed a wire, in words for people: SCPI text, names of HCI packets, debug registers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

LIMIT = 300
_ACL = 2
_DP = {0x0: "DPIDR/ABORT", 0x4: "CTRL/STAT", 0x8: "SELECT", 0xC: "RDBUFF"}
_AP = {0x00: "CSW", 0x04: "TAR", 0x0C: "DRW", 0xFC: "IDR", 0xF8: "BASE"}


def call(operation: str, arguments: Sequence[Any]) -> str:
    """A call, such as `write "OUTP ON"` or `write_ap DRW (0x0c), 0x1`."""
    texts = [_value(each) for each in arguments]
    names = _DP if operation.endswith("_dp") else _AP if "_ap" in operation else {}
    if names and arguments and isinstance(arguments[0], int):
        register = names.get(arguments[0] & 0xFF)
        if register is not None:
            texts[0] = f"{register} ({texts[0]})"
    return _short(f"{operation} {', '.join(texts)}".strip())


def data(wire: str, content: bytes) -> str:
    """Data on a wire of packets or bytes."""
    return _short(_packet(content) if wire in ("central", "spare") else repr(content))


def first_difference(recorded: bytes, now: bytes) -> str:
    """Where two pieces of data differ, for those too long to compare by eye."""
    for index, (then, here) in enumerate(zip(recorded, now, strict=False)):
        if then != here:
            return f"byte {index} is {here:02x}, was {then:02x}"
    return f"{len(now)} bytes, were {len(recorded)}"


def _packet(packet: bytes) -> str:
    """An H4 packet by name; the bytes follow."""
    from bumble import hci

    try:
        if packet[:1] == bytes([_ACL]):
            handle = int.from_bytes(packet[1:3], "little") & 0xFFF
            channel = int.from_bytes(packet[7:9], "little")
            return f"ACL data, handle {handle}, channel {channel}: {packet[9:].hex(' ')}"
        name = hci.HCI_Packet.from_bytes(packet).name
    except Exception:  # of whatever class: a log may hold anything
        name = "HCI packet"
    return f"{name}: {packet.hex(' ')}"


def _value(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"0x{value:x}"
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list) and len(value) > 4:
        return f"[{', '.join(_value(each) for each in value[:4])}, ... {len(value)} in all]"
    if isinstance(value, list):
        return f"[{', '.join(_value(each) for each in value)}]"
    return repr(value)


def _short(text: str) -> str:
    return text if len(text) <= LIMIT else f"{text[:LIMIT]}..."
