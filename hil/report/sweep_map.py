"""The map of a power-fail sweep: where power was cut, and whether the device came back."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from typing import Any

Row = dict[str, Any]

WIDTH, LEFT, ROW = 900, 78, 22
PHASES = ("before", "during", "after")


def scenarios(results: Sequence[Row]) -> dict[str, list[Row]]:
    """The points of all cases, by scenario."""
    found: dict[str, list[Row]] = {}
    for result in results:
        for point in result.get("sweep", []):
            found.setdefault(str(point["scenario"]), []).append(point | {"case": result["id"]})
    return dict(sorted(found.items()))


def svg(name: str, points: Sequence[Row]) -> str:
    """A lane for each phase, the flash operations from left to right; a cross where an image was lost."""
    total = max([1, *(int(point["operations"]) for point in points)])
    lost = sum(not point["held"] for point in points)
    parts = [
        f'<svg class="sweep" viewBox="0 0 {WIDTH} {ROW * len(PHASES) + 22}" role="img" aria-label="Sweep of '
        f'{escape(name)}: {len(points)} cuts over {total} flash operations, {lost} lost">'
    ]
    for index, phase in enumerate(PHASES):
        top = index * ROW
        parts.append(f'<text class="lane" x="0" y="{top + 15}">{phase}</text>')
        parts.append(f'<line class="rule" x1="{LEFT}" x2="{WIDTH}" y1="{top + 11}" y2="{top + 11}"/>')
        for point in points:
            if point["phase"] != phase:
                continue
            x = LEFT + 6 + (WIDTH - LEFT - 12) * int(point["operation"]) / total
            if point["held"]:
                parts.append(f'<circle class="point held" cx="{x:.1f}" cy="{top + 11}" r="5"/>')
            else:
                parts.append(f'<path class="point lost" d="M{x - 6:.1f} {top + 5}l12 12m0 -12l-12 12"/>')
    parts.append(f'<text class="faint" x="{LEFT}" y="{ROW * 3 + 16}">first operation</text>')
    parts.append(
        f'<text class="faint" x="{WIDTH}" y="{ROW * 3 + 16}" text-anchor="end">operation {total}</text></svg>'
    )
    return "".join(parts)
