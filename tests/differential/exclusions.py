"""What is not compared, and why: the one place for that."""

from __future__ import annotations

import re
from typing import NamedTuple

from tests.differential.case import Case


class Exclusion(NamedTuple):
    """Bits of a field that are not compared in cases whose text matches."""

    text: str
    field: str
    bits: int
    reason: str


INSTRUCTIONS: tuple[Exclusion, ...] = ()
"""For the instruction programs."""


def ignored_bits(case: Case, field: str) -> int:
    """The bits of a field that are not compared in this case."""
    bits = 0
    for one in INSTRUCTIONS:
        if re.fullmatch(one.field, field) and re.search(one.text, case.text):
            bits |= one.bits
    return bits
