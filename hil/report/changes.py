"""What changed since the last run of the same plan on the same rig."""

from __future__ import annotations

from pathlib import Path

from hil.errors import InputError
from hil.report.run_folder import Row, RunRecord

LEAST = 0.01
"""A figure that moved by less than this share is not told; `hil history` has the statistics."""
MOST_FIGURES = 20


def before(record: RunRecord) -> RunRecord | None:
    """The finished run before this one beside it, of the same plan, rig, cases and defect; None when there is none."""
    mine = _kind(record.run)
    found: list[tuple[str, Path]] = []
    for path in record.path.resolve().parent.glob("*/run.json"):
        if path.parent.name != record.name:
            found.append((path.parent.name, path.parent))
    # Names begin with the time of the start: those before this one, the latest first.
    for name, path in sorted(found, reverse=True):
        if name >= record.name:
            continue
        try:
            other = RunRecord.load(path)
        except InputError:
            continue
        if other.run.get("state") == "finished" and _kind(other.run) == mine:
            return other
    return None


def _kind(run: Row) -> tuple[object, ...]:
    settings = run.get("settings") or {}
    return run.get("plan"), run.get("rig"), tuple(settings.get("cases") or ()), settings.get("defect")


def changes(record: RunRecord, other: RunRecord) -> list[tuple[str, str]]:
    """(kind, sentence) for each thing that changed: worse, better or neutral."""
    now = {str(row["id"]): row for row in record.results}
    then = {str(row["id"]): row for row in other.results}
    told: list[tuple[str, str]] = []
    for name in sorted(now.keys() & then.keys()):
        old, new = str(then[name]["outcome"]), str(now[name]["outcome"])
        if old != new:
            kind = "worse" if new in ("failed", "error") else "better" if new == "passed" else "neutral"
            told.append((kind, f"{name}: {old} then, {new} now"))
    gone, fresh = sorted(then.keys() - now.keys()), sorted(now.keys() - then.keys())
    if gone:
        told.append(("worse", f"no longer run: {_listed(gone)}"))
    if fresh:
        told.append(("neutral", f"new: {_listed(fresh)}"))
    figures = list(_figures(now, then))
    told += sorted(figures, key=lambda each: each[0] != "worse")[:MOST_FIGURES]
    if len(figures) > MOST_FIGURES:
        told.append(("neutral", f"{len(figures) - MOST_FIGURES} more figures moved"))
    if record.run.get("firmware") != other.run.get("firmware"):
        told.append(("neutral", "the firmware is another one"))
    return told


def _figures(now: dict[str, Row], then: dict[str, Row]) -> list[tuple[str, str]]:
    found = []
    for name in sorted(now.keys() & then.keys()):
        old = {figure["name"]: figure for figure in then[name].get("figures", [])}
        for figure in now[name].get("figures", []):
            before_ = old.get(figure["name"])
            if before_ is None or before_["unit"] != figure["unit"] or before_["value"] == 0:
                continue
            share = (figure["value"] - before_["value"]) / abs(before_["value"])
            if abs(share) < LEAST:
                continue
            unit = figure["unit"]
            good = share > 0 if unit == "B/s" else share < 0 if unit == "s" else None
            kind = "neutral" if good is None else "better" if good else "worse"
            text = f"{name}, {figure['name']}: {before_['value']:g} then, {figure['value']:g} {unit} now ({share:+.1%})"
            found.append((kind, text))
    return found


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - 8} more" if len(names) > 8 else ""
    return ", ".join(names[:8]) + more
