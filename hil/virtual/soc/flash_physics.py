"""What a flash operation leaves behind when the power fails in the middle of it.

Programming takes charge to a cell (1 to 0), erasing takes it away (0 to 1), each over the whole time of the
operation. Stopped early, some cells have changed and some have not, and a few sit near the read threshold:
they read one way now and another way after the next start. Which ones is drawn from the seed.

Specified is only that the bits of a page are undefined while its erase is incomplete. The model is assumed, no
source found.
"""

from __future__ import annotations

from random import Random

UNSTABLE_SHARE = 0.08
"""Share of the cells that were to change, and are left near the threshold, half-way through an operation."""


def biased_bits(random: Random, count: int, probability: float) -> int:
    """An integer of ``count`` bits, each of them 1 with ``probability`` (to 1/256)."""
    level = round(min(1.0, max(0.0, probability)) * 256)
    if level >= 256:
        return (1 << count) - 1
    bits = 0
    for step in range(8):
        draw = random.getrandbits(count)
        bits = bits | draw if level >> step & 1 else bits & draw
    return bits


def torn(random: Random, old: int, new: int, count: int, fraction: float) -> tuple[int, int]:
    """Content and mask of unstable bits of ``count`` bits stopped at ``fraction`` of the way from old to
    new.
    """
    changing = old ^ new
    done = biased_bits(random, count, fraction) & changing
    share = UNSTABLE_SHARE * 4 * fraction * (1 - fraction)
    unstable = biased_bits(random, count, share) & changing
    return old ^ done, unstable
