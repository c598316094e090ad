"""The page of a power-fail sweep, from its sweep.json: verdict, map, figures, and what leads to each violation."""

from __future__ import annotations

from typing import Any

import jinja2

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("hil.report"), autoescape=True, undefined=jinja2.StrictUndefined
)

LEFT, WIDTH, ROW = 74, 960, 11
_PAGE = 0x1000


def page(found: dict[str, Any]) -> str:
    """The whole page, complete in itself, without scripts."""
    return _templates.get_template("sweep.html").render(found=found, map=_map(found["map"]))


def _map(told: dict[str, Any]) -> dict[str, Any]:
    """The map's cells with their places: flash pages from top to bottom, time from left to right."""
    pages = sorted({cell["page"] for cell in told["cells"]})
    rows = {number: index for index, number in enumerate(pages)}
    wide = (WIDTH - LEFT) / max(1, told["columns"])
    return {
        "width": WIDTH,
        "height": ROW * len(pages) + 24,
        "left": LEFT,
        "seconds": told["seconds"],
        "rows": [(f"0x{number * _PAGE:05x}", ROW * index) for number, index in rows.items()],
        "cells": [
            cell
            | {
                "name": f"p{cell['page']}c{cell['column']}",
                "address": f"0x{cell['page'] * _PAGE:05x}",
                "x": round(LEFT + wide * cell["column"], 1),
                "y": ROW * rows[cell["page"]],
                "w": round(max(wide - 0.6, 1.0), 1),
                "h": ROW - 1,
            }
            for cell in told["cells"]
        ],
    }
