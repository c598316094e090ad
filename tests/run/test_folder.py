"""The run folder: unique, safely written, and readable after a kill."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.errors import InputError
from hil.report.run_folder import read_results
from hil.run.folder import RunFolder, case_folder_name


def test_two_runs_at_once_get_two_folders(tmp_path: Path) -> None:
    paths = {RunFolder.create(tmp_path, "smoke").path for _ in range(5)}
    assert len(paths) == 5


def test_a_parent_that_is_a_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "reports").write_text("")
    with pytest.raises(InputError, match="no run folder can be made here"):
        RunFolder.create(tmp_path / "reports", "smoke")


def test_results_come_back_sorted_by_case(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "smoke")
    for name in ("B-2", "A-1"):
        folder.append_result({"id": name, "outcome": "passed"})
    assert [result["id"] for result in read_results(folder.path)] == ["A-1", "B-2"]


def test_a_result_is_on_the_disk_when_append_returns(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "smoke")
    folder.append_result({"id": "A-1"})
    assert json.loads((folder.path / "results.jsonl").read_text()) == {"id": "A-1"}


@pytest.mark.parametrize("name", ["../../etc", "a/b", "A-1[..]", "A-1[x\ny]", "A" * 300, "..", ""])
def test_a_case_folder_stays_inside_the_run_folder(tmp_path: Path, name: str) -> None:
    path = RunFolder(tmp_path).case_folder(name)
    assert path.parent == tmp_path / "cases"
    assert path.is_dir()


def test_two_cases_never_share_a_folder() -> None:
    names = ["A-1[0.5]", "A-1_0.5_", "A-1[0_5]", "A-1[0.5]#2", "A-1 0.5"]
    assert len({case_folder_name(name) for name in names}) == len(names)


def test_the_throughput_table_is_sorted_and_has_a_head(tmp_path: Path) -> None:
    folder = RunFolder.create(tmp_path, "smoke")
    folder.write_throughput([{"case": "B", "kind": "dfu"}, {"case": "A", "kind": "link"}])
    lines = (folder.path / "throughput.csv").read_text().splitlines()
    assert lines[0].startswith("case,kind,phy,mtu,")
    assert [line.split(",")[0] for line in lines[1:]] == ["A", "B"]
