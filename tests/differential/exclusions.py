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


_SP = (
    "a limit of the kit: SP, MSP and PSP keep their lowest two bits, which ignore writes on the chip (B1.4.1)"
)
_ROUNDING = (
    "a limit of the kit: VCVT from fixed point rounds by FPSCR.RMode, not always to the nearest (A7.7.228)"
)

INSTRUCTIONS: tuple[Exclusion, ...] = (
    Exclusion(r"msr [mp]sp, r3|mov sp, r2", r"R\d+|SP", 0x3, _SP),
    Exclusion(r"vcvt\.f32\.[su](16|32) .*#", r"S\d+", 0xFFFF_FFFF, _ROUNDING),
)
"""For the instruction programs."""

LIMITS: dict[str, str] = {
    "faults.unaligned_ldrd": "LDRD is not refused at an address that is no multiple of four (A3.2.1)",
    "faults.unaligned_strd": "STRD is not refused at an address that is no multiple of four (A3.2.1)",
    "faults.unaligned_ldm": "LDM is not refused at an address that is no multiple of four (A3.2.1)",
    "faults.unaligned_stm": "STM is not refused at an address that is no multiple of four (A3.2.1)",
    "faults.unaligned_narrow_ldm": "LDM is not refused at an address that is no multiple of four (A3.2.1)",
    "faults.return_with_a_reserved_value_0": "the lowest bit of EXC_RETURN is taken for set",
    "floating.control_has_three_bits": "CONTROL reads with bit 3 set beside FPCA",
    "modes.handlers_keep_the_main_stack": "a write of CONTROL.SPSEL in a handler is not ignored (B1.4.4)",
    "modes.stack_pointers_are_multiples_of_four": _SP,
    "mpu.no_background_region_for_the_factory_information": "the MPU does not cover FICR and UICR",
}
"""Where QEMU is right and the kit is not, as the engine below it cannot be told so: these are expected to differ."""

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
