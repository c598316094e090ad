"""What is not compared, and why: the one place for that.

QEMU is not the reference, the architecture is. Where QEMU 7.2 departs from it, or where it leaves the choice to the
implementation, a comparison says nothing about the kit; what the kit does there is held by tests of its own.
"""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.differential.case import Case


class Exclusion(NamedTuple):
    """Bits of a field that are not compared in cases whose text matches (both are regular expressions)."""

    text: str
    field: str
    bits: int
    reason: str


INSTRUCTIONS: tuple[Exclusion, ...] = ()
"""For the instruction programs: so far QEMU and the architecture agree in all that is generated."""

EXCEPTIONS: dict[str, str] = {
    "faults.a_hard_fault_handler_may_ignore_bus_faults": "QEMU does not implement CCR.BFHFNMIGN (B3.2.8): it locks up",
    "faults.faultmask_may_ignore_bus_faults": "QEMU does not implement CCR.BFHFNMIGN (B3.2.8): it locks up",
    "faults.breakpoint_without_debugger": "QEMU sets HFSR.FORCED for an escalated BKPT; B3.2.16 has DEBUGEVT for it",
    "modes.sleep_on_exit": "QEMU does not implement SCR.SLEEPONEXIT: it goes on",
    "mpu.accesses_across_the_border_of_a_region": "QEMU looks up the first byte of an unaligned access only",
}
"""Whole exception cases. They still run on the kit, and must come to their end there."""


def ignored_bits(case: Case, field: str) -> int:
    """The bits of a field that are not compared in this case."""
    bits = 0
    for one in INSTRUCTIONS:
        if re.fullmatch(one.field, field) and re.search(one.text, case.text):
            bits |= one.bits
    return bits
