"""Carries the progress of running cases to the display, from this process or from pytest's workers.

Each process that runs cases keeps one small file in the run folder's `live/`; the display reads them. A file works the
same for one process and for several, and a worker that is killed leaves the last place it was at.
"""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import asdict
from pathlib import Path

from hil.run.recorder import Progress

_FOLDER = "live"
_SECONDS_BETWEEN_WRITES = 0.1


class LiveFile:
    """Where one process writes the place it is at."""

    def __init__(self, folder: Path, worker: str) -> None:
        self._path = folder / _FOLDER / f"{worker}.json"
        self._path.parent.mkdir(exist_ok=True)
        self._last: tuple[str, str] = ("", "")
        self._due = 0.0

    def __call__(self, progress: Progress) -> None:
        """Write it down, unless it was written a moment ago and the stage is the same."""
        now = time.monotonic()
        place = (progress.case, progress.stage)
        if place == self._last and now < self._due:
            return
        self._last, self._due = place, now + _SECONDS_BETWEEN_WRITES
        temporary = self._path.with_suffix(".new")
        try:
            temporary.write_text(json.dumps(asdict(progress)), encoding="utf-8")
            temporary.replace(self._path)
        except OSError:
            # Progress is for the eye only: a full disk is told by what must not be lost, the results.
            return


def read(folder: Path) -> list[Progress]:
    """Where each process is."""
    found = []
    for path in sorted((folder / _FOLDER).glob("*.json")):
        try:
            found.append(Progress(**json.loads(path.read_text(encoding="utf-8"))))
        except (OSError, ValueError, TypeError):
            continue
    return found


def clear(folder: Path) -> None:
    """Remove the files when the run has ended."""
    shutil.rmtree(folder / _FOLDER, ignore_errors=True)
