"""The throughput plot, as SVG that is the same for the same figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from itertools import groupby
from typing import Any

Row = dict[str, Any]

KINDS = {
    "link": "Link alone",
    "device": "Device, without its flash",
    "dfu": "Upload into erased flash",
    "dfu with erase": "Upload into used flash",
}
"""What is measured, in the order in which it is shown; a kind that is not named here comes last under its own name."""

_WIDTH = 5.6  # inches; narrow enough that a phone shows the text in a size that can be read
_ROW, _TITLE, _AXIS = 0.24, 0.32, 0.75
_CEILING, _MEASURED, _INK, _FAINT = "#d3dae3", "#2f6fab", "#1d2733", "#5b6875"


def throughput_svg(rows: Sequence[Row]) -> str:
    """Bars of the measured rates within their ceilings, as an `<svg>` element to be put into a page.

    `rows` are those of throughput.csv. The text stays text, so that it can be searched and read aloud.
    """
    # matplotlib takes half a second to import, which only a run with figures should pay for.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    groups = [(kind, list(of_kind)) for kind, of_kind in groupby(sorted(rows, key=by_link), key=kind_of)]
    counts = [len(of_kind) for _, of_kind in groups]
    top = max([row["bytes_per_second"] for row in rows] + [row["ceiling_bytes_per_second"] for row in rows])
    settings: dict[Any, Any] = {
        "svg.hashsalt": "hil",  # a fixed salt and no date: else the ids in the file differ each time
        "svg.fonttype": "none",
        "text.parse_math": False,
        "font.family": "sans-serif",
        "font.size": 8,
        "text.color": _INK,
        "axes.edgecolor": _FAINT,
        "xtick.color": _FAINT,
        "axes.labelcolor": _FAINT,
    }
    with rc_context(settings):
        figure = Figure(figsize=(_WIDTH, _ROW * sum(counts) + _TITLE * len(counts) + _AXIS))
        panels = figure.subplots(len(groups), 1, squeeze=False, sharex=True, height_ratios=counts)[:, 0]
        for axes, (kind, of_kind) in zip(panels, groups, strict=True):
            _panel(axes, kind, of_kind)
        panels[0].set_xlim(0, 1.62 * max(top, 1) / 1000)
        panels[-1].spines["bottom"].set_visible(True)
        panels[-1].tick_params(axis="x", bottom=True, labelbottom=True)
        panels[-1].set_xlabel("kB/s")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="upper right", ncols=2, frameon=False, fontsize=7.5)
        figure.tight_layout(h_pad=0.6)
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def _panel(axes: Any, kind: str, rows: Sequence[Row]) -> None:
    """The bars of one kind, from top to bottom."""
    places = range(len(rows))
    measured = [row["bytes_per_second"] / 1000 for row in rows]
    ceilings = [row["ceiling_bytes_per_second"] / 1000 for row in rows]
    axes.barh(places, ceilings, color=_CEILING, height=0.74, label="ceiling")
    axes.barh(places, measured, color=_MEASURED, height=0.46, label="measured")
    for place, value, ceiling, row in zip(places, measured, ceilings, rows, strict=True):
        axes.annotate(
            f"{value:.1f} of {ceiling:.1f}, {row['bound_by']}",
            (max(value, ceiling), place),
            (4, 0),
            textcoords="offset points",
            va="center",
        )
    axes.set_yticks(list(places), [_label(row) for row in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title(KINDS.get(kind, kind), loc="left", fontsize=9, fontweight="bold", pad=4)
    axes.spines[["top", "right", "bottom"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.tick_params(axis="x", bottom=False, labelbottom=False)


def by_link(row: Row) -> tuple[Any, ...]:
    """Sort key: what was measured, then over which link."""
    kinds = list(KINDS)
    place = kinds.index(row["kind"]) if row["kind"] in kinds else len(kinds)
    return place, row["kind"], row["phy"], row["mtu"], row["data_length"], row["interval_ms"], row["case"]


def kind_of(row: Row) -> str:
    """What was measured."""
    return str(row["kind"])


def _label(row: Row) -> str:
    return f"{row['phy']}, MTU {row['mtu']}"
