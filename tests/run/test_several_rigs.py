"""`hil run --rig a --rig b`: the plan is shared by what each rig can, and what a dead one had goes to the other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.report.run_folder import RunRecord
from tests.run.bench import RIG, Ended, MiniBench

CONSOLE = '\n[console]\ndriver = "serial"\nport = "/dev/nothing-{name}"\n'


class Lab(MiniBench):
    """Two rigs, a and b, of which b has a console."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name in "ab":
            self.rig(name, CONSOLE.format(name=name) if name == "b" else "")

    def rig(self, name: str, more: str = "", recovery: str = "") -> None:
        text = RIG.replace('name = "empty"', f'name = "{name}"')
        (self.folder / f"{name}.toml").write_text(f"{text}{more}\n[recovery]\n{recovery}\n")

    def command(self, *arguments: str) -> list[str]:
        words = super().command(*arguments)
        at = words.index("--rig")
        words[at : at + 2] = ["--rig", "a.toml", "--rig", "b.toml"]
        return words


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return Lab(tmp_path)


WHERE = """
import time
from hil.rig import files
from hil.run import settings

@pytest.fixture
def here(request):
    return files.load(settings.of(request.config).rig).name
"""


def _rigs(ended: Ended) -> dict[str, str]:
    return {name: row["rig"] for name, row in ended.results.items()}


def test_two_rigs_share_a_plan_and_each_result_names_its_own(lab: Lab) -> None:
    lab.cases(
        WHERE + "@case('A-01', 'It holds')\n@pytest.mark.parametrize('n', range(8))\n"
        "def test_a(n, here):\n    time.sleep(0.2)\n    assert n != 5, here\n"
    )
    ended = lab.run("-n", "2")
    assert ended.code == 1
    assert len(ended.results) == 8
    assert set(_rigs(ended).values()) == {"a", "b"}
    failed = ended.results["A-01[5]"]
    assert failed["reason"].startswith(failed["rig"])
    assert failed["command"].startswith(f"hil run --rig {failed['rig']}.toml --plan plan.toml ")
    assert (ended.record["rig"], ended.record["workers"]) == ("a + b", 2)
    assert [each["name"] for each in ended.record["rigs"]] == ["a", "b"]
    assert set(json.loads((ended.folder / "rigs.json").read_text())) == {"a", "b"}
    assert "a + b" in (ended.folder / "report.html").read_text()
    RunRecord.load(ended.folder)


@pytest.mark.nightly
def test_a_case_runs_where_it_can(lab: Lab) -> None:
    lab.cases(
        WHERE + "@case('A-01', 'It holds', needs=['console'])\n@pytest.mark.parametrize('n', range(5))\n"
        "def test_a(n, here): assert here == 'b'\n"
        "@case('A-02', 'It holds', needs=['faults'])\ndef test_b(): pass\n"
        "@case('A-03', 'It holds')\ndef test_c(): pass\n"
    )
    ended = lab.run("-n", "2")
    assert ended.code == 0, ended.out
    outcomes = {name: row["outcome"] for name, row in ended.results.items()}
    assert outcomes.pop("A-02") == "skipped"
    assert set(outcomes.values()) == {"passed"}
    assert len(outcomes) == 6


SICK = (
    WHERE + "@case('A-01', 'It holds')\n@pytest.mark.parametrize('n', range(10))\n"
    "def test_a(n, here):\n    time.sleep(0.1)\n"
    "    if here {sick}: raise BenchError(f'supply of {{here}}: no answer')\n"
)


@pytest.mark.parametrize("breaker", [2, pytest.param(100, marks=pytest.mark.nightly)])
def test_what_a_dead_rig_had_goes_to_the_other(lab: Lab, breaker: int) -> None:
    lab.rig("a", recovery=f"give_up_after = {breaker}")
    lab.cases(SICK.format(sick="== 'a'"))
    ended = lab.run("-n", "2")
    assert (ended.code, ended.err) == (0, ""), ended.out
    assert len(ended.results) == 10
    assert set(_rigs(ended).values()) == {"b"}
    moved = [row["notes"]["elsewhere"] for row in ended.results.values() if "elsewhere" in row["notes"]]
    assert moved
    assert all(row["artefacts"] == [] for row in ended.results.values())
    assert len(list((ended.folder / "cases").glob("*.cut-1/failure.txt"))) == len(moved)
    assert all(each == [{"rig": "a", "reason": "supply of a: no answer"}] for each in moved)
    if breaker < 100:
        assert len(moved) == breaker
    assert (ended.record["state"], ended.record["not_run"]) == ("finished", [])
    assert len((ended.folder / "results.jsonl").read_text().splitlines()) == 10
    assert "given back" in ended.out


@pytest.mark.nightly
def test_when_all_rigs_are_dead_the_run_ends_and_says_what_was_not_run(lab: Lab) -> None:
    for name in "ab":
        lab.rig(name, recovery="give_up_after = 2")
    lab.cases(SICK.format(sick=""))
    ended = lab.run("-n", "2")
    assert ended.code == 3
    assert {row["outcome"] for row in ended.results.values()} == {"error"}
    left = {row["id"] for row in ended.record["not_run"]}
    assert left
    assert left.isdisjoint(ended.results)
    # Every case has a place in the record: it has ended, or is named as not run.
    assert len(left) + len(ended.results) == 10
    assert ended.record["state"] == "interrupted"


def test_a_case_whose_process_died_goes_to_the_other_rig(lab: Lab) -> None:
    once = lab.folder / "once"  # which case a gets first is up to the scheduler
    lab.cases(
        WHERE + "import os, signal\n@case('A-01', 'It holds')\n@pytest.mark.parametrize('n', range(6))\n"
        "def test_a(n, here):\n    time.sleep(0.1)\n"
        f"    if here == 'a' and not os.path.exists({str(once)!r}):\n"
        f"        open({str(once)!r}, 'w').close()\n"
        "        os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = lab.run("-n", "2")
    assert ended.code == 0, ended.out
    assert len(ended.results) == 6
    [told] = [row for row in ended.results.values() if "elsewhere" in row["notes"]]
    assert (told["rig"], told["notes"]["elsewhere"]) == (
        "b",
        [{"rig": "a", "reason": "the process that ran this case died"}],
    )


@pytest.mark.nightly
def test_a_run_on_two_rigs_goes_on_with_both(lab: Lab) -> None:
    for name in "ab":
        lab.rig(name, recovery="give_up_after = 1")
    (lab.folder / "broken").touch()
    lab.cases(
        WHERE + "import pathlib\n@case('A-01', 'It holds')\n@pytest.mark.parametrize('n', range(8))\n"
        "def test_a(n, here):\n    time.sleep(0.1)\n"
        "    if pathlib.Path('broken').exists(): raise BenchError('gone')\n"
    )
    ended = lab.run("-n", "2")
    assert ended.code == 3
    (lab.folder / "broken").unlink()
    lab.resume(ended.folder)
    record = json.loads((ended.folder / "run.json").read_text())
    assert (record["state"], record["rig"]) == ("finished", "a + b")
    assert sum(record["counts"].values()) == 8
    lab.rig("b", recovery="give_up_after = 2")
    refused = lab.resume(ended.folder)
    assert refused.code == 2
    assert "one of the rig files is not the one that the run began with" in refused.err


@pytest.mark.parametrize(
    ("more", "arguments", "told"),
    [
        ("", ("-n", "1"), "2 rigs and --workers 1: each rig needs a worker of its own"),
        ("", ("-n", "3"), "rig a: a real bench runs one case at a time; give --workers 2"),
        ("console", (), "a and b share an instrument: console /dev/nothing-b"),
        ("name", (), "two rigs are named b"),
        ("board", (), "a and b hold other devices (device.board)"),
    ],
)
def test_rigs_that_cannot_share_a_plan_are_refused(
    lab: Lab, more: str, arguments: tuple[str, ...], told: str
) -> None:
    lab.cases("@case('A-01', 'It holds')\ndef test_a(): pass\n")
    if more == "console":
        lab.rig("a", CONSOLE.format(name="b"))
    path = lab.folder / "a.toml"
    if more == "name":
        path.write_text(path.read_text().replace('name = "a"', 'name = "b"'))
    if more == "board":
        path.write_text(path.read_text().replace('board = "none"', 'board = "other"'))
    ended = lab.run(*arguments)
    assert (ended.code, len(ended.err.splitlines())) == (2, 1)
    assert told in ended.err
