"""One case: a few instructions, and the state of the CPU they start in."""

from __future__ import annotations

from dataclasses import dataclass

WINDOW_WORDS = 16
"""Words of memory a case may touch: they are set before it, and compared after it."""
WINDOW = 0x2000_1000
"""The address of that memory."""


@dataclass(frozen=True)
class Case:
    """`text` is assembly, its instructions separated by new lines; it must not leave by itself."""

    text: str
    registers: tuple[int, ...]
    """R0 to R12 and LR at the start."""
    flags: int = 0
    """APSR at the start: N, Z, C, V, Q and GE."""
    window: tuple[int, ...] = (0,) * WINDOW_WORDS
    floats: tuple[int, ...] = ()
    """S0 to S31, for a program of floating-point cases."""
    fpscr: int = 0
