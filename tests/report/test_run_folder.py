"""Reading run folders, also those of runs that were killed."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import InputError
from hil.report.run_folder import RunRecord, read_results


def test_a_last_line_cut_short_is_left_out_and_a_broken_one_before_it_is_told(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    path.write_text('{"id": "A-1"}\n{"id": "A-')
    assert [result["id"] for result in read_results(tmp_path)] == ["A-1"]
    path.write_text('{"id": "A-\n{"id": "A-1"}\n')
    with pytest.raises(InputError, match=r"results\.jsonl:1: not a line of JSON"):
        read_results(tmp_path)


def test_a_folder_without_a_record_is_no_run_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="not a run folder"):
        RunRecord.load(tmp_path)


def test_the_runs_on_defective_firmware_are_found_by_defect(tmp_path: Path) -> None:
    for folder in (tmp_path, tmp_path / "controls" / "version"):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "run.json").write_text("{}")
    assert list(RunRecord.load(tmp_path).controls) == ["version"]
