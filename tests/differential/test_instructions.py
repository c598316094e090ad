"""The instructions of the kit's CPU against those of QEMU, on programs generated from a seed.

`pytest -m nightly tests/differential` runs the seeds below; HIL_DIFFERENTIAL_SEED=N runs another one instead.
"""

from __future__ import annotations

import os

import pytest

from tests.differential import kit_machine, qemu_machine
from tests.differential.comparison import differences, report
from tests.differential.instructions.programs import PROGRAMS, program

_CHOSEN = os.environ.get("HIL_DIFFERENTIAL_SEED")
SEEDS = [int(_CHOSEN)] if _CHOSEN else [1, 2, 3]


@pytest.mark.nightly
@pytest.mark.skipif(qemu_machine.QEMU is None, reason=qemu_machine.MISSING)
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("seed", SEEDS)
def test_every_instruction_leaves_the_state_that_it_leaves_on_qemu(name: str, seed: int) -> None:
    made = program(name, seed)
    image = made.image()
    found = differences(made, image, kit_machine.run(image), qemu_machine.run(image))
    assert not found, f"seed {seed}, {report(made, found)}"


@pytest.mark.nightly
@pytest.mark.skipif(qemu_machine.QEMU is None, reason=qemu_machine.MISSING)
@pytest.mark.parametrize("name", PROGRAMS)
@pytest.mark.parametrize("way", ["stepwise", "slices of 0.4 us", "slices of 3.1 us, stepwise"])
def test_no_way_of_running_them_shows(name: str, way: str) -> None:
    made = program(name, SEEDS[0])
    image = made.image()
    length = float(way.split()[2]) if way.startswith("slices") else 50_000.0
    ours = kit_machine.run(image, length, stepwise=way.endswith("stepwise"))
    found = differences(made, image, ours, qemu_machine.run(image))
    assert not found, f"{way}: {report(made, found)}"
