"""What a cell came to: figures, which stage bounds it, and in words what to change."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from hil.ble.cell import Stage, narrowest
from hil.throughput.matrix import Column, Setting
from hil.throughput.measure import Measured

CLOSE = 0.9
"""A measurement at this share of its narrowest stage is said to be bound by it."""

Row = dict[str, Any]
COLUMNS = (
    "column",
    "phy",
    "mtu",
    "data_length",
    "interval_ms",
    "response",
    "encrypted",
    "asked_message",
    "asked_window",
    "message",
    "window",
    "got_mtu",
    "got_data_length",
    "got_interval_ms",
    "payload_bytes",
    "repeats",
    "bytes_per_second",
    "least",
    "most",
    "ceiling_bytes_per_second",
    "efficiency",
    "bound_by",
    "air",
    "hci_uart",
    "storage",
    "round_trips",
    "words",
    "not_possible",
    "failed",
)
"""The columns of throughput.csv; rates in bytes/s, efficiency from 0 to 1."""

_STAGE_COLUMNS = {"air": "air", "HCI UART": "hci_uart", "round trips": "round_trips"}

_CHANGE = {
    "air": "a faster PHY, a longer data length or a larger ATT MTU",
    "HCI UART": "a faster UART to the controller, or a controller on the chip",
    "round trips": "writing without response, or more requests in flight",
}


def row(setting: Setting, column: Column, measured: Sequence[Measured]) -> Row:
    """One line of the table. `measured` are the repeats, one at least."""
    first = measured[0]
    bound = narrowest(first.stages)
    rates = [each.bytes_per_second for each in measured]
    median = statistics.median(rates)
    efficiency = median / bound.bytes_per_second
    found = _asked(setting, column) | {
        "got_mtu": first.cell.mtu,
        "got_data_length": first.cell.data_length,
        "got_interval_ms": first.cell.interval_ms,
        "payload_bytes": first.payload_bytes,
        "repeats": len(rates),
        "bytes_per_second": round(median, 1),
        "least": round(min(rates), 1),
        "most": round(max(rates), 1),
        "ceiling_bytes_per_second": round(bound.bytes_per_second, 1),
        "efficiency": round(efficiency, 4),
        "bound_by": bound.name if efficiency >= CLOSE else "waiting",
        "words": words(first, bound, efficiency),
    }
    if column == "dfu":
        found |= {"message": first.message, "window": first.window}
    for stage in first.stages:
        found[_STAGE_COLUMNS.get(stage.name, "storage")] = round(stage.bytes_per_second, 1)
    return found


def impossible(setting: Setting, column: Column, reason: str) -> Row:
    """The line of a cell that cannot be."""
    return _asked(setting, column) | {"not_possible": reason}


def failed(setting: Setting, column: Column, reason: str) -> Row:
    """The line of a cell in which the device, or the link, failed."""
    return _asked(setting, column) | {"failed": reason}


def words(measured: Measured, bound: Stage, efficiency: float) -> str:
    """Which stage bounds a cell, and what would lift it."""
    share = f"{efficiency:.0%} of what the {bound} allows"
    if efficiency >= CLOSE:
        change = _CHANGE.get(bound.name) or (
            "an erase ahead of the upload"
            if "erase" in bound.name
            else "faster flash, or code that runs from RAM"
        )
        return f"{share}; {change} would lift it"
    waits = f"the rest is waiting, by intervals of {measured.cell.interval_ms:g} ms"
    if measured.window:
        in_flight = measured.window * measured.message / 1000
        return f"{share}; {waits}, with {measured.window} requests ({in_flight:.1f} kB) in flight"
    return f"{share}; {waits}, of which {measured.seconds / measured.cell.interval_ms * 1000:.0f} passed"


def _asked(setting: Setting, column: Column) -> Row:
    return {
        "column": column,
        "phy": setting.phy,
        "mtu": setting.mtu,
        "data_length": setting.data_length,
        "interval_ms": setting.interval_ms,
        "response": setting.response,
        "encrypted": setting.encrypted,
        "asked_message": setting.message,
        "asked_window": setting.window,
    }
