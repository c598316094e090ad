"""`hil run`, from the command line to the run folder, on a rig without instruments."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from hil.run.writer import exit_code_for
from tests.run.bench import MiniBench

OUTCOMES = """
@case("A-01", "It holds", evidence_for=["REQ-1"])
@pytest.mark.parametrize("size", [1, 2])
def test_holds(rig, size):
    with stage("upload"):
        progress(10, 20)
    measured("duration", 1.5, "s")

@case("A-02", "It does not hold")
def test_fails(rig):
    with stage("swap"):
        assert 1 == 2, "the image was <taken>"

@case("A-03", "The bench is gone")
def test_bench(rig):
    raise BenchError("supply: no answer")

@case("A-04", "It is not for this bench", needs=["faults"])
def test_skipped(rig):
    pass

@pytest.fixture
def booted(rig):
    raise DeviceError("the device did not boot in 5 s")

@case("A-05", "It boots")
def test_boots(booted):
    pass

@case("A-07", "It says so itself")
def test_says(rig):
    pytest.fail("so it is")

@case("A-06", "The test has a mistake")
def test_mistake(rig):
    {}["nothing"]
"""


@pytest.fixture
def bench(tmp_path: Path) -> MiniBench:
    return MiniBench(tmp_path)


def test_every_outcome_is_told_for_what_it_is(bench: MiniBench) -> None:
    bench.cases(OUTCOMES)
    ended = bench.run()
    assert ended.code == 1
    told = {name: (result["outcome"], result["reason"]) for name, result in ended.results.items()}
    assert told == {
        "A-01[1]": ("passed", ""),
        "A-01[2]": ("passed", ""),
        "A-02": ("failed", "the image was <taken>"),
        "A-03": ("error", "supply: no answer"),
        "A-04": ("skipped", "rig empty has no faults"),
        "A-05": ("failed", "the device did not boot in 5 s"),
        "A-06": ("error", "KeyError: 'nothing'"),
        "A-07": ("failed", "so it is"),
    }
    assert ended.record["counts"] == {"passed": 2, "failed": 3, "error": 2, "skipped": 1}
    assert ended.record["state"] == "finished"
    suite = ElementTree.parse(ended.folder / "junit.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("errors"), suite.get("skipped")) == ("3", "2", "1")
    held = suite.findall("testcase[@name='A-01[1]']/properties/property")
    assert ("evidence_for", "REQ-1") in [(each.get("name"), each.get("value")) for each in held]
    page = (ended.folder / "report.html").read_text()
    assert "The device broke a requirement in 3 cases" in page
    assert "the image was &lt;taken&gt;" in page
    assert "<taken>" not in page
    assert "A-02" in (ended.folder / "cases" / "A-02" / "failure.txt").read_text()


def test_a_case_whose_process_dies_is_told_and_the_run_does_not_pass(tmp_path: Path) -> None:
    bench = MiniBench(tmp_path)
    bench.cases("""
import os

@case("A-01", "It dies")
def test_dies():
    os._exit(9)

@case("A-02", "It holds")
def test_holds():
    pass
""")
    ended = bench.run("--rig", "virtual", "-n", "2")  # real benches have no workers
    assert ended.code == 3
    told = {name: (result["outcome"], result["reason"]) for name, result in ended.results.items()}
    assert told == {"A-01": ("error", "the process that ran this case died"), "A-02": ("passed", "")}
    assert ended.record["counts"] == {"passed": 1, "failed": 0, "error": 1, "skipped": 0}
    assert "the process that ran this case died" in (ended.folder / "report.html").read_text()
    suite = ElementTree.parse(ended.folder / "junit.xml").getroot()[0]
    assert (suite.get("failures"), suite.get("errors")) == ("0", "1")


def test_the_command_for_a_failed_case_repeats_just_that_case_with_its_seed(bench: MiniBench) -> None:
    bench.cases(OUTCOMES)
    first = bench.run("--seed", "77", "--case", "A-01[2]", "--case", "A-02")
    assert set(first.results) == {"A-01[2]", "A-02"}
    again = bench.run("--seed", "77", "--case", "A-02")
    assert again.results["A-02"]["seed"] == first.results["A-02"]["seed"]
    assert first.results["A-02"]["command"] == "hil run --rig rig.toml --plan plan.toml --seed 77 --case A-02"


@pytest.mark.parametrize(
    ("outcomes", "code"),
    [
        (["passed", "skipped"], 0),
        (["passed", "failed"], 1),
        (["error", "failed"], 1),
        (["error", "passed"], 3),
        (["skipped", "skipped"], 2),
        ([], 0),
    ],
)
def test_the_exit_code_of_outcomes(outcomes: list[str], code: int) -> None:
    assert exit_code_for(outcomes) == code


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ("pass", 0),
        ("raise BenchError('x')", 3),
    ],
)
def test_exit_codes(bench: MiniBench, body: str, code: int) -> None:
    bench.cases(f"@case('A-01', 'It holds')\ndef test_it(rig):\n    {body}\n")
    assert bench.run().code == code


def test_a_bench_that_fails_while_a_failed_case_ends_does_not_hide_the_failure(bench: MiniBench) -> None:
    bench.cases(
        """
@pytest.fixture
def instrument(rig):
    yield
    raise BenchError("gone")

@case("A-01", "It holds")
def test_it(instrument):
    assert False, "it does not"
"""
    )
    assert bench.run().results["A-01"]["outcome"] == "failed"


@pytest.mark.parametrize(
    ("plan", "expected"),
    [
        ('cases = ["Z-*"]', 'hil: plan mini: cases: "Z-*" matches no case'),
        ("cases = []", "hil: plan mini: names no case; list ids or patterns under the key cases"),
        ("case = 1", 'hil: plan.toml:3: case: unknown key; did you mean "cases"?'),
    ],
)
def test_a_wrong_plan_is_one_line_and_exit_2(bench: MiniBench, plan: str, expected: str) -> None:
    bench.cases(OUTCOMES)
    bench.plan(f'schema = 1\nname = "mini"\n{plan}\n')
    ended = bench.run()
    assert (ended.code, ended.out, ended.err) == (2, "", expected + "\n")
    assert not (bench.folder / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["--case", "A-99"], 'hil: --case "A-99": plan mini has no such case'),
        (["--rig", "nowhere.toml"], "hil: nowhere.toml: no such rig file"),
        (["--plan", "nowhere"], 'hil: no plan called "nowhere"'),
        (["--out", "rig.toml"], "rig.toml: no run folder can be made here"),
        (["--workers", "2"], "hil: rig empty: a real bench runs one case at a time; give --workers 1"),
        (["--seed", "x"], "hil: Invalid value for '--seed'"),
        (["--colour"], "hil: No such option: --colour"),
    ],
)
def test_a_wrong_argument_is_one_line_and_exit_2(
    bench: MiniBench, arguments: list[str], expected: str
) -> None:
    bench.cases(OUTCOMES)
    ended = bench.run(*arguments)
    assert ended.code == 2
    assert expected in ended.err
    assert len(ended.err.strip().splitlines()) == 1
    assert "Traceback" not in ended.err + ended.out


def test_a_broken_test_module_is_one_line_and_exit_2(bench: MiniBench) -> None:
    bench.cases("import nothing_of_that_name\n")
    ended = bench.run()
    assert ended.code == 2
    assert (
        ended.err
        == "hil: test_mini.py: cannot be read as cases: ModuleNotFoundError: No module named 'nothing_of_that_name'\n"
    )


def test_two_tests_with_one_id_are_refused(bench: MiniBench) -> None:
    bench.cases("@case('A-01', 'x')\ndef test_a(): pass\n@case('A-01', 'y')\ndef test_b(): pass\n")
    assert "more than one test is case A-01" in bench.run().err


def test_a_plan_replaces_parameters_and_repeats_with_other_seeds(bench: MiniBench) -> None:
    bench.cases(OUTCOMES)
    bench.plan('schema = 1\nname = "mini"\ncases = ["A-01"]\nrepeats = 2\n[parameters.A-01]\nsize = [7]\n')
    results = bench.run().results
    assert set(results) == {"A-01[7]", "A-01[7]#2"}
    assert results["A-01[7]"]["seed"] != results["A-01[7]#2"]["seed"]


def test_arguments_after_two_dashes_go_to_pytest(bench: MiniBench) -> None:
    bench.cases(OUTCOMES)
    ended = bench.run("--", "-k", "holds")
    assert set(ended.results) == {"A-01[1]", "A-01[2]"}


def test_results_but_for_wall_time_are_equal_in_two_runs(bench: MiniBench) -> None:
    bench.cases(
        "@case('A-01', 'x')\ndef test_a(): pass\n@case('A-02', 'y')\ndef test_b(): assert object() is None\n"
    )
    first, second = (bench.run().results for _ in range(2))
    for result in [*first.values(), *second.values()]:
        del result["wall"]
    assert first == second


def test_a_killed_run_keeps_the_results_of_what_had_finished(bench: MiniBench) -> None:
    process = _start(bench)
    process.kill()
    process.wait()
    (folder,) = (bench.folder / "out").glob("2*")
    assert (folder / "results.jsonl").read_text().count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_ends_with_130_and_its_record(bench: MiniBench, number: signal.Signals) -> None:
    process = _start(bench)
    process.send_signal(number)
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    (folder,) = (bench.folder / "out").glob("2*")
    assert out.splitlines()[-1].endswith(folder.name)
    assert '"state": "interrupted"' in (folder / "run.json").read_text()
    assert (folder / "results.jsonl").read_text().count("\n") == 1
    assert (bench.folder / "closed").exists()


def _start(bench: MiniBench) -> subprocess.Popen[str]:
    """A run whose first case has finished and whose second is at work."""
    bench.cases(
        """
import pathlib, time

@pytest.fixture
def instrument(rig):
    yield
    pathlib.Path("closed").write_text("")

@case("A-01", "It holds")
def test_a(rig):
    pass

@case("A-02", "It takes long")
def test_b(instrument):
    pathlib.Path("working").write_text("")
    time.sleep(60)
"""
    )
    process = subprocess.Popen(
        bench.command(),
        cwd=bench.folder,
        env=bench.environment | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    for _ in range(600):
        if (bench.folder / "working").exists():
            return process
        if process.poll() is not None:
            break
        time.sleep(0.05)
    os.kill(process.pid, 0)
    raise AssertionError(process.communicate())
