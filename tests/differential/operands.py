"""Operands that find faults: the ends of each number range, and random bits."""

from __future__ import annotations

import random

WORD = 0xFFFF_FFFF

EDGES = (
    *(0, 1, 2, 3, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x1_0000),
    *(0x7FFF_FFFF, 0x8000_0000, 0x8000_0001, 0xFFFF_FFFE, WORD, 0xFFFF_8000, 0x7FFF_7FFF, 0x8000_8000),
    *(0x8080_8080, 0x7F7F_7F7F, 0x00FF_00FF, 0x5555_5555, 0xAAAA_AAAA, 0x4000_0000, 0xC000_0000),
)
FLOAT_EDGES = (
    *(0x0000_0000, 0x8000_0000, 0x3F80_0000, 0xBF80_0000, 0x3F00_0000, 0x4000_0000),  # 0, 1, 0.5, 2
    *(0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0xFFC1_2345, 0x7F80_0001, 0xFFA5_A5A5),  # infinities and NaN
    *(0x0000_0001, 0x8000_0001, 0x007F_FFFF, 0x0080_0000, 0x8080_0000, 0x0080_0001),  # around the subnormals
    *(0x7F7F_FFFF, 0xFF7F_FFFF, 0x4F00_0000, 0xCF00_0000, 0x4EFF_FFFF, 0x4F80_0000),  # largest; 2**31, 2**32
    *(0x3FC0_0000, 0xBFC0_0000, 0x4020_0000, 0x477F_E000, 0x4780_0000, 0x3880_0000),  # ties; half's range
    *(0x3F80_0001, 0x3F7F_FFFF, 0x4B80_0000, 0x3380_0000, 0x3300_0000, 0x2000_0000),
)


def word(stream: random.Random) -> int:
    """A 32-bit operand: an edge, a small number (a shift, say), one run of ones, or random bits."""
    kind = stream.randrange(8)
    if kind < 3:
        return stream.choice(EDGES)
    if kind == 3:
        return stream.randrange(256)
    if kind == 4:
        return (WORD >> stream.randrange(32)) << stream.randrange(32) & WORD
    return stream.getrandbits(32)


def single(stream: random.Random) -> int:
    """The bits of a single-precision operand: an edge, a number near 1, or random bits."""
    kind = stream.randrange(6)
    if kind < 3:
        return stream.choice(FLOAT_EDGES)
    if kind == 3:
        return stream.getrandbits(1) << 31 | stream.randrange(100, 156) << 23 | stream.getrandbits(23)
    return stream.getrandbits(32)
