"""What of pyOCD's DebugProbe and MemoryInterface is a call on the wire, for recording and for playing back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pyocd.probe.debug_probe import DebugProbe

PROPERTIES = (
    "vendor_name",
    "product_name",
    "description",
    "unique_id",
    "supported_wire_protocols",
    "capabilities",
    "wire_protocol",
)
"""Read from the probe each time, since one that is not open may know less."""

CALLS = (
    "open",
    "close",
    "connect",
    "disconnect",
    "swj_sequence",
    "swd_sequence",
    "jtag_sequence",
    "set_clock",
    "reset",
    "assert_reset",
    "is_reset_asserted",
    "flush",
    "read_pins",
    "write_pins",
    "read_dp",
    "write_dp",
    "read_ap",
    "write_ap",
    "read_ap_multiple",
    "write_ap_multiple",
)

MEMORY_CALLS = (
    "read_memory",
    "write_memory",
    "read_memory_block8",
    "write_memory_block8",
    "read_memory_block32",
    "write_memory_block32",
)

MEMORY = "get_memory_interface_for_ap"
BOARD = "associated_board_info"


def deferred(operation: str, arguments: Sequence[Any], named: dict[str, Any]) -> bool:
    """Whether a read asks for a function that gets the value, rather than for the value."""
    place = {"read_dp": 1, "read_ap": 1, "read_ap_multiple": 2, "read_memory": 2}.get(operation)
    if place is None:
        return False
    return not named.get("now", arguments[place] if len(arguments) > place else True)


def plain_arguments(operation: str, arguments: Sequence[Any], named: dict[str, Any]) -> list[Any]:
    """The arguments as values of a log; whether the answer may come later is no part of what crosses the wire."""
    names = {
        "read_dp": ("addr", "now"),
        "read_ap": ("addr", "now"),
        "read_ap_multiple": ("addr", "count", "now"),
        "read_memory": ("addr", "transfer_size", "now"),
    }.get(operation, ())
    given = [plain(argument) for name, argument in _named(names, arguments) if name != "now"]
    rest = sorted((name, plain(value)) for name, value in named.items() if name != "now")
    return given + [[name, value] for name, value in rest]


def _named(names: Sequence[str], arguments: Sequence[Any]) -> list[tuple[str, Any]]:
    padded = [*names, *[""] * max(0, len(arguments) - len(names))]
    return list(zip(padded, arguments, strict=False))


def plain(value: Any) -> Any:
    """A value as a log holds it: names of protocols and capabilities, lists for tuples and sets."""
    if isinstance(value, DebugProbe.Protocol | DebugProbe.Capability):
        return value.name
    if isinstance(value, set | frozenset):
        return sorted(plain(each) for each in value)
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    version, nominal = getattr(value, "ap_version", None), getattr(value, "nominal_address", None)
    if version is not None and nominal is not None:
        return [version.value, nominal]
    raise TypeError(f"{type(value).__name__} on the debug wire cannot be recorded")
