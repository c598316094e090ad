"""The page for people: what it says, and that nothing in it is taken for HTML."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from hil.report import html, plot

RECORD: dict[str, Any] = {
    "state": "finished",
    "plan": "smoke",
    "rig": "virtual",
    "bench": "virtual",
    "device": "dev<ice>",
    "seed": 1,
    "started": "2026-01-01T00:00:00+00:00",
    "bench_seconds": 12.0,
    "wall_seconds": 3.0,
    "images": {"1.0.0": "ab" * 32},
    "versions": {"hil": "0"},
    "unmodelled": {"0x40001000 read": 3},
}


def result(name: str, outcome: str, **more: Any) -> dict[str, Any]:
    return {
        "id": name,
        "case": name,
        "sentence": "It <b>holds</b>",
        "evidence_for": ["REQ-1"],
        "outcome": outcome,
        "reason": "" if outcome == "passed" else "it <i>did</i> not",
        "seed": 5,
        "seconds": 4.0,
        "stages": [
            {"name": "upload", "start": 1.0, "seconds": 1.0, "held": True},
            {"name": "swap", "start": 2.0, "seconds": 2.0, "held": outcome == "passed"},
        ],
        "figures": [{"name": "duration", "value": 1.5, "unit": "s"}],
        "throughput": [],
        "artefacts": [],
        "command": f"hil run --case {name}",
    } | more


def row(**more: Any) -> dict[str, Any]:
    return {
        "case": "T-01",
        "kind": "dfu",
        "phy": "2M",
        "mtu": 498,
        "data_length": 251,
        "interval_ms": 15.0,
        "payload_bytes": 1000,
        "seconds": 0.5,
        "bytes_per_second": 2000.0,
        "ceiling_bytes_per_second": 4000.0,
        "efficiency": 0.5,
        "bound_by": "air",
    } | more


def test_the_page_says_what_did_not_hold_where_and_how_to_repeat_it(tmp_path: Path) -> None:
    page = html.summary(RECORD, [result("A-01", "passed"), result("A-02", "failed")], tmp_path)
    assert "The device broke a requirement in 1 case." in page
    assert "in stage <b>swap</b>" in page
    assert "hil run --case A-02" in page
    assert "This is no evidence about hardware" in page


def test_nothing_from_a_case_is_taken_for_html(tmp_path: Path) -> None:
    page = html.summary(RECORD, [result("A<u>", "failed")], tmp_path)
    for tag in ("<b>holds", "<i>did", "A<u>", "dev<ice>"):
        assert tag not in page
    assert "A&lt;u&gt;" in page


def test_the_end_of_the_log_of_a_failed_case_is_in_the_page(tmp_path: Path) -> None:
    folder = tmp_path / "cases" / "A-02"
    folder.mkdir(parents=True)
    (folder / "serial.log").write_text("".join(f"line {number} <x>\n" for number in range(1000)))
    page = html.summary(RECORD, [result("A-02", "failed", artefacts=["cases/A-02/serial.log"])], tmp_path)
    assert "line 999 &lt;x&gt;" in page
    assert "... 800 lines before this are in the file" in page
    assert "line 799 " not in page
    assert '<a href="cases/A-02/serial.log">' in page


@pytest.mark.parametrize(
    ("outcomes", "state", "kind", "words"),
    [
        (["passed"], "finished", "passed", "All held: 1 case passed."),
        (["passed", "skipped"], "finished", "passed", "1 case skipped."),
        (["error"], "finished", "error", "nothing is said of the device"),
        (["failed", "error"], "finished", "failed", "The bench failed in 1 case besides."),
        ([], "finished", "error", "No case ran."),
        (["passed"], "interrupted", "error", "Interrupted."),
        (["failed"], "interrupted", "failed", "Interrupted."),
    ],
)
def test_verdicts(outcomes: list[str], state: str, kind: str, words: str) -> None:
    found = html.verdict(
        RECORD | {"state": state}, [result(f"A-{n}", each) for n, each in enumerate(outcomes)]
    )
    assert found[0] == kind
    assert words in found[1]


def test_throughput_is_a_table_and_a_plot(tmp_path: Path) -> None:
    page = html.summary(RECORD, [result("T-01", "passed", throughput=[row()])], tmp_path)
    assert "50 %" in page
    assert "<svg" in page


def test_each_figure_stands_under_its_kind_beside_its_ceiling_and_what_bounds_it(tmp_path: Path) -> None:
    rows = [row(kind="dfu", bound_by="flash write"), row(kind="link", ceiling_bytes_per_second=2500.0)]
    svg = plot.throughput_svg(rows)
    assert svg.index("Link alone") < svg.index("Upload into erased flash")
    assert "2.0 of 4.0, flash write" in svg
    assert "2.0 of 2.5, air" in svg
    page = html.summary(RECORD, [result("T-01", "passed", throughput=rows)], tmp_path)
    table = page[page.index('class="figures"') :]
    assert table.index("Link alone") < table.index("Upload into erased flash") < table.index("flash write")


def test_the_plot_is_the_same_for_the_same_figures_and_escapes_its_labels() -> None:
    rows = [row(), row(mtu=23), row(kind="<k>&")]
    assert plot.throughput_svg(rows) == plot.throughput_svg(list(reversed(rows)))
    assert "<k>" not in plot.throughput_svg(rows)


def test_a_row_of_the_table_of_cases_is_escaped() -> None:
    cells = html.table_row(
        "test_x.py::test_a[<b>]", {}, ["<td>1</td>", "<td>2</td>", "<td>3</td>", "<td>4</td>"]
    )
    assert "<b>" not in "".join(cells)
