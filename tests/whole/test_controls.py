"""Negative controls: a case that can fail is told from one that cannot."""

from __future__ import annotations

from pathlib import Path

from hil.report.run_folder import RunRecord
from tests.whole.running import hil

PLAN = """
schema = 1
name = "mini"
cases = ["*"]
"""
CASES = """
from hil.case import case

@case("C-01", "A lower version is not installed", controls=["version"])
def test_version(dut, update, images, base_image):
    update.start(images.make("0.9.0")).run()
    update.test(images.make("0.9.0").hash)
    update.close()
    dut.reset()
    dut.wait_booted(60.0)
    assert dut.holds(base_image), "a lower version was installed"
"""
CANNOT_FAIL = """
@case("C-02", "Nothing is looked at", controls=["version"])
def test_nothing(dut):
    pass
"""


def _run(where: Path, cases: str, *arguments: str) -> tuple[int, str, str]:
    (where / "plan.toml").write_text(PLAN)
    (where / "test_cases.py").write_text(cases)
    ended = hil(where, "run", "--plan", "plan.toml", "--out", "out", *arguments)
    return ended.code, ended.out, ended.err


def test_a_case_fails_on_the_defective_device_and_the_run_says_so(tmp_path: Path) -> None:
    code, out, err = _run(tmp_path, CASES, "--controls")
    assert code == 0, err
    assert "1 of 1 negative controls failed, as they must" in out
    [folder] = (tmp_path / "out").glob("2*")
    record = RunRecord.load(folder)
    assert [row["outcome"] for row in record.results] == ["passed"]
    [control] = record.run["controls"]
    assert (control["case"], control["defect"], control["held"]) == ("C-01", "version", True)
    assert control["reason"] == "a lower version was installed"
    inner = record.controls["version"]
    assert inner.run["settings"]["defect"] == "version"
    assert inner.run["firmware"]["boot"] != record.run["firmware"]["boot"]
    assert [row["outcome"] for row in inner.results] == ["failed"]


def test_a_case_that_cannot_fail_is_found_out(tmp_path: Path) -> None:
    code, out, _ = _run(tmp_path, CASES + CANNOT_FAIL, "--controls")
    assert code == 3
    assert "control version: C-02  passed, must fail" in out
    assert "1 of 2 negative controls failed" in out


def test_a_control_by_an_unknown_defect_is_refused_before_anything_runs(tmp_path: Path) -> None:
    code, _, err = _run(tmp_path, CASES.replace('controls=["version"]', 'controls=["gravity"]'), "--controls")
    assert code == 2
    assert 'case C-01: controls: "gravity" is no defect; choose one of' in err
    assert not (tmp_path / "out").exists()
