"""The history: changes told from noise, flaky from broken, many writers, old files, damaged files."""

from __future__ import annotations

import multiprocessing
import sqlite3
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import BenchError, InputError
from hil.history import schema
from hil.history.statistics import change, sparkline
from hil.history.store import History
from hil.history.trends import health, trends
from hil.report.run_folder import RunRecord
from tests.release.runs import figure, result, run_folder
from tests.whole.running import hil

NOISE = [10.0, 10.2, 9.9, 10.1, 9.8, 10.05, 10.15, 9.95]


@pytest.mark.parametrize(
    ("series", "unit", "verdict"),
    [
        ([1.0] * 3, "s", "too short"),
        ([1.0] * 6, "s", "steady"),
        ([1.0] * 5 + [1.005], "s", "steady"),
        ([1.0] * 5 + [1.02], "s", "worse"),
        ([1.0] * 5 + [0.9], "s", "better"),
        ([100.0] * 5 + [90.0], "B/s", "worse"),
        ([100.0] * 5 + [120.0], "B/s", "better"),
        ([100.0] * 5 + [120.0], "", "changed"),
        ([*NOISE, 10.3], "s", "steady"),
        ([*NOISE, 14.0], "s", "worse"),
        ([*NOISE[:4], 50.0, *NOISE[4:], 10.1], "s", "steady"),
        ([*NOISE[:4], 50.0, *NOISE[4:], 14.0], "s", "worse"),
        ([0.0] * 6, "B", "steady"),
    ],
)
def test_a_change_is_told_from_noise(series: list[float], unit: str, verdict: str) -> None:
    assert change(series, unit).verdict == verdict


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False, min_value=-1e12, max_value=1e12), min_size=1)
)
def test_no_series_is_too_odd_to_be_judged(series: list[float]) -> None:
    found = change(series, "s")
    assert found.value == series[-1]
    assert len(sparkline(series)) == min(24, len(series))


def _add(db: Path, folder: Path) -> None:
    with History(db) as history:
        history.add(RunRecord.load(folder))


def _nights(tmp_path: Path, outcomes: list[str], firmware: list[str] | None = None) -> Path:
    db = tmp_path / "h.sqlite"
    for night, outcome in enumerate(outcomes):
        name = firmware[night] if firmware else "a"
        folder = run_folder(
            tmp_path,
            f"run{night}",
            [result("A-1", outcome, figures=[figure("t", 2.0 + (night == len(outcomes) - 1))])],
            started=f"2026-11-{night + 1:02}T00:00:00+00:00",
            firmware={"boot": name},
        )
        _add(db, folder)
    return db


@pytest.mark.parametrize(
    ("outcomes", "firmware", "state", "since"),
    [
        (["passed", "passed"], None, "holds", None),
        (["passed", "failed", "failed"], ["a", "b", "b"], "broken", "run1"),
        (["failed", "failed"], None, "broken", "run0"),
        (["passed", "failed", "passed"], None, "flaky", "run2"),
        (["passed", "error", "passed"], None, "holds", None),
        (["error", "error"], None, "bench", None),
        (["skipped"], None, "skipped", None),
    ],
)
def test_flaky_is_told_from_broken(
    tmp_path: Path, outcomes: list[str], firmware: list[str] | None, state: str, since: str | None
) -> None:
    with History(_nights(tmp_path, outcomes, firmware)) as history:
        [found] = health(history.results())
    assert (found.state, found.since) == (state, since)


def test_a_run_added_again_is_there_once_and_brought_up_to_date(tmp_path: Path) -> None:
    db = tmp_path / "h.sqlite"
    folder = run_folder(tmp_path, "run", [result("A-1")])
    _add(db, folder)
    with (folder / "results.jsonl").open("a") as file:
        file.write('{"broken')
    _add(db, folder)
    with History(db) as history:
        assert [row["counts"] for row in history.runs()] == [{"passed": 1}]


def test_defective_firmware_is_in_the_list_and_in_no_trend(tmp_path: Path) -> None:
    db = tmp_path / "h.sqlite"
    _add(db, run_folder(tmp_path, "run", [result("A-1", "failed")], settings={"defect": "version"}))
    with History(db) as history:
        assert len(history.runs()) == 1
        assert history.results() == []


def _writer(db: str, folders: list[str]) -> None:
    for folder in folders:
        _add(Path(db), Path(folder))


def test_many_processes_write_at_once(tmp_path: Path) -> None:
    folders = [
        [str(run_folder(tmp_path, f"run{w}-{n}", [result("A-1"), result("A-2")])) for n in range(8)]
        for w in range(4)
    ]
    context = multiprocessing.get_context("spawn")
    writers = [context.Process(target=_writer, args=(str(tmp_path / "h.sqlite"), mine)) for mine in folders]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(60)
        assert writer.exitcode == 0
    with History(tmp_path / "h.sqlite") as history:
        assert len(history.runs(100)) == 32
        assert len(history.results()) == 64


def test_an_old_file_is_brought_up_to_date_and_a_newer_one_refused(tmp_path: Path) -> None:
    db = tmp_path / "h.sqlite"
    connection = sqlite3.connect(db)
    for statement in schema._STEPS[0].split(";"):
        connection.execute(statement)
    connection.execute("PRAGMA user_version = 1")
    connection.commit()
    connection.close()
    _add(db, run_folder(tmp_path, "run", [result("A-1")]))
    connection = sqlite3.connect(db)
    assert connection.execute("PRAGMA user_version").fetchone() == (schema.VERSION,)
    connection.execute("PRAGMA user_version = 99")
    connection.commit()
    connection.close()
    with pytest.raises(InputError, match="was written by a newer hil"):
        History(db)


def test_a_damaged_file_is_told_with_what_to_do(tmp_path: Path) -> None:
    db = tmp_path / "h.sqlite"
    db.write_bytes(b"this is no database" * 100)
    with pytest.raises(InputError, match="hil history add RUN"):
        History(db)
    with pytest.raises(BenchError):
        History(tmp_path)  # a folder
    with pytest.raises(InputError, match="no history here"):
        History(tmp_path / "none.sqlite", create=False)


def test_a_history_that_cannot_be_written_does_not_harm_the_run(tmp_path: Path) -> None:
    from tests.run.bench import MiniBench

    bench = MiniBench(tmp_path)
    bench.cases('@case("A-01", "It holds")\ndef test_holds():\n    pass\n')
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "history.sqlite").write_bytes(b"no database at all" * 99)
    ended = hil(tmp_path, "run", "--rig", "rig.toml", "--plan", "plan.toml", "--out", "out")
    assert ended.code == 0
    assert "history was not written: " in ended.out
    assert "`hil history add out/" in ended.out


def test_what_the_command_tells(tmp_path: Path) -> None:
    db = _nights(tmp_path, ["passed"] * 7)
    told = hil(tmp_path, "history", "--db", str(db), "--case", "A-1").out
    assert "A-1: held in the last of 7 runs" in told
    assert "A-1  t: 3 s" in told
    assert "worse by +50.0 % (median before 2, in run6)" in told
    assert "7 runs" in hil(tmp_path, "history", "--db", str(db)).out
    assert hil(tmp_path, "history", "--db", str(db), "--csv").out.count("\n") == 14
    assert "no case is flaky or broken" in hil(tmp_path, "history", "--db", str(db), "--flaky").out
    assert hil(tmp_path, "history", "--db", str(db), "--case", "NONE").code == 2


def test_a_trend_ends_at_the_run_that_is_asked_for(tmp_path: Path) -> None:
    with History(_nights(tmp_path, ["passed"] * 6)) as history:
        [found] = [each for each in trends(history.figures(), until="run4") if each.name == "t"]
        assert found.values == (2.0,) * 5
        assert trends(history.figures(), until="none") == []
