"""`hil throughput` on the virtual bench: the folder it leaves, the same for any number of processes."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

MATRIX = """
schema = 1
name = "little"
phy = ["2M"]
mtu = [247]
data_length = [251]
interval_ms = [15.0]
response = [false, true]
payload_bytes = 35_000
"""


def start(tmp_path: Path, text: str, *words: str) -> subprocess.Popen[str]:
    path = tmp_path / "m.toml"
    path.write_text(text)
    command = [
        sys.executable,
        "-m",
        "hil",
        "throughput",
        "--matrix",
        str(path),
        "--out",
        str(tmp_path),
        *words,
    ]
    return subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
        start_new_session=True,
    )


def rows(folder: Path) -> list[dict[str, Any]]:
    found = json.loads((folder / "throughput.json").read_text())
    return list(found["rows"])


def test_a_little_matrix(tmp_path: Path) -> None:
    out, err = (process := start(tmp_path, MATRIX)).communicate(timeout=120)
    assert process.returncode == 0, err
    folder = Path(out.strip().splitlines()[-1])
    found = {(row["column"], row["response"]): row for row in rows(folder)}
    assert set(found) == {
        ("link", False),
        ("link", True),
        ("device", False),
        ("device", True),
        ("dfu", False),
    }
    for row in found.values():
        assert 0 < row["bytes_per_second"] <= row["ceiling_bytes_per_second"], row
    assert found["link", False]["bound_by"] == "air"
    assert found["device", True]["bound_by"] == "round trips"
    assert found["device", True]["efficiency"] > 0.9
    assert found["dfu", False]["bytes_per_second"] > 65_000
    page = (folder / "throughput.html").read_text()
    assert "498 is best" in page and "<script" not in page
    with (folder / "throughput.csv").open() as file:
        assert len(list(csv.DictReader(file))) == len(found)


@pytest.mark.nightly
def test_the_figures_do_not_depend_on_the_number_of_processes(tmp_path: Path) -> None:
    text = MATRIX.replace("[247]", "[23, 247, 498]")
    found = []
    for jobs in ("1", "2"):
        out, err = (process := start(tmp_path, text, "--jobs", jobs)).communicate(timeout=300)
        assert process.returncode == 0, err
        found.append(rows(Path(out.strip().splitlines()[-1])))
        time.sleep(1.1)  # the folder is named by the second
    assert found[0] == found[1]


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C is a signal here")
def test_ctrl_c_keeps_what_was_measured(tmp_path: Path) -> None:
    process = start(
        tmp_path,
        MATRIX.replace("[247]", "[23, 65, 185, 247, 251, 498]").replace("35_000", "200_000"),
        "-n",
        "2",
    )
    table: list[Path] = []
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        table = list(tmp_path.glob("*-throughput-little/throughput.csv"))
        if table and len(table[0].read_text().splitlines()) > 2:
            break
        time.sleep(0.05)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    found = json.loads((table[0].parent / "throughput.json").read_text())
    assert found["complete"] is False and len(found["rows"]) >= 1
    assert "Interrupted" in (table[0].parent / "throughput.html").read_text()


def test_a_rig_that_cannot_is_told_in_a_line(tmp_path: Path) -> None:
    out, err = (process := start(tmp_path, MATRIX, "--rig", "nrf52840dk-ppk2")).communicate(timeout=60)
    assert process.returncode == 2
    assert len(err.strip().splitlines()) == 1 and "Traceback" not in out + err
