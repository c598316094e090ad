"""What `hil run` shows: on a terminal of any width, and in a log."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from hil.run.display import Display

SENTENCE = (
    "A dropped link resumes from the last confirmed offset, however early or late in the upload it is dropped"
)
REASON = "expected version 1.0.0 in the primary slot, got 1.1.0"


def result(case_id: str, instance: str, outcome: str = "passed") -> dict[str, Any]:
    return {
        "case": case_id,
        "id": instance,
        "outcome": outcome,
        "reason": "" if outcome == "passed" else REASON,
        "sentence": SENTENCE,
        "seconds": 10.0,
        "command": f"hil run --case '{instance}'",
        "wall": {"seconds": 2.0},
    }


RESULTS = [
    result("XFER-03", "XFER-03[0.01]"),
    result("XFER-03", "XFER-03[0.5]", "failed"),
    result("XFER-03", "XFER-03[0.99]"),
    result("UPD-01", "UPD-01"),
]


def shown(width: int, *, terminal: bool) -> list[str]:
    stream = io.StringIO()
    display = Display(stream, len(RESULTS))
    display._console = Console(
        file=stream,
        width=width,
        force_terminal=terminal,
        color_system=None,
        soft_wrap=True,
        highlight=False,
        legacy_windows=False,
    )
    for each in RESULTS:
        report = pytest.TestReport("node", ("", None, ""), {}, "passed", None, "call")
        report.hil_result = each  # type: ignore[attr-defined]
        display.pytest_runtest_logreport(report)
    counts = {"passed": 3, "failed": 1, "error": 0, "skipped": 0}
    display.summary(
        {
            "plan": "smoke",
            "rig": "virtual",
            "bench": "virtual",
            "counts": counts,
            "bench_seconds": 40.0,
            "wall_seconds": 8.0,
            "seed": 1,
        }
    )
    return stream.getvalue().splitlines()


@pytest.mark.parametrize("width", [80, 160])
def test_the_lines_of_cases_and_the_table_keep_to_the_terminals_width(width: int) -> None:
    lines = shown(width, terminal=True)
    told_by_command = [line for line in lines if line.startswith("repeat ")]
    assert all(len(line) <= width for line in lines if line not in told_by_command)
    assert sum(line.endswith("2.0 s") for line in lines) == len(RESULTS)


def test_a_log_has_every_sentence_in_full() -> None:
    lines = shown(80, terminal=False)
    assert sum(SENTENCE in line for line in lines) == len(RESULTS)


def test_the_table_has_one_line_a_case_and_counts_its_parameters() -> None:
    lines = shown(160, terminal=True)
    table = lines[lines.index(next(line for line in lines if "what it shows" in line)) :]
    row = next(line for line in table if line.startswith(" XFER-03"))
    assert "2 passed" in row and row.split()[-2:] == ["30.0", "6.0"]
    assert "1 failed" in table[table.index(row) + 1]
    assert sum("XFER-03" in line for line in table if SENTENCE in line) == 1


def test_why_a_case_failed_and_how_to_repeat_it_stand_below_the_table() -> None:
    lines = shown(80, terminal=True)
    at = lines.index("failed XFER-03[0.5]")
    assert at > next(index for index, line in enumerate(lines) if "what it shows" in line)
    assert lines[at + 1].strip() == REASON
    assert lines[at + 2] == "repeat XFER-03[0.5]: hil run --case 'XFER-03[0.5]'"
    assert lines[-1] == "3 passed, 1 failed; 40.0 s on the bench's clock in 8.0 s; seed 1"
