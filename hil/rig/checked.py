"""Keeps what a check found, so that every run on the rig can say it: a figure is as good as the bench that
gave it.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hil.rig.schema import RigFile

if TYPE_CHECKING:
    from hil.rig.check.check import Finding

LARGEST = 1_000_000
"""Bytes of a record; more is none of ours."""


def save(file: RigFile, found: Sequence[Finding]) -> Path | None:
    """Write the findings down for this rig; None where the user's state folder cannot be written to."""
    path = _path(file)
    record = {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "rig": file.name,
        "ok": all(each.ok for each in found),
        "findings": [asdict(each) for each in found],
    }
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_suffix(f".{os.getpid()}.new")
        temporary.write_text(json.dumps(record, indent=1) + "\n", encoding="utf-8")
        temporary.replace(path)
    except OSError:
        return None
    return path


def latest(file: RigFile) -> dict[str, Any] | None:
    """The latest check of this rig, short: date, whether all was well, figures of the cut; None when there
    was none.
    """
    try:
        with _path(file).open("rb") as stream:
            record = json.loads(stream.read(LARGEST))
        findings = {f"{each['instrument']}: {each['step']}": each for each in record["findings"]}
        told = {"date": str(record["date"]), "ok": bool(record["ok"])}
        for name, key in (("power: a cut is a cut", "cut"), ("power: delay of a cut", "delay")):
            if name in findings:
                told[key] = {"outcome": str(findings[name]["outcome"]), **findings[name]["figures"]}
        return told
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _path(file: RigFile) -> Path:
    """By the instruments that the rig file names: another probe or supply is another bench."""
    parts = [file.bench, file.name]
    for table in (file.probe, file.supply, file.console, file.central):
        parts.append(table.model_dump_json() if table is not None else "")
    key = hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]
    base = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    return Path(base) / "hil" / "checks" / f"{key}.json"
