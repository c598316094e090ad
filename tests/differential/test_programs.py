"""The generated programs themselves, and that the kit's slices of time do not show in their results."""

from __future__ import annotations

import pytest

from tests.differential import kit_machine, scenarios
from tests.differential.comparison import differences, report
from tests.differential.exclusions import EXCEPTIONS
from tests.differential.instructions.programs import PROGRAMS, program
from tests.differential.layout import PROGRESS, RESULTS
from tests.differential.machine import Outcome


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_seed_always_gives_the_same_program(name: str) -> None:
    assert program(name, 7) == program(name, 7)
    assert program(name, 7) != program(name, 8)


@pytest.mark.parametrize("name", ["control", "memory", "float_memory"])
def test_slices_do_not_show_in_the_results(name: str) -> None:
    made = program(name, 1)
    image = made.image()
    whole, sliced = kit_machine.run(image), kit_machine.run(image, slice_microseconds=37.3)
    found = differences(made, image, whole, sliced)
    assert not found, report(made, found)


def test_slices_do_not_show_in_what_handlers_see() -> None:
    for seed in (1, 2):
        image = scenarios.image("order.interrupt_storm", seed)
        whole, sliced = kit_machine.run(image), kit_machine.run(image, slice_microseconds=7.7)
        assert whole.finished, whole.trouble
        assert scenarios.trace(whole) == scenarios.trace(sliced)


def test_a_difference_names_the_instruction_its_operands_and_both_results() -> None:
    made = program("data_processing", 1)
    image = made.image()
    good = kit_machine.run(image)
    wrong = bytearray(good.results)
    size = 4 * len(made.fields)
    wrong[100 * size + 4 * made.fields.index("APSR") + 3] ^= 0x20
    found = differences(made, image, good, Outcome("other", bytes(wrong)))
    assert len(found) == 1
    assert "case 100 at 0x" in found[0]
    assert repr(made.cases[100].text) in found[0]
    assert "APSR: kit 0x" in found[0]


def test_a_program_that_does_not_end_is_told_of() -> None:
    made = program("data_processing", 1)
    image = made.image()
    good = kit_machine.run(image)
    nothing = Outcome("other", bytes(PROGRESS + 8 - RESULTS), "sleeps")
    assert "other: sleeps" in differences(made, image, good, nothing)[0]


def test_what_is_excluded_exists() -> None:
    assert set(EXCEPTIONS) <= set(scenarios.names())
