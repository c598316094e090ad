"""Whatever ends a run on instruments that exist, the output is off, the link is closed, and the device boots again.

The bench is a virtual kit that `hil serve` holds open in a process of its own: it lives on when the run is killed, and
its supply tells over its own socket what it was left like.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.ble.central import Central
from hil.ble.radio import Radio
from hil.errors import BenchError
from hil.rig import files
from hil.rig.claim import Claim
from hil.rig.guardian import LOG
from hil.rig.rig import open_rig
from hil.supply.scpi import ScpiSupply
from tests.run.bench import HEAD, Ended
from tests.serve.served import Served
from tests.served_rig import rig_file
from tests.whole.running import HIL, environment

PATIENCE_S = 120.0
PLAN = 'schema = 1\nname = "mini"\ncases = ["*"]\n'
UPDATES = """
import pathlib

@case("A-01", "An update")
@pytest.mark.parametrize("n", range(50))
def test_update(n, dut, update, next_image):
    pathlib.Path("uploads").touch()
    update.start(next_image).run()
"""
POWERED = """
import pathlib

@case("A-01", "It has power")
@pytest.mark.parametrize("n", range(5))
def test_power(n, rig, blank_dut):
    blank_dut.power_on()
    pathlib.Path("powered").touch()
    while True:
        rig.sleep(0.01)
        rig.supply.measure_volts()
"""


class Bench:
    """A served bench, and runs on it."""

    def __init__(self, folder: Path, served: Served) -> None:
        self.folder = folder
        self.served = served
        self.rig = rig_file(served, folder / "rig.toml")
        (folder / "plan.toml").write_text(PLAN)

    def cases(self, text: str) -> None:
        (self.folder / "test_cases.py").write_text(HEAD + text)

    def start(self) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [*HIL, "run", "--rig", "rig.toml", "--plan", "plan.toml", "--out", "out"],
            cwd=self.folder,
            env=environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def wait_until(self, moment: str, process: subprocess.Popen[str]) -> None:
        until = time.monotonic() + PATIENCE_S
        while not (self.folder / moment).exists():
            assert process.poll() is None, process.communicate()
            assert time.monotonic() < until
            time.sleep(0.01)

    def ended(self, process: subprocess.Popen[str]) -> Ended:
        out, err = process.communicate(timeout=PATIENCE_S)
        return Ended(process.returncode, out.replace("out/", f"{self.folder}/out/"), err)

    @property
    def output_is_on(self) -> bool:
        with ScpiSupply(self.served["supply"], max_volts=3.6, max_amperes=0.5) as supply:
            return supply.measure_volts() > 0.1

    def claimed_again(self) -> None:
        """Come after whoever has the bench, as the next run does; the guardian of a run that was killed is one."""
        Claim(files.load(str(self.rig))).release()

    def boots(self) -> None:
        """The device boots when it gets power, and advertises: it is neither halted nor connected to anybody."""
        with open_rig(files.load(str(self.rig))) as rig:
            rig.begin_case("after", 0)
            rig.supply.on()
            rig.console.wait_for("app: version", 30.0)

            async def advertises() -> None:
                central = Central(await Radio.open(self.served["controllers"]["spare"]))
                try:
                    await central.find(name="hil-dut", timeout_s=20.0)
                finally:
                    await central.close()

            rig.run(advertises())
            rig.end_case(failed=False)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """One bench for all tests, as a bench that exists is: each has to get on with what the one before left."""
    with Served(tmp_path_factory.mktemp("served"), "--bundled") as running:
        yield running


@pytest.fixture
def bench(tmp_path: Path, served: Served) -> Bench:
    return Bench(tmp_path, served)


@pytest.mark.parametrize(
    "number",
    [
        signal.SIGKILL,
        pytest.param(signal.SIGINT, marks=pytest.mark.nightly),
        pytest.param(signal.SIGTERM, marks=pytest.mark.nightly),
    ],
)
def test_the_output_is_off_and_the_device_boots_after_a_signal(bench: Bench, number: signal.Signals) -> None:
    bench.cases(POWERED)
    process = bench.start()
    bench.wait_until("powered", process)
    assert bench.output_is_on
    process.send_signal(number)
    process.communicate(timeout=PATIENCE_S)
    bench.claimed_again()
    assert not bench.output_is_on
    bench.boots()
    told = list(bench.folder.glob(f"out/2*/{LOG}"))
    assert len(told) == (number == signal.SIGKILL)
    assert all("the supply's output is off" in path.read_text() for path in told)


@pytest.mark.nightly
def test_a_bench_in_use_is_not_disturbed(bench: Bench) -> None:
    bench.cases(POWERED)
    process = bench.start()
    bench.wait_until("powered", process)
    with pytest.raises(BenchError, match=r"rig served: .* is in use by another run"):
        Claim(files.load(str(bench.rig)), patience_s=0.5)
    assert bench.output_is_on
    process.terminate()
    process.communicate(timeout=PATIENCE_S)


@pytest.mark.nightly
def test_an_exception_in_a_driver_leaves_the_output_off(bench: Bench) -> None:
    bench.cases(
        '@case("A-01", "It has power")\ndef test_power(rig, blank_dut):\n    blank_dut.power_on()\n'
        "    rig.supply._supply.measure_volts = lambda: 1 / 0\n    rig.supply.measure_volts()\n"
    )
    ended = bench.ended(bench.start())
    assert ended.code == 3
    assert ended.results["A-01"]["reason"] == "ZeroDivisionError: division by zero"
    assert not bench.output_is_on
    bench.boots()


def test_an_unplugged_bench_ends_the_run_and_is_named(tmp_path: Path) -> None:
    served = Served(tmp_path, "--bundled")
    bench = Bench(tmp_path, served)
    bench.cases(POWERED)
    process = bench.start()
    bench.wait_until("powered", process)
    served.process.kill()
    served.process.communicate()
    ended = bench.ended(process)
    assert (ended.code, ended.err) == (3, "")
    assert {row["outcome"] for row in ended.results.values()} == {"error"}
    assert all(served["supply"] in row["reason"] for row in ended.results.values())
    assert len(ended.record["not_run"]) == 2
    assert "circuit breaker of rig served: 3 cases in a row" in ended.out


@pytest.mark.nightly
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_a_run_killed_at_random_moments_leaves_a_safe_bench(bench: Bench, number: signal.Signals) -> None:
    seed = int(os.environ.get("HIL_KILL_SEED", "1"))
    print(f"seed {seed}; set HIL_KILL_SEED for another")
    moments = random.Random(f"{seed} {number}")
    bench.cases(UPDATES)
    for _ in range(8):
        process = bench.start()
        moment = moments.uniform(0.5, 20.0)
        time.sleep(moment)
        process.send_signal(number)
        out, err = process.communicate(timeout=PATIENCE_S)
        bench.claimed_again()
        assert not bench.output_is_on or moment < 4.0, (moment, out, err)  # at first it has not begun
        # What was cut off may be the writing of the bootloader itself: a new run must get on from there.
        with open_rig(files.load(str(bench.rig))) as rig:
            rig.begin_case("after", 0)
            rig.end_case(failed=False)
        assert not bench.output_is_on
    bench.cases('@case("A-02", "It boots")\ndef test_boots(dut): pass\n')
    ended = bench.ended(bench.start())
    assert ended.code == 0, ended.out
    bench.boots()


@pytest.mark.nightly
def test_a_bench_unplugged_at_random_moments_never_makes_the_device_fail(tmp_path: Path) -> None:
    seed = int(os.environ.get("HIL_KILL_SEED", "1"))
    print(f"seed {seed}; set HIL_KILL_SEED for another")
    moments = random.Random(seed)
    for attempt in range(8):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        served = Served(folder, "--bundled")
        bench = Bench(folder, served)
        bench.cases(UPDATES)
        process = bench.start()
        time.sleep(moments.uniform(3.0, 20.0))
        served.process.kill()
        served.process.communicate()
        ended = bench.ended(process)
        assert ended.code == 3, ended.out
        assert {row["outcome"] for row in ended.results.values()} <= {"passed", "error"}, ended.out
