"""The run folder: the record of one run, written so that a run that is killed loses nothing that had finished."""

from __future__ import annotations

import contextlib
import csv
import hashlib
import io
import json
import os
import re
import secrets
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from hil.errors import BenchError, InputError

# Keys of a result that hold times of day or of this machine; all else is equal in two runs with the same seed.
WALL_KEY = "wall"

THROUGHPUT_COLUMNS = (
    "case",
    "kind",
    "phy",
    "mtu",
    "data_length",
    "interval_ms",
    "payload_bytes",
    "seconds",
    "bytes_per_second",
    "ceiling_bytes_per_second",
    "efficiency",
    "bound_by",
)


class RunFolder:
    """One run's folder. Every file in it is written by this class, whole or not at all, except results.jsonl, to which
    lines are added one by one.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @classmethod
    def create(cls, parent: Path, name: str) -> RunFolder:
        """A new folder under `parent`, with a name that no other run has.

        Raises InputError when it cannot be made.
        """
        check_parent(parent)
        stamp = datetime.now(UTC).strftime("%Y%m%d-%H%M%S")
        try:
            for _ in range(100):
                path = parent / f"{stamp}-{name}-{secrets.token_hex(2)}"
                # A second run in the same second must not share the folder: only one of the two can make it.
                with contextlib.suppress(FileExistsError):
                    path.mkdir()
                    (path / "cases").mkdir()
                    return cls(path)
        except OSError as error:
            raise InputError(f"{parent}: no run folder can be made here: {error.strerror}") from None
        raise InputError(f"{parent}: no free name for a run folder")

    @classmethod
    def at(cls, path: Path) -> RunFolder:
        """A run folder at just this path, made when needed. Raises InputError when it cannot be."""
        try:
            (path / "cases").mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise InputError(f"{path}: no run folder can be made here: {error.strerror}") from None
        return cls(path)

    def mend(self, finished: Iterable[str]) -> None:
        """Make a run that was killed ready to go on: cut off a half-written line, and put aside what unfinished cases
        left.
        """
        path = self.path / "results.jsonl"
        with _disk(path):
            if path.is_file():
                data = path.read_bytes()
                whole = data.rfind(b"\n") + 1
                if whole < len(data):
                    os.truncate(path, whole)
            kept = {case_folder_name(instance) for instance in finished}
            for each in sorted((self.path / "cases").iterdir()):
                if each.is_dir() and each.name not in kept and ".cut-" not in each.name:
                    _put_aside(each)

    def put_aside(self, instance: str) -> None:
        """Keep what an attempt at a case left, under another name: the case begins anew."""
        folder = self.path / "cases" / case_folder_name(instance)
        with _disk(folder):
            if folder.is_dir() and any(folder.iterdir()):
                _put_aside(folder)

    def case_folder(self, instance: str) -> Path:
        """The folder of one case's artefacts, made when needed."""
        path = self.path / "cases" / case_folder_name(instance)
        with _disk(path):
            path.mkdir(parents=True, exist_ok=True)
        return path

    def write_run(self, record: dict[str, Any]) -> None:
        """Write run.json."""
        self._replace("run.json", json.dumps(record, indent=2, sort_keys=True) + "\n")

    def write_text(self, name: str, text: str) -> None:
        """Write a text file of the folder."""
        self._replace(name, text)

    def append_result(self, result: dict[str, Any]) -> None:
        """Add a line to results.jsonl; it is on the disk when this returns."""
        path = self.path / "results.jsonl"
        line = json.dumps(result, sort_keys=True, ensure_ascii=True) + "\n"
        # One write of one whole line: a run killed in between leaves no half of it before the next line.
        with _disk(path), path.open("ab", buffering=0) as file:
            file.write(line.encode("ascii"))
            os.fsync(file.fileno())

    def write_throughput(self, rows: Iterable[dict[str, Any]]) -> None:
        """Write throughput.csv, sorted by case."""
        text = io.StringIO()
        writer = csv.DictWriter(text, THROUGHPUT_COLUMNS, lineterminator="\n")
        writer.writeheader()
        writer.writerows(sorted(rows, key=lambda row: str(row["case"])))
        self._replace("throughput.csv", text.getvalue())

    def _replace(self, name: str, text: str) -> None:
        path = self.path / name
        temporary = path.with_name(f".{name}.{os.getpid()}")
        with _disk(path):
            try:
                with temporary.open("w", encoding="utf-8", newline="") as file:
                    file.write(text)
                    file.flush()
                    os.fsync(file.fileno())
                temporary.replace(path)
            except OSError:
                temporary.unlink(missing_ok=True)
                raise


def check_parent(parent: Path) -> None:
    """Make the folder in which run folders are made. Raises InputError when that cannot be."""
    try:
        parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{parent}: no run folder can be made here: {error.strerror}") from None
    if not os.access(parent, os.W_OK | os.X_OK):
        raise InputError(f"{parent}: no run folder can be made here: it cannot be written to")


def case_folder_name(instance: str) -> str:
    """A folder name for a case and its parameters, safe on every file system and never shared by two cases."""
    slug = re.sub(r"[^A-Za-z0-9.-]+", "_", instance).strip("._")[:80]
    return (
        slug if slug and slug == instance else f"{slug}-{hashlib.sha256(instance.encode()).hexdigest()[:6]}"
    )


def _put_aside(folder: Path) -> None:
    number = 1
    while (aside := folder.with_name(f"{folder.name}.cut-{number}")).exists():
        number += 1
    folder.rename(aside)


@contextlib.contextmanager
def _disk(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BenchError(f"{path}: cannot be written: {error.strerror}") from None
