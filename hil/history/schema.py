"""The tables of the history, and the numbered steps that bring an older file up to date."""

from __future__ import annotations

import sqlite3

from hil.errors import InputError

_STEPS = (
    # 1: runs, results, figures.
    """
    CREATE TABLE runs (
        id TEXT PRIMARY KEY, started TEXT NOT NULL, plan TEXT, rig TEXT NOT NULL, bench TEXT NOT NULL,
        device TEXT NOT NULL, seed INTEGER NOT NULL, state TEXT NOT NULL, exit_code INTEGER,
        firmware TEXT NOT NULL, defect TEXT, version TEXT NOT NULL
    );
    CREATE TABLE results (
        run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, instance TEXT NOT NULL, case_id TEXT NOT NULL,
        outcome TEXT NOT NULL, reason TEXT NOT NULL, seed INTEGER NOT NULL, seconds REAL NOT NULL,
        PRIMARY KEY (run, instance)
    );
    CREATE TABLE figures (
        run TEXT NOT NULL REFERENCES runs(id) ON DELETE CASCADE, instance TEXT NOT NULL, name TEXT NOT NULL,
        unit TEXT NOT NULL, value REAL NOT NULL, PRIMARY KEY (run, instance, name)
    );
    """,
    # 2: looking a case up over many nights.
    """
    CREATE INDEX results_by_instance ON results(instance);
    CREATE INDEX figures_by_instance ON figures(instance, name);
    """,
)
VERSION = len(_STEPS)


def migrate(connection: sqlite3.Connection, path: str) -> None:
    """Bring the file to this version, in one transaction. Raises InputError for a file of a newer hil."""
    # Taking the write lock first: of two processes that find an old file, one migrates and the other finds it done.
    connection.execute("BEGIN IMMEDIATE")
    try:
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            raise InputError(
                f"{path}: was written by a newer hil (schema {version}, this one knows {VERSION})"
            )
        for step in _STEPS[version:]:
            for statement in step.split(";"):
                if statement.strip():
                    connection.execute(statement)
        connection.execute(f"PRAGMA user_version = {VERSION:d}")
        connection.execute("COMMIT")
    except BaseException:
        connection.execute("ROLLBACK")
        raise
