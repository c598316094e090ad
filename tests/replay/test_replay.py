"""A run that was recorded is replayed with no bench: the same when the code is the same, to the first difference
when not.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import hil
from tests.serve.served import Served
from tests.served_rig import rig_file

CASES = ("UPD-01", "XFER-01[0.5]")
AS_IT_IS = ""
ASKS_MORE = """
from hil.supply.scpi import ScpiSupply
on = ScpiSupply.on
def asks(self):
    self.measure_volts()
    on(self)
ScpiSupply.on = asks
"""
SMALLER_WINDOW = """
import hil.dfu.ble
for each in vars(hil.dfu.ble).values():
    if isinstance(each, type) and hasattr(each, "max_window"):
        each.max_window = 1
"""


def run(changed: str, *words: object) -> tuple[int, str]:
    """A command of hil with code that is changed before it begins; exit code, and what it said."""
    code = f"{changed}\nimport sys\nfrom hil.__main__ import main\nsys.argv = ['hil', *sys.argv[1:]]\nmain()"
    environment = {**os.environ, "PYTHONPATH": str(Path(hil.__file__).parents[1]), "COLUMNS": "200"}
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, words)],
        capture_output=True,
        text=True,
        env=environment,
        check=False,
        timeout=600,
    )
    return done.returncode, done.stderr + done.stdout


def record(out: Path, *words: object) -> Path:
    code, said = run(AS_IT_IS, "run", "--out", out, *words)
    assert code == 0, said
    return Path(said.strip().splitlines()[-1])


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two cases on the virtual bench."""
    out = tmp_path_factory.mktemp("recorded")
    return record(out, "--record", *(word for case in CASES for word in ("--case", case)))


def test_the_same_code_does_the_same_without_a_bench(recorded: Path, tmp_path: Path) -> None:
    code, said = run(AS_IT_IS, "replay", recorded, "--out", tmp_path)
    assert code == 0, said
    assert f"replay of {recorded.name}: 2 of 2 cases identical" in said
    folder = Path(said.strip().splitlines()[-1])
    told = json.loads((folder / "run.json").read_text())
    assert told["bench"] == "replayed" or told["rig"]["kind"] == "replayed"


@pytest.mark.parametrize(
    ("changed", "wire", "what"),
    [
        (ASKS_MORE, "supply", 'recorded write "OUTP'),
        (SMALLER_WINDOW, "central", "ACL data"),
    ],
)
def test_a_change_is_found_where_it_first_shows(
    changed: str, wire: str, what: str, recorded: Path, tmp_path: Path
) -> None:
    code, said = run(changed, "replay", recorded, "--case", "UPD-01", "--out", tmp_path)
    assert code == 1, said
    assert "0 of 1 cases identical" in said
    folder = Path(said.strip().splitlines()[-1])
    difference = json.loads((folder / "cases" / "UPD-01" / "replay.json").read_text())["difference"]
    assert difference["wire"] == wire, said
    assert difference["entry"] > 0
    assert "hil/" in difference["where"]
    assert "Traceback" not in said


def test_a_log_that_is_damaged_or_missing_is_told(recorded: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(recorded, copy)
    log = copy / "cases" / "UPD-01" / "wire.jsonl.gz"
    log.write_bytes(log.read_bytes()[:-200])
    code, said = run(AS_IT_IS, "replay", copy, "--case", "UPD-01", "--out", tmp_path / "out")
    assert code in (1, 3), said
    assert "cut off" in said or "cannot be read" in said
    for each in copy.glob("cases/*/wire.jsonl.gz"):
        each.unlink()
    code, said = run(AS_IT_IS, "replay", copy, "--out", tmp_path / "out")
    assert code == 2
    assert "has no wire logs to replay; `hil run --record` keeps them" in said


def test_a_run_that_is_none_is_told(tmp_path: Path) -> None:
    code, said = run(AS_IT_IS, "replay", tmp_path)
    assert code == 2, said
    assert said.count("\n") == 1


@pytest.mark.nightly
def test_a_bench_in_wall_clock_time_replays_the_same_ten_times(tmp_path: Path) -> None:
    with Served(tmp_path, "--bundled") as served:
        rig = rig_file(served, tmp_path / "served.toml")
        words = [word for case in (*CASES, "PWR-01[1.0]", "VER-01[lower major]") for word in ("--case", case)]
        folder = record(tmp_path / "out", "--rig", rig, *words)
    for number in range(10):
        code, said = run(AS_IT_IS, "replay", folder, "--out", tmp_path / f"replay{number}")
        assert code == 0, said
        assert "4 of 4 cases identical" in said
