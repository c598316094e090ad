"""Ctrl-C, SIGTERM and kill at any moment of a run on the bench: results kept, supply off, no word too many."""

from __future__ import annotations

import contextlib
import json
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.run.bench import MiniBench
from tests.whole.running import HIL, environment, hil_run

INTERRUPTED = 130
PLAN = """
schema = 1
name = "mini"
cases = ["*"]
"""
CASES = """
import pathlib
from hil.case import case

def reached(moment):
    pathlib.Path(moment).touch()

@case("A-01", "It holds, and is done at once")
def test_a():
    pass

@case("A-02", "A whole update")
def test_b(blank_dut, product, base_image, next_image, rig):
    blank_dut.provision(
        bootloader=product.bootloader,
        provisioning=product.provisioning.page(),
        image=base_image,
        progress=lambda done, total: reached("provision"),
    )
    blank_dut.wait_booted()
    from hil.dfu.update import Update
    update = Update(rig.run, blank_dut.air())
    update.start(next_image, on_progress=lambda progress: reached("upload")).run()
    update.test(next_image.hash)
    update.close()
    rig.console.skip()
    blank_dut.reset()
    rig.console.wait_for("swap starts", 60.0)
    reached("swap")
    # Only a signal ends this: what the run does then must not depend on how fast this machine is.
    while True:
        rig.sleep(0.01)
"""


class Running:
    """A run on the virtual bench that goes on until it is told to end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "plan.toml").write_text(PLAN)
        (folder / "test_cases.py").write_text(CASES)
        self.process = subprocess.Popen(
            [*HIL, "run", "--plan", "plan.toml", "--out", "out"],
            cwd=folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self._watchdog = threading.Timer(240, self.process.kill)
        self._watchdog.start()

    def wait_until(self, moment: str) -> None:
        """Wait until the second case has come to `moment`."""
        while not (self.folder / moment).exists():
            assert self.process.poll() is None, self.process.communicate()
            time.sleep(0.01)

    def end(self, number: signal.Signals) -> tuple[str, str]:
        """Send a signal and wait for the end; returns what was printed and the errors."""
        self.process.send_signal(number)
        return self.process.communicate()

    @property
    def run_folder(self) -> Path:
        (folder,) = (self.folder / "out").glob("2*")
        return folder

    def close(self) -> None:
        self._watchdog.cancel()
        with contextlib.suppress(ProcessLookupError):
            self.process.kill()
        self.process.communicate()


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Running]:
    started = Running(tmp_path)
    yield started
    started.close()


@pytest.mark.parametrize(
    ("number", "moment"),
    [
        (signal.SIGINT, "provision"),
        (signal.SIGINT, "swap"),
        (signal.SIGTERM, "upload"),
    ],
)
def test_an_interrupted_run_keeps_its_results_and_leaves_the_supply_off(
    running: Running, number: signal.Signals, moment: str
) -> None:
    running.wait_until(moment)
    out, err = running.end(number)
    assert running.process.returncode == INTERRUPTED, out + err
    assert err == ""
    assert "Traceback" not in out
    folder = running.run_folder
    assert out.splitlines()[-1] == f"out/{folder.name}"
    record = json.loads((folder / "run.json").read_text())
    assert (record["state"], record["exit_code"]) == ("interrupted", INTERRUPTED)
    results = [json.loads(line) for line in (folder / "results.jsonl").read_text().splitlines()]
    assert [(result["id"], result["outcome"]) for result in results] == [("A-01", "passed")]
    trace = (folder / "cases" / "A-02" / "power.csv").read_text().splitlines()
    assert trace[-1].split(",")[1:3] == ["safe off", "0.0000"]
    assert (folder / "report.html").stat().st_size > 0


def test_a_killed_run_keeps_the_results_of_what_had_finished(running: Running) -> None:
    running.wait_until("provision")
    running.end(signal.SIGKILL)
    assert running.process.returncode == -signal.SIGKILL
    results = [json.loads(line) for line in (running.run_folder / "results.jsonl").read_text().splitlines()]
    assert [(result["id"], result["outcome"]) for result in results] == [("A-01", "passed")]


INTERRUPT = "import os, signal; os.kill(os.getpid(), signal.SIGINT)"


def test_ctrl_c_while_the_command_is_loaded(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text(INTERRUPT)
    started = environment()
    done = subprocess.run(
        [*HIL, "run"],
        cwd=tmp_path,
        env=started | {"PYTHONPATH": f"{tmp_path}:{started['PYTHONPATH']}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout, done.stderr) == (INTERRUPTED, "", "")


def test_ctrl_c_while_the_cases_are_read(tmp_path: Path) -> None:
    bench = MiniBench(tmp_path)
    bench.cases(INTERRUPT)
    ended = bench.run()
    assert (ended.code, ended.out, ended.err) == (INTERRUPTED, "", "")
    assert not (tmp_path / "out").exists()


def test_ctrl_c_while_the_report_is_written(tmp_path: Path) -> None:
    bench = MiniBench(tmp_path)
    bench.cases("@case('A-01', 'It holds')\ndef test_it(): pass\n")
    (tmp_path / "conftest.py").write_text(
        "import hil.run.writer as writer\n"
        "from hil.report.page import page as whole\n"
        f"def interrupted(*arguments):\n    writer.page = whole\n    {INTERRUPT}\n    return ''\n"
        "writer.page = interrupted\n"
    )
    ended = bench.run()
    assert (ended.code, ended.err) == (INTERRUPTED, "")
    assert (ended.record["state"], ended.record["exit_code"]) == ("interrupted", INTERRUPTED)
    assert set(ended.results) == {"A-01"}


@pytest.mark.parametrize("workers", [1, 2])
def test_a_run_that_ends_after_so_many_failures_was_not_interrupted(tmp_path: Path, workers: int) -> None:
    (tmp_path / "plan.toml").write_text(PLAN + "[limits]\nstop_after = 1\n")
    (tmp_path / "test_cases.py").write_text(
        "import pytest\nfrom hil.case import case\n"
        "@case('A-01', 'It holds')\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_it(n): assert n == 9, 'it does not'\n"
    )
    ended = hil_run(tmp_path, "--plan", "plan.toml", "--workers", str(workers))
    assert (ended.code, ended.err) == (1, "")
    assert (ended.record["state"], ended.record["exit_code"]) == ("finished", 1)
    assert 1 <= len(ended.results) < 6
