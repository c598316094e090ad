"""Pure functions that are executed once for each input: the device must not be able to tell but by its speed."""

from __future__ import annotations

import pytest

from hil.errors import BenchError
from hil.rig import files
from hil.rig.machine import EmulatedKit, Operation, Part, Pure, open_machine
from hil.rig.product import bundled_product
from hil.sweep import bundled
from hil.sweep.scenario import Scenario


@pytest.fixture(scope="module")
def downgrade() -> Scenario:
    return bundled.scenario("downgrade", bundled_product(files.load("virtual").device))


def started(machine: EmulatedKit) -> tuple[list[Operation], list[int], object]:
    operations: list[Operation] = []
    reads: list[int] = []

    def operation(found: Operation) -> bool:
        operations.append(found)
        return False

    settled = machine.boot({}, operation, reads.append)
    return operations, reads, (settled.kind, settled.pc, settled.resets)


def test_a_start_does_the_same_and_reads_the_same_pages(downgrade: Scenario) -> None:
    rig = files.load("virtual")
    plain = open_machine(rig, downgrade.flash, downgrade.fixed)
    quick = open_machine(rig, downgrade.flash, downgrade.fixed, pure=dict(downgrade.pure))
    wanted = started(plain)
    before = plain.instructions
    first, second = started(quick), started(quick)
    assert quick.remembered is not None
    assert quick.remembered.executed > 0
    assert quick.remembered.answered > 0
    for found in (first, second):
        assert [each[:4] for each in found[0]] == [each[:4] for each in wanted[0]]
        assert sorted(found[1]) == sorted(wanted[1])
        assert found[2] == wanted[2]
    assert quick.instructions < 2 * before


def test_a_function_that_is_not_pure_is_found_out(downgrade: Scenario) -> None:
    # Its result is up to what the context holds, which is left out of what is compared.
    address = downgrade.symbols["crypto_sha256_update"][0]
    wrong = {address: Pure((Part(2, 0),), (Part(0, 128),))}
    machine = open_machine(files.load("virtual"), downgrade.flash, downgrade.fixed, pure=wrong)
    assert machine.remembered is not None
    machine.remembered.again = 1.0
    with pytest.raises(BenchError, match="is not pure: the same input gave another output"):
        started(machine)
