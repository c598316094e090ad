"""The exceptions of the kit's CPU against those of QEMU: what each handler saw, in which order."""

from __future__ import annotations

import pytest

from tests.differential import kit_machine, qemu_machine, scenarios
from tests.differential.exclusions import EXCEPTIONS, LIMITS

STORM_SEEDS = range(1, 5)
"""Each is another course of those cases that draw theirs from a stream."""
RUNS = [
    (name, seed) for name in scenarios.names() for seed in (STORM_SEEDS if name.endswith("_storm") else (1,))
]


@pytest.mark.nightly
@pytest.mark.skipif(qemu_machine.QEMU is None, reason=qemu_machine.MISSING)
@pytest.mark.parametrize(("name", "seed"), RUNS)
def test_handlers_see_what_they_see_on_qemu(name: str, seed: int, request: pytest.FixtureRequest) -> None:
    if name in LIMITS:
        request.applymarker(pytest.mark.xfail(reason=LIMITS[name], strict=True))
    image = scenarios.image(name, seed)
    ours = kit_machine.run(image)
    assert ours.finished, ours.trouble
    if name in EXCEPTIONS:
        pytest.skip(EXCEPTIONS[name])
    theirs = qemu_machine.run(image)
    assert theirs.finished, theirs.trouble
    assert _lines(scenarios.trace(ours)) == _lines(scenarios.trace(theirs))


# Left out: a case whose course depends on the time, and one that takes minutes in this way.
TOO_LONG = ("modes.interrupts_do_not_show_in_what_they_interrupt", "mpu.region_storm")


@pytest.mark.nightly
@pytest.mark.parametrize("name", [name for name in scenarios.names() if name not in TOO_LONG])
def test_single_instructions_show_handlers_the_same(name: str) -> None:
    image = scenarios.image(name)
    whole, stepwise = kit_machine.run(image), kit_machine.run(image, stepwise=True)
    assert _lines(scenarios.trace(whole)) == _lines(scenarios.trace(stepwise))


def _lines(trace: list[int]) -> list[str]:
    """The trace to be read: a line for each exception's entry (0xE00000nn) and exit (0xEE0000nn)."""
    lines: list[str] = []
    for value in trace:
        text = f"{value:08x}"
        if not lines or text.startswith(("e00000", "ee0000")):
            lines.append(text)
        else:
            lines[-1] += f" {text}"
    return lines
