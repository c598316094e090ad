"""Makes run folders as a run writes them, without running anything."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

Row = dict[str, Any]


def result(instance: str, outcome: str = "passed", **more: Any) -> Row:
    """One row of results.jsonl."""
    return {
        "id": instance,
        "case": instance.partition("[")[0],
        "sentence": "Something holds",
        "evidence_for": ["CRA-I.2.c"],
        "needs": [],
        "controls": [],
        "outcome": outcome,
        "reason": "" if outcome == "passed" else "it did not",
        "rig": "virtual",
        "bench": "virtual",
        "seed": 7,
        "seconds": 2.0,
        "stages": [],
        "figures": [],
        "throughput": [],
        "sweep": [],
        "images": {},
        "notes": {},
        "artefacts": [],
        "command": f"hil run --case {instance}",
        "nodeid": f"test_a.py::test_{instance}",
        "wall": {"started": "2026-11-25T00:00:00+00:00", "seconds": 1.0, "worker": "main", "steps": {}},
    } | more


def run_folder(parent: Path, name: str, results: list[Row], **more: Any) -> Path:
    """A finished run with these results."""
    folder = parent / name
    (folder / "cases").mkdir(parents=True)
    record: Row = {
        "schema": 1,
        "state": "finished",
        "plan": "nightly",
        "rig": "virtual",
        "bench": "virtual",
        "device": "a device",
        "seed": 1,
        "settings": {"rig": "virtual", "plan": "nightly", "cases": [], "defect": None, "controls": False},
        "firmware": {"app": "a" * 64, "boot": "b" * 64},
        "images": {"1.1.0": "c" * 64},
        "versions": {"hil": "0.1.0"},
        "host": {"system": "Linux", "python": "3.11.0"},
        "started": "2026-11-25T06:00:00+00:00",
        "unmodelled": {},
        "exit_code": 0,
    } | more
    (folder / "run.json").write_text(json.dumps(record))
    (folder / "results.jsonl").write_text("".join(json.dumps(row) + "\n" for row in results))
    (folder / "rig.json").write_text("{}")
    return folder


def figure(name: str, value: float, unit: str = "s") -> Row:
    """One figure of a result."""
    return {"name": name, "value": value, "unit": unit}
