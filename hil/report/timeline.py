"""A failed case on one time axis: its stages, the power, the link, the flash and the console, as SVG and as a table."""

from __future__ import annotations

import csv
import re
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Any

from hil.report import link_trace

Row = dict[str, Any]

WIDTH, LEFT, LANE = 900, 78, 34
MAX_POINTS = 400
MAX_LINES = 300
_LINE = re.compile(r"^\[\s*([0-9]+\.[0-9]+)\] (.*)$")


@dataclass(frozen=True)
class Timeline:
    """The picture, and the same in words for those who cannot see it."""

    svg: str
    events: list[tuple[float, str, str]]
    """(seconds, lane, text), in order of time."""


def timeline(result: Row, folder: Path, regions: Sequence[tuple[str, int, int]] = ()) -> Timeline | None:
    """The timeline of a case from its artefacts under `folder`; `regions` name flash by (name, start, end).

    None when the case left nothing that has a time.
    """
    files = {Path(name).name: folder / name for name in result["artefacts"]}
    power = _power(files.get("power.csv"))
    link = link_trace.read(files["link.btsnoop"]) if "link.btsnoop" in files else link_trace.LinkTrace()
    flash = _flash(files.get("flash.csv"), regions)
    lines = _lines(files.get("serial.log"))
    stages = result.get("stages", [])
    times = [each[0] for each in power] + [each[0] for each in lines] + [each[1] for each in flash]
    times += [stage["start"] + stage["seconds"] for stage in stages] + [
        end or start for start, end in link.up
    ]
    times.append(float(result.get("seconds") or 0.0))
    end = max(times)
    if end <= 0 or not (power or lines or flash or stages):
        return None
    lanes = [
        ("stages", _stage_lane(stages, end)),
        ("power, V", _power_lane(power, end)),
        ("link", _link_lane(link, end)),
        ("flash", _flash_lane(flash, end) if "flash.csv" in files else _note("not recorded on this bench")),
        ("console", _line_lane(lines, end)),
    ]
    height = LANE * len(lanes) + 34
    parts = [
        f'<svg class="timeline" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="Timeline of '
        f"{escape(str(result['id']))}: stages, power, link, flash and console over {end:.2f} seconds. "
        'The same is in the table below it.">'
    ]
    for index, (name, body) in enumerate(lanes):
        top = index * LANE + 4
        parts.append(
            f'<g transform="translate(0 {top})"><text class="lane" x="0" y="18">{escape(name)}</text>'
        )
        parts.append(
            f'<line class="rule" x1="{LEFT}" x2="{WIDTH}" y1="{LANE - 5}" y2="{LANE - 5}"/>{body}</g>'
        )
    parts.append(_axis(end, LANE * len(lanes) + 4))
    parts.append("</svg>")
    return Timeline("".join(parts), _events(stages, power, link, flash, lines))


def _x(seconds: float, end: float) -> float:
    return round(LEFT + (WIDTH - LEFT) * max(0.0, min(seconds, end)) / end, 1)


def _note(text: str) -> str:
    return f'<text class="faint" x="{LEFT}" y="18">{escape(text)}</text>'


def _stage_lane(stages: Sequence[Row], end: float) -> str:
    parts = []
    for index, stage in enumerate(stages):
        left = _x(stage["start"], end)
        width = max(2.0, _x(stage["start"] + stage["seconds"], end) - left)
        kind = "held" if stage["held"] else "broken"
        name = escape(str(stage["name"]))
        parts.append(
            f'<rect class="stage {kind} {"even" if index % 2 else "odd"}" x="{left}" y="4" '
            f'width="{width:.1f}" height="20"/>'
        )
        if width > 7 * len(str(stage["name"])):
            parts.append(f'<text class="inside" x="{left + 4}" y="18">{name}</text>')
    return "".join(parts)


def _power(path: Path | None) -> list[tuple[float, float, str]]:
    """(seconds, volts, action): what the supply was told."""
    if path is None or not path.is_file():
        return []
    found: list[tuple[float, float, str]] = []
    level = on = 0.0
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in list(csv.reader(file))[1:]:
                if len(row) < 3:
                    continue
                when, action, volts = float(row[0]), row[1], float(row[2]) if row[2] else None
                if action in ("set", "ramp from", "ramp to") and volts is not None:
                    level = volts
                if action in ("on", "restore"):
                    on = 1.0
                if action in ("off", "cut", "safe off"):
                    on = 0.0
                if action in ("set", "on", "off", "cut", "restore", "safe off", "ramp from", "ramp to"):
                    found.append((when, level * on, action))
    except (OSError, ValueError):
        return found
    return found[: MAX_POINTS * 4]


def _power_lane(power: Sequence[tuple[float, float, str]], end: float) -> str:
    if not power:
        return _note("not recorded")
    top = max(volts for _, volts, _ in power) or 1.0

    def y(volts: float) -> float:
        return round(26 - 20 * volts / top, 1)

    points = [f"{LEFT},{y(0.0)}"]
    before = 0.0
    for when, volts, action in power[:MAX_POINTS]:
        if action != "ramp to":
            points.append(f"{_x(when, end)},{y(before)}")
        points.append(f"{_x(when, end)},{y(volts)}")
        before = volts
    points.append(f"{WIDTH},{y(before)}")
    return (
        f'<polyline class="power" points="{" ".join(points)}"/>'
        f'<text class="faint" x="{LEFT + 2}" y="12">{top:g}</text>'
    )


def _link_lane(link: link_trace.LinkTrace, end: float) -> str:
    if not link.up:
        return _note("no connection was captured")
    parts = []
    for start, stop in link.up:
        left = _x(start, end)
        width = max(2.0, _x(stop if stop is not None else end, end) - left)
        parts.append(f'<rect class="link" x="{left}" y="18" width="{width:.1f}" height="6"/>')
    cells = 120
    sums = [0] * cells
    for when, size in link.data:
        index = int(cells * when / end)
        if 0 <= index < cells:
            sums[index] += size
    most = max(sums) or 1
    step = (WIDTH - LEFT) / cells
    for index, total in enumerate(sums):
        if total:
            tall = round(14 * total / most, 1)
            parts.append(
                f'<rect class="data" x="{LEFT + index * step:.1f}" y="{17 - tall}" '
                f'width="{step:.1f}" height="{tall}"/>'
            )
    return "".join(parts)


def _flash(path: Path | None, regions: Sequence[tuple[str, int, int]]) -> list[tuple[str, float, float]]:
    """(region, start, end) of each erase."""
    if path is None or not path.is_file():
        return []
    found = []
    try:
        with path.open(encoding="utf-8", newline="") as file:
            for row in list(csv.reader(file))[1:]:
                address = int(row[3], 16)
                name = next((name for name, start, stop in regions if start <= address < stop), "other flash")
                found.append((name, float(row[0]), float(row[1])))
    except (OSError, ValueError, IndexError):
        return found
    return found


def _flash_lane(flash: Sequence[tuple[str, float, float]], end: float) -> str:
    if not flash:
        return _note("no page was erased")
    names = list(dict.fromkeys(name for name, _, _ in flash))
    shown = flash if len(flash) <= MAX_POINTS else flash[:: len(flash) // MAX_POINTS + 1]
    parts = []
    for name, start, _ in shown:
        row = names.index(name) % 3
        parts.append(
            f'<rect class="erase r{row}" x="{_x(start, end)}" y="{4 + 7 * row}" width="2" height="6"/>'
        )
    return "".join(parts)


def _lines(path: Path | None) -> list[tuple[float, str]]:
    if path is None or not path.is_file():
        return []
    found = []
    with path.open(encoding="utf-8", errors="replace") as file:
        for line in file:
            match = _LINE.match(line[:2000])
            if match is not None:
                found.append((float(match[1]), match[2].rstrip()[:200]))
    return found[-MAX_LINES:]


def _line_lane(lines: Sequence[tuple[float, str]], end: float) -> str:
    if not lines:
        return _note("nothing was printed")
    return "".join(
        f'<line class="tick" x1="{_x(when, end)}" x2="{_x(when, end)}" y1="6" y2="24"/>' for when, _ in lines
    )


def _axis(end: float, top: float) -> str:
    step = next(
        each for each in (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 1e4, 1e5) if end / each <= 9
    )
    parts = []
    for number in range(int(end / step) + 1):
        at = _x(number * step, end)
        anchor = "end" if at > WIDTH - 20 else "middle"
        parts.append(f'<line class="rule" x1="{at}" x2="{at}" y1="4" y2="{top}"/>')
        parts.append(
            f'<text class="faint" x="{at}" y="{top + 16}" text-anchor="{anchor}">{number * step:g} s</text>'
        )
    return f"<g>{''.join(parts)}</g>"


def _events(
    stages: Sequence[Row],
    power: Sequence[tuple[float, float, str]],
    link: link_trace.LinkTrace,
    flash: Sequence[tuple[str, float, float]],
    lines: Sequence[tuple[float, str]],
) -> list[tuple[float, str, str]]:
    events = [
        (float(stage["start"]), "stage", f"{stage['name']}{'' if stage['held'] else ' (stopped here)'}")
        for stage in stages
    ]
    events += [(when, "power", f"{action}, {volts:g} V") for when, volts, action in power[:MAX_POINTS]]
    for start, stop in link.up:
        events.append((start, "link", "connected"))
        if stop is not None:
            events.append((stop, "link", "disconnected"))
    events += [(when, "link", f"PHY {phy}") for when, phy in link.phys[:50]]
    runs: list[tuple[str, float, float, int]] = []
    for name, start, stop in flash:
        if runs and runs[-1][0] == name and start - runs[-1][2] < 1.0:
            runs[-1] = (name, runs[-1][1], stop, runs[-1][3] + 1)
        else:
            runs.append((name, start, stop, 1))
    events += [(start, "flash", f"{name}: {n} pages erased") for name, start, _, n in runs[:MAX_POINTS]]
    events += [(when, "console", text) for when, text in lines]
    return sorted(events, key=lambda event: event[0])
