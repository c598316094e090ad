"""Whatever is sent to the device: it answers or ignores it, never faults, leaks, restarts or opens.

Hypothesis makes the input, from the case's own seed, so that a run repeats to the bit. `examples` is how many lists of
messages are tried, and a plan may set it. A failing list is made as short as it can be, told with the reason, and kept
in the case's folder; FUZZ-04 repeats what it is given.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import cbor2
import pytest
from fuzzing import (
    Judge,
    att_pdus,
    console_input,
    explore,
    over_att,
    over_console,
    over_smp,
    parsed,
    smp_messages,
)
from hypothesis.strategies import SearchStrategy

from hil.case import case, measured, stage
from hil.rig.device import Device
from hil.run import recorder

EVIDENCE = ["BRIEF-malformed", "CRA-I.2.d", "CRA-I.2.f", "CRA-I.2.h", "CRA-I.2.j", "CRA-II.3"]

_examples = pytest.mark.parametrize("examples", [100], ids=[pytest.HIDDEN_PARAM])


def _message(group: int, command: int, fields: dict[str, object], operation: int = 2) -> str:
    payload = cbor2.dumps(fields)
    head = bytes([operation | 8, 0]) + len(payload).to_bytes(2, "big") + group.to_bytes(2, "big")
    return (head + bytes([0, command]) + payload).hex()


_HEAD = bytes.fromhex("3db8f396") + bytes(60)

# Short, awkward, and repeated for ever: a group that there is not, an upload of more than it announced, an offset near
# 2^32, a header that claims what does not follow, a hash that is too long, a confirmation of nothing.
AWKWARD = [
    _message(0x1234, 0, {}),
    _message(1, 1, {"off": 0, "len": 100, "data": _HEAD, "sha": bytes(32)}),
    _message(1, 1, {"off": 64, "data": bytes(64)}),
    _message(1, 1, {"off": 2**32 - 1, "data": bytes(8)}),
    _message(1, 0, {"hash": bytes(33), "confirm": True}),
    _message(1, 0, {"confirm": [True]}),
    _message(0, 0, {"d": "x" * 400}),
    _message(1, 5, {"slot": 2**31}),
    "0affffff00010001",
]


Way = Callable[[Judge], Callable[[Sequence[bytes]], None]]


def _explored(
    dut: Device, inputs: SearchStrategy[bytes], way: Way, replay: str, examples: int, folder: Path
) -> None:
    with stage("fuzz"):
        judge = Judge(dut)
        seed = recorder.current().seed
        explore(judge, inputs, way(judge), examples=examples, case_seed=seed, folder=folder, replay=replay)
    measured("examples", examples, "")


def _replayed(dut: Device, messages: str, way: Way) -> None:
    with stage("replay"):
        judge = Judge(dut)
        judge.run(parsed(messages), way(judge))
        judge.at_the_end()


@case(
    "FUZZ-01",
    "Malformed SMP messages over the air are answered or ignored, and leave the device as it was",
    evidence_for=EVIDENCE,
    needs=["central"],
    controls=["assertion"],
)
@_examples
def test_smp(dut: Device, hil_case_folder: Path, examples: int) -> None:
    _explored(dut, smp_messages(), over_smp, "FUZZ-04", examples, hil_case_folder)


@case(
    "FUZZ-02",
    "Malformed bytes on the console, broken frames among them, are ignored, and leave the device as it was",
    evidence_for=EVIDENCE,
    needs=["central", "console", "device.smp-serial"],
)
@_examples
def test_console(dut: Device, hil_case_folder: Path, examples: int) -> None:
    _explored(dut, console_input, over_console, "FUZZ-05", examples, hil_case_folder)


@case(
    "FUZZ-03",
    "Malformed attribute protocol PDUs are answered by an error or ignored, and leave the device as it was",
    evidence_for=EVIDENCE,
    needs=["central", "link.phy"],
    controls=["assertion"],
)
@_examples
def test_att(dut: Device, hil_case_folder: Path, examples: int) -> None:
    _explored(dut, att_pdus(), over_att, "FUZZ-06", examples, hil_case_folder)


@case(
    "FUZZ-04",
    "SMP messages that once were, or could be, trouble are answered or ignored",
    evidence_for=EVIDENCE,
    needs=["central"],
    controls=["assertion"],
)
@pytest.mark.parametrize("messages", [" ".join(AWKWARD)], ids=[pytest.HIDDEN_PARAM])
def test_replayed_smp(dut: Device, messages: str) -> None:
    _replayed(dut, messages, over_smp)


@case(
    "FUZZ-05",
    "Console bytes that once were, or could be, trouble are ignored",
    evidence_for=EVIDENCE,
    needs=["central", "console", "device.smp-serial"],
)
@pytest.mark.parametrize("messages", ["06094141 0414 060906090609 00ff0a"], ids=[pytest.HIDDEN_PARAM])
def test_replayed_console(dut: Device, messages: str) -> None:
    _replayed(dut, messages, over_console)


@case(
    "FUZZ-06",
    "Attribute protocol PDUs that once were, or could be, trouble are answered by an error or ignored",
    evidence_for=EVIDENCE,
    needs=["central", "link.phy"],
    controls=["assertion"],
)
@pytest.mark.parametrize(
    "messages", ["99 02 0200 160000 18ff 0affff 52000041 0c000000000000"], ids=[pytest.HIDDEN_PARAM]
)
def test_replayed_att(dut: Device, messages: str) -> None:
    _replayed(dut, messages, over_att)
