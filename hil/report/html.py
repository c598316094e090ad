"""The part of report.html that is for people: what was asked, what held, what did not, and how to see why.

It is put on top of the page that pytest-html makes. All text that comes from a case, a device or a log is escaped.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from hil.report.plot import KINDS, by_link, throughput_svg

Row = dict[str, Any]

LOG_LINES = 200
_LOGS = ("failure.txt", "serial.log")

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("hil.report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def summary(record: Row, results: Sequence[Row], folder: Path) -> str:
    """The summary of a run as HTML. `record` is run.json's content, `results` are the lines of results.jsonl.

    Logs of cases that did not hold are read from `folder` and embedded, the last LOG_LINES lines of each.
    """
    ordered = sorted(results, key=lambda result: str(result["id"]))
    rows = sorted((row for result in ordered for row in result["throughput"]), key=by_link)
    return _templates.get_template("summary.html").render(
        record=record,
        verdict=verdict(record, ordered),
        counts=Counter(result["outcome"] for result in ordered),
        results=[_shown(result) for result in ordered],
        troubles=[
            _shown(result) | {"logs": _logs(result, folder)} for result in ordered if _is_trouble(result)
        ],
        rows=rows,
        kinds=KINDS,
        plot=Markup(throughput_svg(rows)) if rows else "",
    )


def verdict(record: Row, results: Sequence[Row]) -> tuple[str, str]:
    """(class, sentence) that says how the run ended."""
    counts = Counter(result["outcome"] for result in results)
    if counts["failed"]:
        kind, text = "failed", f"The device broke a requirement in {_count(counts['failed'], 'case')}."
        if counts["error"]:
            text += f" The bench failed in {_count(counts['error'], 'case')} besides."
    elif counts["error"]:
        kind, text = (
            "error",
            f"The bench failed in {_count(counts['error'], 'case')}: nothing is said of the device there.",
        )
    elif counts["passed"]:
        kind, text = "passed", f"All held: {_count(counts['passed'], 'case')} passed."
    else:
        kind, text = "error", "No case ran."
    if record["state"] == "interrupted":
        kind, text = ("failed" if counts["failed"] else "error"), f"Interrupted. {text}"
    if counts["skipped"]:
        text += f" {_count(counts['skipped'], 'case')} skipped."
    return kind, text


def table_header() -> list[str]:
    """The column heads of pytest-html's table."""
    return [
        '<th class="sortable" data-column-type="result">Result</th>',
        '<th class="sortable" data-column-type="testId">Case</th>',
        '<th class="sortable" data-column-type="duration">Wall time</th>',
        "<th>Links</th>",
    ]


def table_row(nodeid: str, properties: dict[str, Any], cells: Sequence[str]) -> list[str]:
    """A row of pytest-html's table that names the case and its sentence; pytest-html does not escape names itself."""
    name = escape(str(properties.get("case", nodeid)))
    sentence = escape(str(properties.get("sentence", "")))
    return [cells[0], f'<td class="col-testId">{name} {sentence}</td>', *cells[2:]]


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _is_trouble(result: Row) -> bool:
    return result["outcome"] in ("failed", "error")


def _shown(result: Row) -> Row:
    """A result with what the page needs besides: where each stage lies within the case, in percent."""
    stages = result["stages"]
    end = max([stage["start"] + stage["seconds"] for stage in stages], default=0.0)
    end = max(end, result["seconds"]) or 1.0
    broken = [stage["name"] for stage in stages if not stage["held"]]
    return result | {
        "bars": [
            {
                "name": stage["name"],
                "left": round(100 * stage["start"] / end, 2),
                "width": round(max(0.8, 100 * stage["seconds"] / end), 2),
                "held": stage["held"],
                "text": f"{stage['name']}: {_seconds(stage['seconds'])}, from {_seconds(stage['start'])}",
            }
            for stage in stages
        ],
        "time": _seconds(result["seconds"]),
        "broken_stage": broken[-1] if broken else "",
        "anchor": "case-" + re.sub(r"[^A-Za-z0-9-]+", "-", str(result["id"])),
    }


def _logs(result: Row, folder: Path) -> list[tuple[str, str]]:
    found = []
    for name in result["artefacts"]:
        path = folder / name
        if path.name in _LOGS and path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            skipped = len(lines) - LOG_LINES
            head = [f"... {skipped} lines before this are in the file"] if skipped > 0 else []
            found.append((path.name, "\n".join(head + lines[-LOG_LINES:])))
    return found


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"
