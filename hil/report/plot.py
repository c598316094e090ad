"""The throughput plot, as SVG that is the same for the same figures."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any


def throughput_svg(rows: Sequence[dict[str, Any]]) -> str:
    """Bars of the measured rates with their ceilings, as an `<svg>` element to be put into a page.

    `rows` are those of throughput.csv. The text stays text, so that it can be searched and read aloud.
    """
    # matplotlib takes half a second to import, which only a run with figures should pay for.
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    ordered = sorted(rows, key=by_link, reverse=True)
    # A fixed salt and no date: else the ids in the file differ each time.
    with rc_context({"svg.hashsalt": "hil", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure = Figure(figsize=(9.0, 0.9 + 0.34 * len(ordered)))
        axes = figure.subplots()
        places = range(len(ordered))
        measured = [row["bytes_per_second"] / 1000 for row in ordered]
        ceilings = [row["ceiling_bytes_per_second"] / 1000 for row in ordered]
        axes.barh(places, ceilings, color="#d8dee6", height=0.72, label="ceiling (closed form)")
        axes.barh(places, measured, color="#2f6fab", height=0.42, label="measured")
        for place, value, ceiling in zip(places, measured, ceilings, strict=True):
            axes.annotate(
                f"{value:.1f}",
                (max(value, ceiling), place),
                (4, 0),
                textcoords="offset points",
                va="center",
                fontsize=8,
            )
        axes.set_yticks(list(places), [_label(row) for row in ordered], fontsize=8)
        axes.set_xlabel("kB/s")
        axes.set_xlim(0, 1.12 * max([*measured, *ceilings, 0.001]))
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(loc="lower left", bbox_to_anchor=(0, 1), ncols=2, fontsize=8, frameon=False)
        figure.tight_layout()
        text = io.StringIO()
        figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    whole = text.getvalue()
    return whole[whole.index("<svg") :]


def by_link(row: dict[str, Any]) -> tuple[Any, ...]:
    """Sort key: what was measured, then over which link."""
    return row["kind"], row["phy"], row["mtu"], row["data_length"], row["interval_ms"], row["case"]


def _label(row: dict[str, Any]) -> str:
    return f"{row['kind']}, {row['phy']}, MTU {row['mtu']}, {row['interval_ms']:g} ms"
