"""The points of one flash operation: what a cut before, in, or after it leaves behind."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from hil.rig.machine import Machine, Operation
from hil.sweep.content import PAGE, Content
from hil.sweep.trace import apply

DEPTHS = (0.1, 0.5, 0.9)


class Point(NamedTuple):
    """A cut: "before", "torn" at `depth` of the operation's time, or "after" it but before the program goes
    on.
    """

    phase: str
    depth: float

    def __str__(self) -> str:
        return f"torn at {self.depth:g}" if self.phase == "torn" else self.phase


BEFORE, AFTER = Point("before", 0.0), Point("after", 1.0)


def torn(
    machine: Machine, content: Content, operation: Operation, depths: tuple[float, ...], seed: int
) -> Iterator[tuple[Point, Content]]:
    """The content that a cut at each depth leaves; `content` is that in front of the operation.

    An operation that changes no cell has none. What changes is drawn from `seed`, the operation, what the
    cells held and the depth.
    """
    if operation.kind == "write":
        address, size = operation.address, 4
        old = content.word(address)
        new = old & operation.asked
    else:
        address, size = operation.address // PAGE * PAGE, PAGE
        old = int.from_bytes(content.page(address // PAGE), "little")
        new = (1 << 8 * PAGE) - 1
    if old == new:
        return
    for depth in depths:
        name = f"{seed}/{operation.kind}/{address}/{depth}"
        if size == 4:
            name = f"{name}/{old}/{operation.asked}"
        value, weak = machine.tear(name, old, new, 8 * size, depth)
        # Cells that were weak before stay so, unless the erase has taken them all the way.
        weak |= content.weak_cells(address, size) & ~value
        cut = content.copy()
        cut.weaken(address, size, weak)
        data = (value & ~weak).to_bytes(size, "little")
        if size == 4:
            cut.put_word(address, int.from_bytes(data, "little"))
        else:
            cut.put_page(address // PAGE, data)
        yield Point("torn", depth), cut


def after(content: Content, operation: Operation) -> Content:
    """The content behind the whole operation."""
    done = content.copy()
    apply(done, operation)
    return done
