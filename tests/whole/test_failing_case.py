"""What a failed case leaves: enough to see why, and a command that repeats just it."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.ble.btsnoop import IDENTIFICATION
from hil.rig import files
from hil.run.folder import WALL_KEY
from tests.run.bench import Ended
from tests.whole.running import hil_run, repeat

PLAN = """
schema = 1
name = "mini"
cases = ["*"]
repeats = 2
[parameters.A-01]
percent = [5]
"""
CASES = """
import pytest
from hil.case import case, stage

@case("A-01", "An update is taken whole")
@pytest.mark.parametrize("percent", [50, 90])
def test_update(request, dut, update, next_image, percent):
    with stage("upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=percent / 100)
        # Only the second time, so that the command has to name the repeat, the parameter and the seed.
        if request.node.callspec.params["hil_repeat"] == 1:
            assert transfer.is_complete, f"the upload stopped at {transfer.offset} bytes"
"""
FAILED = "A-01[5]#2"


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> Ended:
    folder = tmp_path_factory.mktemp("failing")
    (folder / "plan.toml").write_text(PLAN)
    (folder / "test_cases.py").write_text(CASES)
    return hil_run(folder, "--plan", "plan.toml", "--seed", "77")


def home(ended: Ended) -> Path:
    """The folder the command was given in."""
    return ended.folder.parent.parent


def test_it_leaves_log_capture_power_trace_flash_and_the_reason(ended: Ended) -> None:
    assert ended.code == 1, ended.err
    assert {name: result["outcome"] for name, result in ended.results.items()} == {
        "A-01[5]": "passed",
        FAILED: "failed",
    }
    result = ended.results[FAILED]
    artefacts = {Path(name).name: ended.folder / name for name in result["artefacts"]}
    assert set(artefacts) == {
        "failure.txt",
        "flash.bin",
        "flash.csv",
        "link.btsnoop",
        "power.csv",
        "serial.log",
    }
    assert "boot: bootloader version" in artefacts["serial.log"].read_text()
    capture = artefacts["link.btsnoop"].read_bytes()
    assert capture.startswith(IDENTIFICATION)
    assert len(capture) > 4000
    assert artefacts["power.csv"].read_text().splitlines()[-1].endswith(",safe off,0.0000,")
    flash = artefacts["flash.bin"].read_bytes()
    device = files.load("virtual").device
    assert len(flash) == device.flash_size
    uploaded = device.slot("secondary").start + device.flash_page
    assert flash[uploaded : uploaded + 1024].strip(b"\xff"), "the flash is not that of the failed upload"
    reason = artefacts["failure.txt"].read_text()
    assert result["reason"].startswith("the upload stopped at ")
    assert result["reason"] in reason
    assert f"seed {result['seed']}" in reason
    assert f"repeat with: {result['command']}" in reason
    assert f"repeat {FAILED}: {result['command']}" in ended.out


def test_the_printed_command_repeats_just_that_case_with_the_same_result(ended: Ended) -> None:
    before = ended.results[FAILED]
    again = repeat(home(ended), before["command"])
    assert again.code == 1, again.err
    assert set(again.results) == {FAILED}
    after = again.results[FAILED]
    assert {key: after[key] for key in after if key != WALL_KEY} == {
        key: before[key] for key in before if key != WALL_KEY
    }
    for name in before["artefacts"]:
        assert (again.folder / name).read_bytes() == (ended.folder / name).read_bytes(), name
