"""The page of a throughput matrix, from its throughput.json: heat maps, waterfalls, table, the ATT MTU explained."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import jinja2

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("hil.report"), autoescape=True, undefined=jinja2.StrictUndefined
)

Row = dict[str, Any]

COLUMNS = {
    "link": "Link alone, host to host",
    "device": "Device, without its flash",
    "dfu": "Upload",
}
_RAW = {"1M": 125_000.0, "2M": 250_000.0, "S2": 62_500.0, "S8": 15_625.0}
"""Bytes per second of bits on the air (Core 5.4, Vol 6 Part A, 1)."""
_STAGES = (
    ("air", "air"),
    ("hci_uart", "HCI UART"),
    ("storage", "flash, processor"),
    ("round_trips", "round trips"),
)
_CURVE = {"width": 960, "height": 240, "left": 56, "bottom": 24}


def page(found: dict[str, Any]) -> str:
    """The whole page, complete in itself, without scripts."""
    rows: list[Row] = found["rows"]
    return _templates.get_template("throughput.html").render(
        found=found,
        maps=[_map(column, title, of_column) for column, title, of_column in _columns(rows)],
        falls=[fall for _, title, of_column in _columns(rows) for fall in _falls(title, of_column)],
        rows=rows,
        curve=_curve(found["mtu_curve"]),
        erased=found["matrix"]["erased_ahead"],
    )


def _columns(rows: Sequence[Row]) -> list[tuple[str, str, list[Row]]]:
    found = (
        (column, title, [row for row in rows if row["column"] == column]) for column, title in COLUMNS.items()
    )
    return [entry for entry in found if entry[2]]


def _map(column: str, title: str, rows: Sequence[Row]) -> dict[str, Any]:
    """Links from top to bottom, interval and manner of writing from left to right; colour is efficiency."""
    across = sorted({_across(row) for row in rows})
    down = list(dict.fromkeys(_down(row) for row in rows))
    cells = {(_down(row), _across(row)): _cell(row) for row in rows}
    return {
        "title": title,
        "across": [_label(entry) for entry in across],
        "rows": [(name, [cells.get((name, entry)) for entry in across]) for name in down],
    }


def _down(row: Row) -> str:
    return f"{row['phy']}, MTU {row['mtu']}, DLE {row['data_length']}"


def _across(row: Row) -> tuple[Any, ...]:
    asked = (row.get("asked_message", 0), row.get("asked_window", 0))
    return (row["response"], row["encrypted"], *asked, row["interval_ms"])


def _label(entry: tuple[Any, ...]) -> str:
    response, encrypted, message, window, interval = entry
    parts = [f"{interval:g} ms"]
    parts += ["with response"] * bool(response) + ["encrypted"] * bool(encrypted)
    parts += [f"{message} B"] * bool(message) + [f"window {window}"] * bool(window)
    return ", ".join(parts)


def _cell(row: Row) -> dict[str, Any]:
    if "bytes_per_second" not in row:
        reason = row.get("failed") or row.get("not_possible", "")
        return {"text": "failed" if "failed" in row else "–", "title": reason, "share": None}
    return {
        "text": f"{row['bytes_per_second'] / 1000:.1f}",
        "title": row["words"],
        "share": max(0, min(100, round(row["efficiency"] * 100))),
    }


def _falls(title: str, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """For each PHY the fastest cell: what is left of the bits on the air behind each stage."""
    falls = []
    for phy in dict.fromkeys(row["phy"] for row in rows):
        measured = [row for row in rows if row["phy"] == phy and "bytes_per_second" in row]
        if not measured:
            continue
        best = max(measured, key=lambda row: row["bytes_per_second"])
        top = _RAW[phy]
        steps: list[tuple[str, float]] = [("bits on the air", top)]
        steps += [(name, best[key]) for key, name in _STAGES if key in best]
        steps.append(("measured", best["bytes_per_second"]))
        told = [
            {"name": name, "rate": value / 1000, "width": round(min(100.0, 100 * value / top), 1)}
            for name, value in steps
        ]
        falls.append(
            {
                "title": f"{title}: {_down(best)}, {best['interval_ms']:g} ms",
                "steps": told,
                "words": best["words"],
            }
        )
    return falls


def _curve(curves: dict[str, list[list[float]]]) -> dict[str, Any]:
    """Goodput on the air over the ATT MTU, as polylines."""
    width, height, left, bottom = (_CURVE[key] for key in ("width", "height", "left", "bottom"))
    top = max(value for points in curves.values() for _, value in points)
    most = max(mtu for points in curves.values() for mtu, _ in points)

    def x(mtu: float) -> float:
        return round(left + (width - left) * mtu / most, 1)

    def y(value: float) -> float:
        return round((height - bottom) * (1 - value / top / 1.05), 1)

    return {
        "width": width,
        "height": height,
        "left": left,
        "lines": [
            (phy, " ".join(f"{x(mtu)},{y(value)}" for mtu, value in points), y(points[-1][1]))
            for phy, points in curves.items()
        ],
        "marks": [(mtu, x(mtu)) for mtu in (23, 247, 498)],
        "rates": [(rate, y(rate * 1000)) for rate in (50, 100, 150)],
    }
