"""Updates in any order beside a reference model of sixty lines: after each step device and model agree.

Hypothesis chooses the steps, from the case's own seed. A sequence after which they differ is made as short as it can be
and kept in the case's folder as a case of its own, with a plan beside it: `hil run --plan FOLDER/counterexample.toml`.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from model_device import BASE, IMAGES, Pair, Step, replay

from hil.case import case, measured, stage
from hil.errors import BenchError
from hil.rig.device import Device
from hil.run import recorder
from hil.run.reported import ReportedImages

_names = st.sampled_from([name for name in IMAGES if name != BASE.name])

_CASE = '''"""A sequence of steps after which device and model differed: {reason}"""

import sys

from hil import bundled
from hil.case import case, stage

sys.path.insert(0, str(bundled.testplans()))
from model_device import Pair, replay  # noqa: E402

STEPS = {steps}


@case("MODEL-90", "Device and model agree after these steps", evidence_for=["BRIEF-rollback"])
def test_counterexample(dut, images):
    provisioned = dut.read_flash(0, dut.file.flash_size)
    with stage("replay"):
        replay(Pair(dut, images, provisioned), STEPS)
'''
_PLAN = """schema = 1
name = "counterexample"
cases = ["MODEL-90"]
"""


def _after_other(pair: Pair, *names: str) -> bool:
    """Whether the last step was none of these: the same request again and again shows nothing."""
    return not pair.steps or pair.steps[-1][0] not in names


def _machine(pair: Pair) -> type[RuleBasedStateMachine]:
    """The rules; each example begins with a provisioned device."""

    class UpdateMachine(RuleBasedStateMachine):
        def __init__(self) -> None:
            super().__init__()
            pair.begin()

        @rule(name=_names)
        def upload(self, name: str) -> None:
            pair.do("upload", name)

        @precondition(lambda self: not pair.model.taken and pair.model.charged)
        @rule(name=_names)
        def install(self, name: str) -> None:
            # By single rules alone few examples would come as far as a second image.
            for step in (("upload", name), ("test",), ("reset",)):
                pair.do(*step)

        @precondition(lambda self: _after_other(pair, "drop", "cut"))
        @rule(name=_names)
        def upload_and_drop(self, name: str) -> None:
            pair.do("drop", name)

        @precondition(lambda self: _after_other(pair, "drop", "cut"))
        @rule(name=_names)
        def upload_and_cut_power(self, name: str) -> None:
            pair.do("cut", name)

        @precondition(lambda self: pair.model.update is not None)
        @rule()
        def test(self) -> None:
            pair.do("test")

        @precondition(lambda self: _after_other(pair, "confirm"))
        @rule()
        def confirm(self) -> None:
            pair.do("confirm")

        @precondition(lambda self: _after_other(pair, "reset", "power", "cut"))
        @rule()
        def reset(self) -> None:
            pair.do("reset")

        @precondition(lambda self: pair.model.pending or not pair.model.confirmed)
        @rule()
        def reset_into_update_or_revert(self) -> None:
            pair.do("reset")

        @precondition(lambda self: _after_other(pair, "reset", "power", "cut"))
        @rule()
        def cut_power(self) -> None:
            pair.do("power")

        @precondition(lambda self: _after_other(pair, "erase"))
        @rule()
        def erase(self) -> None:
            pair.do("erase")

        @precondition(lambda self: pair.model.charged and _after_other(pair, "recharge"))
        @rule()
        def battery_runs_low(self) -> None:
            pair.do("drain")

        @precondition(lambda self: not pair.model.charged and _after_other(pair, "drain"))
        @rule()
        def battery_is_charged(self) -> None:
            pair.do("recharge")

        def teardown(self) -> None:
            pair.at_the_end()

    return UpdateMachine


@case(
    "MODEL-01",
    "Whatever is done in whatever order, the device does what a reference model of the update does",
    evidence_for=[
        "BRIEF-rollback",
        "BRIEF-confirm",
        "BRIEF-downgrade",
        "BRIEF-battery",
        "BRIEF-dual-bank",
        "BRIEF-resume",
        "CRA-I.2.f",
        "CRA-I.2.h",
        "CRA-II.3",
        "ISVS-3.4.6",
        "ISVS-3.4.7",
    ],
    needs=[
        "central",
        "probe",
        "supply.volts",
        "device.behaviours",
        "device.battery",
        "device.security-counter",
    ],
    controls=["version", "confirm"],
)
@pytest.mark.parametrize("examples", [20], ids=[pytest.HIDDEN_PARAM])
@pytest.mark.parametrize("steps", [10], ids=[pytest.HIDDEN_PARAM])
def test_any_order(
    dut: Device, images: ReportedImages, hil_case_folder: Path, examples: int, steps: int
) -> None:
    policy = dut.file.policy
    if policy.version != "strictly-greater" or not policy.security_counter:
        pytest.skip(
            "the model takes strictly greater versions only, and no lower counter: another policy is declared"
        )
    pair = Pair(dut, images, dut.read_flash(0, dut.file.flash_size))
    with stage("explore"):
        try:
            run_state_machine_as_test(
                seed(recorder.current().seed)(_machine(pair)),
                settings=settings(
                    max_examples=examples,
                    stateful_step_count=steps,
                    database=None,
                    deadline=None,
                    phases=[Phase.generate],
                    suppress_health_check=list(HealthCheck),
                    print_blob=False,
                    report_multiple_bugs=False,
                ),
            )
        except AssertionError:
            failed = list(pair.steps)
        else:
            measured("examples", examples, "")
            return
    with stage("shrink"):
        found, reason = shrunk(pair, failed)
        listed = "[\n" + "".join(f"    {step!r},\n" for step in found) + "]"
        (hil_case_folder / "test_counterexample.py").write_text(
            _CASE.format(reason=reason, steps=listed), encoding="utf-8"
        )
        (hil_case_folder / "counterexample.toml").write_text(_PLAN, encoding="utf-8")
    told = ", ".join(" ".join(step) for step in found)
    raise AssertionError(f"{reason}; after: {told}")


def shrunk(pair: Pair, steps: list[Step]) -> tuple[list[Step], str]:
    """The steps without those that are not needed for the failure, and its reason.

    Each step is left out in turn, from the last one on, and the rest done again. (Hypothesis' own shrinking would do
    hundreds of replays, each of them seconds of bench time.) Raises BenchError when the failure does not repeat.
    """
    reason = _failure(pair, steps)
    if reason is None:
        raise BenchError(f"device and model differed once and not again, after {steps}")
    index = len(steps) - 2
    while index >= 0:
        candidate = steps[:index] + steps[index + 1 :]
        again = _failure(pair, candidate)
        if again is not None:
            steps, reason = candidate[: len(pair.steps)], again
        index = min(index, len(steps) - 1) - 1
    return steps, reason


def _failure(pair: Pair, steps: list[Step]) -> str | None:
    try:
        replay(pair, steps)
    except AssertionError as error:
        return str(error).splitlines()[0]
    return None
