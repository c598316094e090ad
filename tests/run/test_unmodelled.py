"""`hil run --fail-unmodelled`, on the virtual bench with firmware that reads a register of the RADIO."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import DeviceError
from hil.run.unmodelled import refuse
from tests.run.bench import MiniBench

RIG = """
schema = 1
name = "desk"
bench = "virtual"
[device]
name = "bare chip"
board = "nrf52840dk"
soc = "nRF52840"
firmware = "none"
flash_size = 0x100000
flash_page = 0x1000
[[device.slots]]
role = "primary"
start = 0
size = 0x8000
[supply]
driver = "scpi"
resource = "ASRLhil://psu0?visa::INSTR"
channel = 1
nominal_volts = 3.0
max_volts = 3.6
max_amperes = 0.5
[virtual]
"""

CASES = """
import struct

# ldr r0, [pc, #8]; ldr r1, [r0]; ldr r1, [r0]; ldr r1, [r0]; b .; nop; the address
PROGRAM = bytes.fromhex("0248 0168 0168 0168 fee7 00bf") + struct.pack("<I", 0x40001504)

def _run(rig, program):
    memory = rig._bench.hardware.kits[0].soc.memory
    memory.write(0, struct.pack("<II", 0x20040000, 0x101) + b"\\xff" * 0xF8 + program)
    rig.supply.on()
    rig.sleep(0.01)

@case("RAD-01", "Firmware reads a register of the RADIO")
def test_radio(rig):
    _run(rig, PROGRAM)

@case("RAD-02", "Firmware reads nothing")
def test_nothing(rig):
    _run(rig, bytes.fromhex("fee7"))

@case("RAD-03", "A case that fails by itself keeps its own reason")
def test_fails(rig):
    _run(rig, PROGRAM)
    raise DeviceError("refused the update")
"""
ACCESS = "0x40001504 (RADIO+0x504) read, PC 0x00000102"


@pytest.fixture
def bench(tmp_path: Path) -> MiniBench:
    made = MiniBench(tmp_path)
    (tmp_path / "rig.toml").write_text(RIG)
    made.cases(CASES)
    return made


def test_an_access_is_in_the_record_and_fails_nothing_by_itself(bench: MiniBench) -> None:
    done = bench.run("--case", "RAD-01", "--case", "RAD-02")
    assert (done.code, done.err) == (0, "")
    assert done.results["RAD-01"]["notes"]["unmodelled"] == {ACCESS: 3}
    assert done.results["RAD-02"]["notes"]["unmodelled"] == {}
    assert done.record["unmodelled"] == {ACCESS: 3}


@pytest.mark.parametrize("by_plan", [False, True], ids=["option", "plan"])
def test_it_fails_the_case_where_that_is_asked_for(bench: MiniBench, by_plan: bool) -> None:
    if by_plan:
        bench.plan('schema = 1\nname = "mini"\ncases = ["*"]\nfail_unmodelled = true\n')
    done = bench.run(*([] if by_plan else ["--fail-unmodelled"]))
    assert done.code == 1
    outcomes = {name: result["outcome"] for name, result in done.results.items()}
    assert outcomes == {"RAD-01": "failed", "RAD-02": "passed", "RAD-03": "failed"}
    reason = f"the firmware touched what the virtual bench does not model: {ACCESS}: 3 times"
    assert done.results["RAD-01"]["reason"] == reason
    assert done.results["RAD-03"]["reason"] == "refused the update"
    assert "--fail-unmodelled" in done.results["RAD-01"]["command"]
    assert done.record["settings"]["fail_unmodelled"] is True


def test_a_long_list_is_cut() -> None:
    refuse({})
    with pytest.raises(DeviceError, match=r"a: 1 time; b: 2 times; c: 1 time; and 1 more$"):
        refuse({"a": 1, "b": 2, "c": 1, "d": 1})
