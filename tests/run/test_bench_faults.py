"""Faults of the bench: tried again where that is safe, never the device's, and enough of them in a row end the run."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.run.bench import MiniBench

FLAKY = """
import pathlib

@pytest.fixture
def instrument():
    count = pathlib.Path("count")
    tried = int(count.read_text()) + 1 if count.exists() else 1
    count.write_text(str(tried))
    if tried <= {faults}:
        raise {error}
    yield
"""


def _tries(bench: MiniBench) -> int:
    return int((bench.folder / "count").read_text())


def _bench(folder: Path, recovery: str = "") -> MiniBench:
    bench = MiniBench(folder)
    rig = folder / "rig.toml"
    rig.write_text(rig.read_text() + f"\n[recovery]\n{recovery}\n")
    return bench


def test_a_case_that_an_instrument_kept_from_beginning_begins_again(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.cases(
        FLAKY.format(faults=1, error="BenchError('supply psu0: no answer')")
        + "@case('A-01', 'It holds')\ndef test_a(instrument): measured('n', 1, 'V')\n"
    )
    ended = bench.run()
    assert (ended.code, ended.err) == (0, "")
    result = ended.results["A-01"]
    assert result["outcome"] == "passed"
    assert result["notes"]["retried"] == ["supply psu0: no answer"]
    assert len(result["figures"]) == 1


def test_it_begins_again_only_so_often(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "retries = 2")
    bench.cases(
        FLAKY.format(faults=9, error="BenchError('supply psu0: no answer')")
        + "@case('A-01', 'It holds')\ndef test_a(instrument): pass\n"
    )
    ended = bench.run()
    assert ended.code == 3
    assert ended.results["A-01"]["outcome"] == "error"
    assert ended.results["A-01"]["reason"] == "supply psu0: no answer"
    assert _tries(bench) == 3


@pytest.mark.parametrize(
    ("faults", "error", "body", "code", "outcome"),
    [
        (9, "DeviceError('it does not boot')", "pass", 1, "failed"),
        (9, "AssertionError('a mistake')", "pass", 3, "error"),
        (0, "None", "raise BenchError('probe: gone')", 3, "error"),
        (0, "None", "assert 0, 'it does not'", 1, "failed"),
    ],
)
def test_nothing_else_is_tried_again(
    tmp_path: Path, faults: int, error: str, body: str, code: int, outcome: str
) -> None:
    bench = _bench(tmp_path, "retries = 5")
    bench.cases(
        FLAKY.format(faults=faults, error=error)
        + f"@case('A-01', 'It holds')\ndef test_a(instrument): {body}\n"
    )
    ended = bench.run()
    assert (ended.code, ended.results["A-01"]["outcome"]) == (code, outcome)
    assert _tries(bench) == 1


CASES = """
@case("A-01", "It holds")
@pytest.mark.parametrize("n", range(8))
def test_a(n):
    if n in {bad}:
        raise BenchError(f"supply psu0: no answer to 'OUTP ON' ({{n}})")
"""


def test_faults_in_a_row_open_the_circuit_breaker(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "give_up_after = 3")
    bench.cases(CASES.format(bad=(1, 3, 4, 5)))
    ended = bench.run()
    assert (ended.code, ended.err) == (3, "")
    assert {name: row["outcome"] for name, row in ended.results.items()} == {
        "A-01[0]": "passed",
        "A-01[1]": "error",
        "A-01[2]": "passed",
        "A-01[3]": "error",
        "A-01[4]": "error",
        "A-01[5]": "error",
    }
    told = (
        "circuit breaker of rig empty: 3 cases in a row were ended by its bench; "
        "the last: supply psu0: no answer to 'OUTP ON' (5)"
    )
    assert ended.record["not_run"] == [
        {"id": f"A-01[{n}]", "rig": "empty", "reason": f"not run: {told}"} for n in (6, 7)
    ]
    assert (ended.record["state"], ended.record["exit_code"]) == ("interrupted", 3)
    lines = ended.out.splitlines()
    assert "2 cases were not run" in lines
    assert lines.count(f"        {told}") == 1
    assert "2 cases were not run" in (ended.folder / "report.html").read_text()


def test_a_run_whose_breaker_opened_goes_on_when_the_bench_is_mended(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "give_up_after = 1")
    (tmp_path / "broken").touch()
    bench.cases(
        "import pathlib\n@case('A-01', 'It holds')\n@pytest.mark.parametrize('n', range(4))\n"
        "def test_a(n):\n    if n and pathlib.Path('broken').exists(): raise BenchError('psu0: gone')\n"
    )
    ended = bench.run()
    assert [row["id"] for row in ended.record["not_run"]] == ["A-01[2]", "A-01[3]"]
    (tmp_path / "broken").unlink()
    again = bench.resume(ended.folder)
    assert again.code == 3, again.out  # the fault of the second case stays in the record
    record = json.loads((ended.folder / "run.json").read_text())
    assert (record["state"], record["not_run"], record["counts"]["passed"]) == ("finished", [], 3)


def test_a_failure_of_the_device_does_not_count(tmp_path: Path) -> None:
    bench = _bench(tmp_path, "give_up_after = 2")
    bench.cases(
        "@case('A-01', 'It holds')\n@pytest.mark.parametrize('n', range(4))\n"
        "def test_a(n):\n    if n % 2: raise DeviceError('silent')\n    raise BenchError('psu0: gone')\n"
    )
    ended = bench.run()
    assert ended.code == 1
    assert len(ended.results) == 4
    assert ended.record["not_run"] == []


def test_a_device_is_not_blamed_when_an_instrument_is_gone(tmp_path: Path) -> None:
    bench = _bench(tmp_path)
    bench.cases(
        "from hil.run.hooks import recorder_of\n"
        "@pytest.fixture\ndef gone(request):\n"
        "    recorder_of(request.node).ailing = lambda: 'BLE adapter usb:0: is gone; is it unplugged?'\n"
        "@case('A-01', 'It advertises')\ndef test_a(gone): raise DeviceError('no device seen advertising')\n"
        "@case('A-02', 'It advertises')\ndef test_b(): raise DeviceError('no device seen advertising')\n"
    )
    ended = bench.run()
    told = {name: (row["outcome"], row["reason"]) for name, row in ended.results.items()}
    assert told == {
        "A-01": (
            "error",
            "BLE adapter usb:0: is gone; is it unplugged?; it was seen as: no device seen advertising",
        ),
        "A-02": ("failed", "no device seen advertising"),
    }
