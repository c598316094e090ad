"""report.html, made from a run folder alone: one file, complete in itself, for a screen, a phone and paper.

All text that comes from a case, a device or a log is escaped. There is no script in it.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from hil.catalogue import requirements
from hil.catalogue.coverage import STATE_WORDS, Covered, covered, unknown
from hil.report import changes, sweep_map
from hil.report.plot import KINDS, by_link, throughput_svg
from hil.report.run_folder import RunRecord
from hil.report.timeline import timeline
from hil.report.verdict import broken_stage, first_line, in_words, verdict

Row = dict[str, Any]

NAME = "report.html"
LOG_LINES = 200
MOST_TROUBLES = 60
"""Failed cases that are shown with timeline and logs; the others with their reason."""
_LOGS = ("failure.txt", "serial.log")

_templates = jinja2.Environment(
    loader=jinja2.PackageLoader("hil.report"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


def page(record: RunRecord, before: RunRecord | None = None) -> str:
    """The whole page. `before` is the run that it is compared with, None when there is none."""
    results = record.results
    run: Row = {
        "plan": None,
        "versions": {},
        "images": {},
        "unmodelled": {},
        "firmware": {},
        "settings": {},
    } | record.run
    catalogue = requirements.load()
    rows = sorted((row for result in results for row in result["throughput"]), key=by_link)
    regions = _regions(record.path)
    troubles = [result for result in results if result["outcome"] in ("failed", "error")]
    return _templates.get_template("page.html").render(
        title=f"{run['plan'] or 'cases'} on {run['rig']}",
        record=run,
        name=record.name,
        verdict=verdict(run, results),
        first=first_line(results),
        counts=Counter(result["outcome"] for result in results),
        bench_seconds=sum(float(result["seconds"]) for result in results),
        changes=changes.changes(record, before) if before is not None else None,
        before=before.name if before is not None else None,
        coverage=_coverage(catalogue, results),
        unknown=unknown(catalogue, results),
        state_words=STATE_WORDS,
        results=[_shown(result) for result in results],
        troubles=[
            _shown(result) | _seen(result, record.path, regions, full=index < MOST_TROUBLES)
            for index, result in enumerate(troubles)
        ],
        controls=run.get("controls") or [],
        sweeps=[
            (
                name,
                points,
                Markup(sweep_map.svg(name, points)),
                [point for point in points if not point["held"]],
            )
            for name, points in sweep_map.scenarios(results).items()
        ],
        rows=rows,
        kinds=KINDS,
        plot=Markup(throughput_svg(rows)) if rows else "",
    )


def _coverage(
    catalogue: requirements.Catalogue, results: Sequence[Row]
) -> list[tuple[str, str, list[Covered]]]:
    """Title and citation of each source, with its requirements that a case of this run bears on."""
    found: dict[str, list[Covered]] = {}
    for each in covered(catalogue, results):
        if each.state != "none":
            found.setdefault(each.requirement.source, []).append(each)
    return [
        (source.title, source.citation, found[name])
        for name, source in catalogue.sources.items()
        if name in found
    ]


def _shown(result: Row) -> Row:
    """A result with what the page needs besides: where each stage lies within the case, in percent."""
    stages = result["stages"]
    end = max([stage["start"] + stage["seconds"] for stage in stages], default=0.0)
    end = max(end, result["seconds"]) or 1.0
    return result | {
        "bars": [
            {
                "left": round(100 * stage["start"] / end, 2),
                "width": round(max(0.8, 100 * stage["seconds"] / end), 2),
                "held": stage["held"],
            }
            for stage in stages
        ],
        "stage_text": "; ".join(f"{stage['name']} {_seconds(stage['seconds'])}" for stage in stages),
        "time": _seconds(result["seconds"]),
        "broken_stage": broken_stage(result),
        "words": in_words(result) if result["outcome"] in ("failed", "error") else "",
        "anchor": "case-" + re.sub(r"[^A-Za-z0-9.-]", lambda each: f"_{ord(each[0]):x}", str(result["id"])),
    }


def _seen(result: Row, folder: Path, regions: Sequence[tuple[str, int, int]], *, full: bool) -> Row:
    if not full:
        return {"logs": [], "timeline": None}
    return {"logs": _logs(result, folder), "timeline": timeline(result, folder, regions)}


def _logs(result: Row, folder: Path) -> list[tuple[str, str]]:
    found = []
    for name in result["artefacts"]:
        path = folder / name
        if path.name in _LOGS and path.is_file():
            lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
            skipped = len(lines) - LOG_LINES
            head = [f"... {skipped} lines before this are in the file"] if skipped > 0 else []
            found.append((path.name, "\n".join(line[:2000] for line in head + lines[-LOG_LINES:])))
    return found


def _regions(folder: Path) -> list[tuple[str, int, int]]:
    """Names of the device's flash, from the rig file as it was."""
    try:
        device = json.loads((folder / "rig.json").read_text(encoding="utf-8"))["device"]
        named = [
            (name, device[name])
            for name in ("bootloader", "provisioning", "counter", "settings")
            if device.get(name)
        ]
        named += [(f"{slot['role']} slot", slot) for slot in device["slots"]]
        return [(name, int(each["start"]), int(each["start"]) + int(each["size"])) for name, each in named]
    except (OSError, ValueError, KeyError, TypeError):
        return []


def _seconds(seconds: float) -> str:
    if seconds < 1:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds:.2f} s" if seconds < 100 else f"{seconds:.0f} s"
