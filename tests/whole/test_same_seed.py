"""A run is repeated by its seed: whatever the order of the cases, and however many run side by side."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from hil.run.folder import WALL_KEY
from tests.run.bench import Ended
from tests.whole.running import hil_run

PLAN = """
schema = 1
name = "mini"
cases = ["*"]
"""
CASES = """
from hil.case import case, measured, stage

@case("A-01", "A link that is lossy and then lost, and a device that loses its power")
def test_lost(dut, update, next_image, rig):
    rig.faults.set_packet_loss(0.1)
    with stage("upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=0.2)
        measured("confirmed", transfer.offset, "B")
        transfer.drop_link()
    with stage("power"):
        dut.power_cycle()
        update.wait_alive()

@case("A-02", "A flash operation that is torn, in a case that fails")
def test_torn(dut, update, next_image, rig):
    transfer = update.start(next_image)
    transfer.run_until(fraction=0.1)
    rig.faults.cut_power_at_flash_operation(rig.faults.flash_operations + 20, "during", 0.5)
    transfer.run()
"""
# Turns the cases around in the processes that run them.
ORDER = """
import os

def pytest_collection_modifyitems(items):
    if os.environ.get("REVERSED"):
        items.reverse()
"""


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    (folder / "plan.toml").write_text(PLAN)
    (folder / "test_cases.py").write_text(CASES)
    (folder / "conftest.py").write_text(ORDER)
    return folder


@pytest.fixture(scope="module")
def first(plan: Path) -> Ended:
    return run(plan, 5)


def run(plan: Path, seed: int, workers: int = 1) -> Ended:
    ended = hil_run(plan, "--plan", "plan.toml", "--seed", str(seed), "--workers", str(workers))
    told = {name: result["outcome"] for name, result in ended.results.items()}
    assert told == {"A-01": "passed", "A-02": "failed"}, ended.out + ended.err
    return ended


def order(ended: Ended) -> list[str]:
    text = (ended.folder / "results.jsonl").read_text()
    return [json.loads(line)["id"] for line in text.splitlines()]


def workers(ended: Ended) -> set[str]:
    return {result[WALL_KEY]["worker"] for result in ended.results.values()}


def told(ended: Ended) -> list[str]:
    """results.jsonl, sorted by case, without what is told of this machine and the time of day."""
    results: list[dict[str, Any]] = [ended.results[name] for name in sorted(ended.results)]
    return [json.dumps({key: result[key] for key in result if key != WALL_KEY}) for result in results]


def artefacts(ended: Ended) -> dict[str, bytes]:
    """Every file that the cases left: logs, captures, power traces, the flash of the one that failed."""
    names = [name for result in ended.results.values() for name in result["artefacts"]]
    return {name: (ended.folder / name).read_bytes() for name in names}


def assert_equal(first: Ended, second: Ended) -> None:
    assert told(first) == told(second)
    left, right = artefacts(first), artefacts(second)
    assert {Path(name).name for name in left} == {
        "failure.txt",
        "flash.bin",
        "flash.csv",
        "link.btsnoop",
        "power.csv",
        "serial.log",
    }
    assert set(left) == set(right)
    assert [name for name in left if left[name] != right[name]] == []


def test_two_workers_change_nothing(plan: Path, first: Ended) -> None:
    second = run(plan, 5, workers=2)
    assert workers(first) == {"main"}
    assert workers(second) == {"gw0", "gw1"}
    assert_equal(first, second)


def test_another_order_changes_nothing(plan: Path, first: Ended, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("REVERSED", "1")
    second = run(plan, 5)
    assert order(second) == order(first)[::-1]
    assert_equal(first, second)


def test_another_seed_gives_another_run(plan: Path, first: Ended) -> None:
    other = run(plan, 6)
    assert told(other) != told(first)
    before, after = artefacts(first), artefacts(other)
    assert before["cases/A-01/link.btsnoop"] != after["cases/A-01/link.btsnoop"]


@pytest.mark.nightly
def test_the_whole_smoke_plan_is_repeated(tmp_path: Path) -> None:
    first = hil_run(tmp_path, "--plan", "smoke")
    second = hil_run(tmp_path, "--plan", "smoke", "--workers", "2")
    assert told(first) == told(second)
    left, right = artefacts(first), artefacts(second)
    assert [name for name in left if left[name] != right[name]] == []
