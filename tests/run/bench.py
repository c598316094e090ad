"""A rig without instruments and a plan of made-up cases, to run `hil run` itself on."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

RIG = """
schema = 1
name = "empty"
bench = "real"
[device]
name = "nothing"
board = "none"
soc = "none"
firmware = "none"
flash_size = 0x10000
flash_page = 0x1000
[[device.slots]]
role = "primary"
start = 0
size = 0x8000
"""

PLAN = """
schema = 1
name = "mini"
cases = ["*"]
"""

HEAD = """
import pytest
from hil.case import case, measured, progress, stage, throughput
from hil.errors import BenchError, DeviceError, InputError
"""


@dataclass(frozen=True)
class Ended:
    """How a run ended. `folder` is the last line it printed, if that is a folder."""

    code: int
    out: str
    err: str

    @property
    def folder(self) -> Path:
        return Path(self.out.splitlines()[-1])

    @property
    def results(self) -> dict[str, dict[str, Any]]:
        lines = (self.folder / "results.jsonl").read_text().splitlines()
        return {result["id"]: result for result in map(json.loads, lines)}

    @property
    def record(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text())
        return found


class MiniBench:
    """A folder with a rig file, a plan and test modules."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "rig.toml").write_text(RIG)
        self.plan(PLAN)

    def plan(self, text: str) -> None:
        (self.folder / "plan.toml").write_text(text)

    def cases(self, text: str, name: str = "test_mini.py") -> None:
        (self.folder / name).write_text(HEAD + text)

    def command(self, *arguments: str) -> list[str]:
        rig = [] if "--rig" in arguments else ["--rig", "rig.toml"]
        words = ["run", *rig, "--plan", "plan.toml", "--out", "out", *arguments]
        return [sys.executable, "-c", "from hil.cli import main; main()", *words]

    @property
    def environment(self) -> dict[str, str]:
        # The parent's pytest must not tell the child's what to do.
        return {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}

    def run(self, *arguments: str) -> Ended:
        return self._ended(self.command(*arguments))

    def resume(self, folder: Path) -> Ended:
        """Go on with a run."""
        words = ["run", "--resume", str(folder)]
        return self._ended([sys.executable, "-c", "from hil.cli import main; main()", *words])

    def _ended(self, command: list[str]) -> Ended:
        done = subprocess.run(
            command,
            check=False,
            cwd=self.folder,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
        )
        return Ended(done.returncode, done.stdout.replace("out/", f"{self.folder}/out/"), done.stderr)
