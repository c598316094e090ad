"""Somebody else's program drives the update on the virtual bench, by the serial port that it is given."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from hil import bundled
from tests.run.bench import Ended
from tests.whole.running import hil_run

UPDATER = Path(__file__).parent / "updater.py"


def _run(where: Path, command: list[str], *cases: str, timeout: float = 90.0) -> Ended:
    text = (bundled.rigs() / "virtual.toml").read_text()
    table = f"[initiator]\ncommand = {command!r}\ntimeout_seconds = {timeout}\n\n[virtual]\n".replace(
        "'", '"'
    )
    (where / "rig.toml").write_text(text.replace("[virtual]\n", table))
    chosen = [word for case in cases for word in ("--case", case)]
    return hil_run(where, "--rig", "rig.toml", "--plan", "nightly", *chosen)


@pytest.mark.parametrize("cases", [["INI-01"], pytest.param(["INI-02", "INI-05"], marks=pytest.mark.nightly)])
def test_a_program_updates_the_device_is_killed_and_is_refused(tmp_path: Path, cases: list[str]) -> None:
    """In real time: the program works on a pseudo-terminal and has time-outs of its own."""
    command = [sys.executable, str(UPDATER), "{console}", "{image}", "{hash}"]
    ended = _run(tmp_path, command, *cases)
    told = {name: (row["outcome"], row["reason"]) for name, row in ended.results.items()}
    assert told == dict.fromkeys(cases, ("passed", ""))
    log = (ended.folder / "cases" / cases[-1] / "initiator.log").read_text()
    assert "updater.py" in log


def test_a_program_that_reports_success_and_did_nothing_is_found_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HIL_TEST_TOKEN", "hunter2hunter2")
    program = "import sys; sys.exit(0 if len(sys.argv[1]) == 14 else 7)"
    ended = _run(tmp_path, [sys.executable, "-c", program, "${HIL_TEST_TOKEN}"], "INI-01", "INI-04")
    assert ended.results["INI-01"]["outcome"] == "failed"
    assert "the device does not run the new image" in ended.results["INI-01"]["reason"]
    assert ended.results["INI-04"]["outcome"] == "failed"
    # It got the token from the environment, and no file of the run has it.
    files = [path for path in ended.folder.rglob("*") if path.is_file()]
    assert any(b"${HIL_TEST_TOKEN}" in path.read_bytes() for path in files if path.name == "initiator.log")
    assert not any(b"hunter2" in path.read_bytes() for path in files)


@pytest.mark.parametrize(
    ("command", "told"),
    [
        (["/nowhere/program"], "initiator: /nowhere/program: cannot be started"),
        ([sys.executable, "-c", "import time; time.sleep(600)"], "did not end within 2 s"),
    ],
)
def test_a_program_that_cannot_run_or_does_not_end_is_the_benchs_trouble(
    tmp_path: Path, command: list[str], told: str
) -> None:
    ended = _run(tmp_path, command, "INI-01", timeout=2.0)
    assert ended.code == 3
    assert told in ended.results["INI-01"]["reason"]


def test_without_an_initiator_its_cases_are_skipped(tmp_path: Path) -> None:
    ended = hil_run(tmp_path, "--plan", "nightly", "--case", "INI-01")
    assert ended.results["INI-01"]["reason"] == "rig virtual has no initiator"
    assert ended.code == 2
