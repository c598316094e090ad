"""Full disks, folders that cannot be written and clocks that jump: told in one line, with nothing lost."""

from __future__ import annotations

import resource
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from hil.report.run_folder import RunRecord
from hil.rig.files import load
from hil.run import writer as writers
from hil.run.folder import RunFolder
from hil.run.settings import Settings
from hil.run.writer import RunWriter
from tests.run.bench import MiniBench
from tests.whole.running import HIL, environment, hil

CASES = """
@case("A-01", "It holds")
@pytest.mark.parametrize("number", range(40))
def test_holds(number):
    pass
"""
ROOM = 20_000
"""Bytes that a file may have: more than rig.json and run.json, fewer than forty results."""


def _with_room(where: Path, room: int) -> subprocess.CompletedProcess[str]:
    """A run whose files may not grow beyond `room` bytes, as on a disk that fills up."""

    def limit() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (room, room))

    return subprocess.run(
        [*HIL, "run", "--rig", "rig.toml", "--plan", "plan.toml", "--out", "out"],
        check=False,
        cwd=where,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=120,
        preexec_fn=limit,
    )


def test_a_disk_that_fills_up_ends_the_run_in_one_line_and_keeps_what_had_ended(tmp_path: Path) -> None:
    MiniBench(tmp_path).cases(CASES)
    ended = _with_room(tmp_path, ROOM)
    assert ended.returncode == 3
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    [folder] = (tmp_path / "out").glob("2*")
    assert f"hil: {Path('out') / folder.name}" in ended.stderr
    assert f"hil run --resume {Path('out') / folder.name}" in ended.stderr
    kept = RunRecord.load(folder).results
    assert 0 < len(kept) < 40
    again = hil(tmp_path, "run", "--resume", str(folder))
    assert again.code == 0, again.err
    results = RunRecord.load(folder).results
    assert len(results) == 40
    assert [row for row in results if row["id"] in {each["id"] for each in kept}] == kept


def test_a_disk_that_is_full_from_the_start_is_told_in_one_line(tmp_path: Path) -> None:
    MiniBench(tmp_path).cases(CASES)
    ended = _with_room(tmp_path, 10)
    assert ended.returncode == 3
    assert len(ended.stderr.splitlines()) == 1, ended.stderr
    assert "cannot be written: File too large" in ended.stderr


def test_a_clock_that_was_set_during_a_run_is_told_and_changes_no_duration(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Set(datetime):
        @classmethod
        def now(cls, tz: object = None) -> datetime:  # type: ignore[override]
            return datetime.now(UTC) - timedelta(hours=2)

    writer = RunWriter(RunFolder.create(tmp_path, "mini"), Settings(), load("virtual"), None)
    writer.begin(None, {})
    monkeypatch.setattr(writers, "datetime", Set)
    writer.finish()
    [session] = writer.record["sessions"]
    assert session["clock_jump_seconds"] == pytest.approx(-7200, abs=1)
    assert 0 <= writer.record["wall_seconds"] < 60


@pytest.mark.skipif(sys.platform == "win32", reason="folders are locked by other means there")
def test_a_folder_that_cannot_be_written_is_told_before_anything_is_done(tmp_path: Path) -> None:
    MiniBench(tmp_path).cases(CASES)
    (tmp_path / "file").write_text("")
    ended = hil(tmp_path, "run", "--rig", "rig.toml", "--plan", "plan.toml", "--out", "file")
    assert ended.code == 2
    assert ended.err == "hil: file: no run folder can be made here: File exists\n"
