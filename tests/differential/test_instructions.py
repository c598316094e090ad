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
