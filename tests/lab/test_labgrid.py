"""Runs on the places of a real labgrid coordinator, whatever ends them. `.ci/lab` runs these."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.lab.laboratory import PATIENCE_S, Laboratory, end, laboratory
from tests.run.bench import HEAD, PLAN, RIG
from tests.serve.served import Served
from tests.served_rig import rig_file
from tests.whole.running import HIL, environment

pytestmark = pytest.mark.nightly

QUICK = """
@case("A-01", "Nothing")
def test_nothing():
    pass
"""
LONG = """
import pathlib, time

@case("A-01", "A long one")
def test_long():
    pathlib.Path("begun").touch()
    time.sleep(600)
"""
POWER = """
@case("A-01", "It has power and talks")
def test_power(rig, blank_dut):
    blank_dut.power_on()
    rig.console.wait_for("boot", 30.0)
"""
HOLD = """    import pathlib, time
    pathlib.Path("begun").touch()
    time.sleep(600)
"""


@pytest.fixture(scope="session")
def labgrid(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with labgrid: the one that is set, or one made now."""
    given = os.environ.get("HIL_LABGRID_PYTHON")
    if given:
        return Path(given)
    folder = tmp_path_factory.mktemp("labgrid") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    subprocess.run([str(folder / "bin/pip"), "install", "--quiet", "labgrid==26.0.1"], check=True)
    return folder / "bin" / "python"


@pytest.fixture
def lab(tmp_path: Path, labgrid: Path) -> Iterator[Laboratory]:
    (tmp_path / "lab").mkdir()
    with laboratory(tmp_path / "lab", labgrid) as running:
        yield running


class Job:
    """A `hil run --lab` in a folder of its own; all of them share a journal."""

    def __init__(
        self,
        folder: Path,
        lab: Laboratory,
        labgrid: Path,
        cases: str,
        *options: str,
        rig: str = RIG,
    ) -> None:
        self.folder = folder
        folder.mkdir()
        (folder / "rig.toml").write_text(rig)
        (folder / "plan.toml").write_text(PLAN)
        (folder / "test_cases.py").write_text(HEAD + cases)
        self.process = subprocess.Popen(
            [
                *(*HIL, "run", "--rig", "rig.toml", "--plan", "plan.toml", "--out", "out"),
                *("--lab", lab.address),
                *(options or ("--match", "board=none")),
            ],
            cwd=folder,
            env=environment()
            | {"HIL_LABGRID_PYTHON": str(labgrid), "HIL_LAB_STATE": str(folder.parent / "state")},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def begun(self) -> None:
        until = time.monotonic() + PATIENCE_S
        while not (self.folder / "begun").exists():
            assert self.process.poll() is None, self.process.communicate()
            assert time.monotonic() < until
            time.sleep(0.05)

    def ended(self) -> tuple[int, str]:
        out, err = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, err + out


RESOURCES = {"note": {"cls": "BenchNote", "text": "nothing"}}


def journals(tmp_path: Path) -> list[str]:
    return sorted(path.name for path in (tmp_path / "state").iterdir())


def test_three_runs_share_two_places(tmp_path: Path, lab: Laboratory, labgrid: Path) -> None:
    for name in ("one", "two"):
        lab.export(name, RESOURCES)
        lab.place(name, name, board="none")
    cases = QUICK.replace("pass", "import time; time.sleep(3)")
    jobs = [Job(tmp_path / f"job{n}", lab, labgrid, cases) for n in range(3)]
    for job in jobs:
        code, said = job.ended()
        assert code == 0, said
        assert "has place" in said
    assert (lab.holders(), lab.reservations(), journals(tmp_path)) == ({}, "", [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_gives_its_place_back(
    tmp_path: Path, lab: Laboratory, labgrid: Path, number: signal.Signals
) -> None:
    lab.export("one", RESOURCES)
    lab.place("one", "one", board="none")
    job = Job(tmp_path / "job", lab, labgrid, LONG)
    job.begun()
    assert list(lab.holders()) == ["one"]
    job.process.send_signal(number)
    code, said = job.ended()
    assert code == 130, said
    assert (lab.holders(), lab.reservations(), journals(tmp_path)) == ({}, "", [])


def test_what_a_killed_run_had_is_given_back_by_the_next(
    tmp_path: Path, lab: Laboratory, labgrid: Path
) -> None:
    lab.export("one", RESOURCES)
    lab.place("one", "one", board="none")
    lab.export("other", RESOURCES)
    lab.place("other", "other", board="else")
    lab.client("-p", "other", "acquire")
    others = lab.holders()
    killed = Job(tmp_path / "killed", lab, labgrid, LONG)
    killed.begun()
    killed.process.kill()
    killed.ended()
    time.sleep(1.0)
    assert set(lab.holders()) == {"one", "other"}  # labgrid keeps it
    code, said = Job(
        tmp_path / "next", lab, labgrid, QUICK, "--match", "board=none", "--lab-timeout", "60"
    ).ended()
    assert code == 0, said
    assert "released one, which a run that was killed had" in said
    assert (lab.holders(), lab.reservations()) == (others, "")
    assert not [name for name in journals(tmp_path) if name.endswith(".json")]


def test_a_live_run_keeps_its_place_and_the_next_one_gives_up_in_time(
    tmp_path: Path, lab: Laboratory, labgrid: Path
) -> None:
    lab.export("one", RESOURCES)
    lab.place("one", "one", board="none")
    live = Job(tmp_path / "live", lab, labgrid, LONG)
    live.begun()
    code, said = Job(
        tmp_path / "next", lab, labgrid, QUICK, "--match", "board=none", "--lab-timeout", "4"
    ).ended()
    assert code == 3, said
    assert "no place came free in 4 s (--lab-timeout)" in said and "one is held by" in said
    assert list(lab.holders()) == ["one"]
    live.process.terminate()
    live.ended()


def test_an_exporter_that_is_gone_is_told_and_another_place_is_taken(
    tmp_path: Path, lab: Laboratory, labgrid: Path
) -> None:
    gone = lab.export("gone", RESOURCES)
    lab.place("a-gone", "gone", board="none")
    end(gone)
    code, said = Job(
        tmp_path / "alone", lab, labgrid, QUICK, "--match", "board=none", "--lab-timeout", "5"
    ).ended()
    assert code == 3, said
    assert "every place that matches is offline" in said
    assert (lab.holders(), lab.reservations()) == ({}, "")
    lab.export("here", RESOURCES)
    lab.place("b-here", "here", board="none")
    code, said = Job(tmp_path / "next", lab, labgrid, QUICK).ended()
    assert code == 0, said
    assert "has place b-here" in said


def test_no_such_place(tmp_path: Path, lab: Laboratory, labgrid: Path) -> None:
    code, said = Job(tmp_path / "job", lab, labgrid, QUICK, "--match", "board=unheard-of").ended()
    assert code == 2, said
    assert "no place has the tags board=unheard-of" in said


def test_a_coordinator_that_starts_again_in_mid_run(tmp_path: Path, lab: Laboratory, labgrid: Path) -> None:
    lab.export("one", RESOURCES)
    lab.place("one", "one", board="none")
    job = Job(tmp_path / "job", lab, labgrid, LONG)
    job.begun()
    end(lab.coordinator)
    lab.start_coordinator()
    job.process.terminate()
    code, said = job.ended()
    assert code == 130, said
    lab.export("one", RESOURCES)
    if "one" not in lab.client("places"):  # labgrid saves places now and then only
        lab.place("one", "one", board="none")
    code, said = Job(tmp_path / "next", lab, labgrid, QUICK).ended()
    assert code == 0, said
    assert (lab.holders(), lab.reservations()) == ({}, "")


def exported_kit(served: Served, tmp_path: Path, lab: Laboratory) -> str:
    """Offer all instruments of a kit as a place; returns a rig file that has no address of them."""
    central, spare = (each for _, each in sorted(served["controllers"].items()))

    def at(endpoint: str) -> dict[str, object]:
        host, _, port = endpoint.removeprefix("tcp-client:").removeprefix("socket://").rpartition(":")
        return {"host": host.rpartition(":")[2], "port": int(port)}

    lab.export(
        "one",
        {
            "swd": {"cls": "HilProbe", **at(served["swd"])},
            "power": {"cls": "HilSupply", "resource": served["supply"], "max_volts": 60},
            "ble": {"cls": "HilBleAdapter", **at(central)},
            "spare": {"cls": "HilSpareBleAdapter", **at(spare)},
            "uart": {"cls": "NetworkSerialPort", "protocol": "raw", **at(served["console"])},
        },
    )
    lab.place("one", "one", board="none")
    rig = rig_file(served, tmp_path / "full.toml").read_text()
    for name in ("swd", "supply", "console"):
        rig = rig.replace(f'"{served[name]}"', '"unset"')
    return rig.replace(f'"{central}"', '"unset"').replace(f'"{spare}"', '"unset2"')


def test_a_kit_that_is_reached_through_the_lab(tmp_path: Path, lab: Laboratory, labgrid: Path) -> None:
    (tmp_path / "serve").mkdir()
    with Served(tmp_path / "serve", "--bundled", "--console-port", "0") as served:
        job = Job(tmp_path / "job", lab, labgrid, POWER, rig=exported_kit(served, tmp_path, lab))
        code, said = job.ended()
        assert code == 0, said
        record = (Path(job.folder) / said.splitlines()[-1] / "rig.json").read_text()
        assert served["supply"] in record and '"max_volts": 3.6' in record
    assert (lab.holders(), lab.reservations()) == ({}, "")


def test_the_kit_of_a_run_that_was_killed_is_the_next_one_s_with_all_its_instruments(
    tmp_path: Path, lab: Laboratory, labgrid: Path
) -> None:
    (tmp_path / "serve").mkdir()
    with Served(tmp_path / "serve", "--bundled", "--console-port", "0") as served:
        rig = exported_kit(served, tmp_path, lab)
        killed = Job(tmp_path / "killed", lab, labgrid, POWER + HOLD, rig=rig)
        killed.begun()
        killed.process.kill()
        killed.process.wait(PATIENCE_S)
        job = Job(tmp_path / "next", lab, labgrid, POWER, rig=rig)
        code, said = job.ended()
        assert code == 0, said
        assert "released one, which a run that was killed had" in said
    assert (lab.holders(), lab.reservations()) == ({}, "")
