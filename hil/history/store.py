"""The history file: runs are added to it, any number of processes at a time, and read from it."""

from __future__ import annotations

import contextlib
import json
import os
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.errors import BenchError, InputError
from hil.history import schema
from hil.report.run_folder import Row, RunRecord

NAME = "history.sqlite"
_RUN_COLUMNS = ("id", "started", "plan", "rig", "bench", "state", "exit_code", "defect")
BUSY_S = 20.0
"""How long one process waits for another's writing."""


@dataclass(frozen=True)
class Point:
    """One value of a series: when, in which run, of what."""

    run: str
    started: str
    instance: str
    name: str
    unit: str
    value: float


@dataclass(frozen=True)
class Result:
    """How one instance of a case ended in one run."""

    run: str
    started: str
    instance: str
    outcome: str
    reason: str
    seed: int
    firmware: str
    bench: str


def default_path(reports: Path) -> Path:
    """Where the history is: $HIL_HISTORY, else beside the run folders."""
    chosen = os.environ.get("HIL_HISTORY")
    return Path(chosen) if chosen else reports / NAME


class History:
    """A history file; made when it is missing. Use as a context manager."""

    def __init__(self, path: Path, *, create: bool = True) -> None:
        """Raises InputError when there is none and `create` is false, or it is no history, BenchError when it cannot
        be used.
        """
        if not create and not path.is_file():
            raise InputError(f"{path}: no history here; `hil run` and `hil history add RUN` write it")
        self._path = path
        with self._told():
            path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(path, timeout=BUSY_S, isolation_level=None)
            # Readers and one writer at a time; where the file system cannot share memory SQLite keeps its own way.
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA foreign_keys = ON")
            schema.migrate(self._connection, str(path))

    def __enter__(self) -> History:
        return self

    def __exit__(self, *exception: object) -> None:
        self._connection.close()

    def add(self, record: RunRecord) -> int:
        """Add a run, or what is new of one that is there already; returns how many results it has. Idempotent."""
        run = record.run
        try:
            row = (
                record.name,
                str(run["started"]),
                run["plan"],
                str(run["rig"]),
                str(run["bench"]),
                str(run["device"]),
                int(run["seed"]),
                str(run["state"]),
                run.get("exit_code"),
                json.dumps(run.get("firmware") or {}, sort_keys=True),
                run["settings"]["defect"],
                str(run["versions"]["hil"]),
            )
            results = [_result_row(record.name, result) for result in record.results]
            figures = [figure for result in record.results for figure in _figure_rows(record.name, result)]
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{record.path}: not a record that can be kept: {error}") from None
        with self._told():
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.execute("DELETE FROM runs WHERE id = ?", (record.name,))
                self._connection.execute(f"INSERT INTO runs VALUES ({','.join('?' * 12)})", row)
                self._connection.executemany("INSERT OR REPLACE INTO results VALUES (?,?,?,?,?,?,?)", results)
                self._connection.executemany("INSERT OR REPLACE INTO figures VALUES (?,?,?,?,?)", figures)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
        return len(results)

    def runs(self, limit: int = 20) -> list[Row]:
        """The latest runs, newest first, each with its counts."""
        with self._told():
            found = self._connection.execute(
                "SELECT id, started, plan, rig, bench, state, exit_code, defect FROM runs"
                " ORDER BY started DESC, id DESC LIMIT ?",
                (limit,),
            ).fetchall()
            rows = []
            for run in found:
                row: Row = dict(zip(_RUN_COLUMNS, run, strict=True))
                row["counts"] = dict(
                    self._connection.execute(
                        "SELECT outcome, COUNT(*) FROM results WHERE run = ? GROUP BY outcome", (run[0],)
                    ).fetchall()
                )
                rows.append(row)
            return rows

    def results(self, case: str | None = None, rig: str | None = None) -> list[Result]:
        """Results of sound firmware, oldest first: of a case by id or instance, or of all."""
        where, values = _where("r", case, rig)
        with self._told():
            return [
                Result(*row)
                for row in self._connection.execute(
                    "SELECT r.run, u.started, r.instance, r.outcome, r.reason, r.seed, u.firmware, u.bench"
                    " FROM results r JOIN runs u ON u.id = r.run"
                    f" WHERE u.defect IS NULL{where} ORDER BY u.started, u.id, r.instance",
                    values,
                )
            ]

    def figures(self, case: str | None = None, rig: str | None = None) -> list[Point]:
        """Figures of sound firmware, oldest first."""
        where, values = _where("f", case, rig)
        with self._told():
            return [
                Point(*row)
                for row in self._connection.execute(
                    "SELECT f.run, u.started, f.instance, f.name, f.unit, f.value"
                    " FROM figures f JOIN runs u ON u.id = f.run"
                    f" WHERE u.defect IS NULL{where} ORDER BY u.started, u.id, f.instance, f.name",
                    values,
                )
            ]

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.DatabaseError as error:
            if "not a database" in str(error) or "malformed" in str(error):
                raise InputError(
                    f"{self._path}: is no history, or a damaged one: {error}; move it away, "
                    "and `hil history add RUN...` makes a new one from the run folders"
                ) from None
            raise BenchError(f"history {self._path}: {error}") from None
        except OSError as error:
            raise BenchError(f"history {self._path}: {error.strerror}") from None


def _where(table: str, case: str | None, rig: str | None) -> tuple[str, list[str]]:
    text, values = "", []
    if case is not None:
        text += f" AND ({table}.instance = ? OR {table}.instance LIKE ? ESCAPE '!')"
        escaped = case.replace("!", "!!").replace("%", "!%").replace("_", "!_")
        values += [case, f"{escaped}[%"]
    if rig is not None:
        text += " AND u.rig = ?"
        values.append(rig)
    return text, values


def _result_row(run: str, result: Row) -> tuple[object, ...]:
    return (
        run,
        str(result["id"]),
        str(result["case"]),
        str(result["outcome"]),
        str(result["reason"]),
        int(result["seed"]),
        float(result["seconds"]),
    )


def _figure_rows(run: str, result: Row) -> Iterator[tuple[object, ...]]:
    """The figures of a case that passed, its bench time, and its throughput."""
    if result["outcome"] != "passed":
        return
    instance = str(result["id"])
    yield (run, instance, "duration", "s", float(result["seconds"]))
    for figure in result["figures"]:
        yield (run, instance, str(figure["name"]), str(figure["unit"]), float(figure["value"]))
    for row in result["throughput"]:
        name = f"throughput {row['kind']} {row['phy']} MTU {row['mtu']}"
        yield (run, instance, name, "B/s", float(row["bytes_per_second"]))
