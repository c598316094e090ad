"""`hil run` as a user starts it: a process of its own, on the virtual bench."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from pathlib import Path

from tests.run.bench import Ended

HIL = [sys.executable, "-m", "hil"]
PROJECT = Path(__file__).parents[2]
TIMEOUT_S = 300


def environment() -> dict[str, str]:
    """The child's environment: the parent's pytest must not tell it what to do, and its output must come at once."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    return kept | {"PYTHONUNBUFFERED": "1", "PYTHONPATH": str(PROJECT), "COLUMNS": "200"}


def hil(where: Path, *arguments: str) -> Ended:
    """Run `hil` in the folder `where` and wait for its end."""
    done = subprocess.run(
        [*HIL, *arguments],
        check=False,
        cwd=where,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
    )
    lines = done.stdout.splitlines()
    if lines and not lines[-1].startswith("/"):
        lines[-1] = str(where / lines[-1])
    return Ended(done.returncode, "\n".join(lines), done.stderr)


def hil_run(where: Path, *arguments: str) -> Ended:
    """`hil run` with its run folder under `where`/out."""
    return hil(where, "run", "--out", "out", *arguments)


def repeat(where: Path, command: str) -> Ended:
    """Run a command that a failed case printed, but for where its run folder goes."""
    words = shlex.split(command)
    assert words[:2] == ["hil", "run"]
    return hil_run(where, *words[2:])
