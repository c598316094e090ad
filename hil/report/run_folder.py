"""Reads a run folder, whole or cut short: what reports, gates and evidence are made from."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.errors import InputError

Row = dict[str, Any]

RUN = "run.json"
RESULTS = "results.jsonl"
CONTROLS = "controls"
"""Folder of the negative controls: a run folder for each defect, by the defect's name."""


@dataclass(frozen=True)
class RunRecord:
    """What a run folder holds. `results` are sorted by case."""

    path: Path
    run: Row
    results: list[Row]
    controls: dict[str, RunRecord] = field(default_factory=dict)
    """The runs on deliberately defective firmware, by the name of the defect."""

    @classmethod
    def load(cls, path: Path) -> RunRecord:
        """Read a run folder. A run that was killed has no counts in `run`, and its results are those that had ended.

        Raises InputError when `path` is no run folder, or a file in it is broken.
        """
        file = path / RUN
        try:
            run = json.loads(file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise InputError(f"{path}: not a run folder: no {RUN}") from None
        except OSError as error:
            raise InputError(f"{file}: cannot be read: {error.strerror}") from None
        except ValueError:
            raise InputError(f"{file}: not JSON") from None
        if not isinstance(run, dict):
            raise InputError(f"{file}: expected a JSON object")
        controls = {
            each.name: cls.load(each)
            for each in sorted((path / CONTROLS).glob("*"))
            if (each / RUN).is_file()
        }
        return cls(path, run, read_results(path), controls)

    @property
    def name(self) -> str:
        """The name of the folder, which no other run has."""
        return self.path.resolve().name

    @property
    def counts(self) -> Counter[str]:
        """How many cases ended how: passed, failed, error, skipped."""
        return Counter(str(result["outcome"]) for result in self.results)


def read_results(folder: Path) -> list[Row]:
    """The results in a run folder, sorted by case; a last line cut short by a kill is left out.

    Raises InputError when another line is broken. A run that was killed before its first case ended has none.
    """
    path = folder / RESULTS
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    results: list[Row] = []
    for number, line in enumerate(lines, start=1):
        try:
            row = json.loads(line)
        except ValueError:
            if number == len(lines):
                break
            raise InputError(f"{path}:{number}: not a line of JSON") from None
        if not isinstance(row, dict) or not isinstance(row.get("id"), str):
            raise InputError(f"{path}:{number}: not a result")
        results.append(row)
    return sorted(results, key=lambda result: str(result["id"]))
