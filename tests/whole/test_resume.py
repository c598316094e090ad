"""A run that is killed loses no finished case, goes on, and ends as one that was never killed."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from hil.report.run_folder import RunRecord
from hil.run.folder import WALL_KEY
from tests.whole.running import HIL, environment, hil, hil_run

CHOICE = ["--case", "AUTH-01", "--case", "XFER-01", "--case", "VER-01", "--case", "BAT-01"]
INSTANCES = 19


def _comparable(record: RunRecord) -> list[dict[str, Any]]:
    return [{key: value for key, value in row.items() if key != WALL_KEY} for row in record.results]


def _start(where: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*HIL, "run", *arguments],
        cwd=where,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def _kill_when(process: subprocess.Popen[str], out: Path, results: int, extra_s: float = 0.0) -> Path:
    """Kill the run, its workers left to themselves, once it has so many results."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline and process.poll() is None:
        found = [path for path in out.glob("*/results.jsonl") if path.read_text().count("\n") >= results]
        if found:
            time.sleep(extra_s)
            break
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    [folder] = out.glob("2*")
    return folder


def test_a_killed_run_goes_on_and_ends_like_one_that_was_not_killed(tmp_path: Path) -> None:
    whole = hil_run(tmp_path, *CHOICE)
    assert whole.code == 0
    killed = _kill_when(_start(tmp_path, "--out", "cut", *CHOICE), tmp_path / "cut", 3)
    before = RunRecord.load(killed)
    assert before.run["state"] == "running"
    assert 3 <= len(before.results) < INSTANCES
    # What a kill in the middle of a write may leave.
    with (killed / "results.jsonl").open("a") as file:
        file.write('{"id": "XFER-01[0.')
    again = hil(tmp_path, "run", "--resume", str(killed))
    assert (again.code, again.folder) == (0, killed)
    after = RunRecord.load(killed)
    assert _comparable(after) == _comparable(RunRecord.load(whole.folder))
    assert after.results[0][WALL_KEY] is not None
    assert [
        row for row in after.results if row["id"] in {each["id"] for each in before.results}
    ] == before.results
    assert after.run["state"] == "finished"
    assert len(after.run["sessions"]) == 2
    assert (killed / "junit.xml").read_text().count("<testcase") == INSTANCES


@pytest.mark.nightly
def test_a_run_killed_again_and_again_at_random_moments_loses_nothing(tmp_path: Path) -> None:
    seed = int(os.environ.get("HIL_KILL_SEED", "1"))
    print(f"seed {seed}; set HIL_KILL_SEED for another")
    moments = random.Random(seed)
    folder = _kill_when(_start(tmp_path, "--out", "cut", *CHOICE), tmp_path / "cut", 0, moments.uniform(0, 3))
    kept: list[dict[str, Any]] = RunRecord.load(folder).results
    for _ in range(6):
        process = _start(tmp_path, "--resume", str(folder))
        time.sleep(moments.uniform(1, 5))
        process.kill()
        process.wait()
        now = RunRecord.load(folder).results
        assert [row for row in now if row["id"] in {each["id"] for each in kept}] == kept
        kept = now
    assert hil(tmp_path, "run", "--resume", str(folder)).code == 0
    ids = [row["id"] for row in RunRecord.load(folder).results]
    assert len(ids) == len(set(ids)) == INSTANCES


def test_a_run_that_still_goes_on_cannot_be_resumed(tmp_path: Path) -> None:
    process = _start(tmp_path, "--out", "out", *CHOICE)
    try:
        while not list((tmp_path / "out").glob("*/results.jsonl")):
            assert process.poll() is None
            time.sleep(0.02)
        [folder] = (tmp_path / "out").glob("2*")
        refused = hil(tmp_path, "run", "--resume", str(folder))
        assert refused.code == 3
        assert "is in use by another process" in refused.err
    finally:
        process.terminate()
        process.wait()


def test_a_run_does_not_go_on_with_another_rig_or_other_firmware(tmp_path: Path) -> None:
    ended = hil_run(tmp_path, "--case", "VER-01[lower major]")
    for file, key, value, told in (
        ("rig.json", "description", "another", "the rig file is not the one that the run began with"),
        ("run.json", "firmware", {"boot": "0" * 64}, "the firmware is not the one"),
    ):
        path = ended.folder / file
        text = path.read_text()
        path.write_text(json.dumps(json.loads(text) | {key: value}))
        refused = hil(tmp_path, "run", "--resume", str(ended.folder))
        assert refused.code == 2
        assert told in refused.err
        assert len(refused.err.splitlines()) == 1
        path.write_text(text)


def test_two_runs_at_once_do_not_disturb_each_other(tmp_path: Path) -> None:
    alone = hil_run(tmp_path, "--case", "XFER-01[0.5]", "--case", "VER-01[lower major]")
    choice = ["--out", "both", "--case", "XFER-01[0.5]", "--case", "VER-01[lower major]"]
    both = [_start(tmp_path, *choice), _start(tmp_path, *choice)]
    for process in both:
        output, _ = process.communicate(timeout=240)
        assert process.returncode == 0, output
    records = [RunRecord.load(folder) for folder in (tmp_path / "both").glob("2*")]
    assert len(records) == 2
    for record in records:
        assert _comparable(record) == _comparable(RunRecord.load(alone.folder))
