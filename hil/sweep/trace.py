"""What one start did: its flash operations, the pages that decided them, and how it ended."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from hil.rig.machine import Machine, Operation, Settled
from hil.sweep.content import PAGE, UICR_PAGE, Content

COMPARED = 24
"""Operations of a start whose RAM and registers are compared with those of others."""


@dataclass
class Trace:
    """One start from power-on to a settled outcome."""

    operations: list[Operation]
    first_reads: dict[int, int]
    """By page: how many operations had begun when it was first read."""
    settled: Settled
    digests: list[bytes] = field(default_factory=list)
    """RAM and registers in front of the first operations."""
    shares: dict[int, int] = field(default_factory=dict)
    """What each page added to the key of the content that it was started from (`content.Content`)."""
    keys: list[int] = field(default_factory=list)
    """Of the flash behind each operation."""
    next: list[list[int]] = field(default_factory=list)
    """By operation, as far as the trace was walked: the states that a cut in the middle of it leads to."""
    done: list[int] = field(default_factory=list)
    """By operation: the state behind it."""
    rests: list[int] = field(default_factory=list)
    """By operation: a number for it and all that follow, the same for the same; one more at the end."""
    joins: tuple[Trace, int, int] | None = None
    """The start that it is from some operation on: that start, the operation there, and the operation here."""
    ended: Content | None = None
    """What the flash holds at its end."""
    origin: int = -1
    """The state whose start is walked for it."""
    reading: int = 0
    number: int = -1
    """Its own, among those of the explorer."""
    walked: bool = False
    """The walk over its operations has begun."""

    def cuts_at(self, index: int) -> tuple[list[int], int] | None:
        """The states in the middle of and behind an operation; None when its cuts have not been met."""
        trace = self
        while trace.joins is not None and index >= trace.joins[2]:
            other, there, here = trace.joins
            trace, index = other, there + index - here
        return (trace.next[index], trace.done[index]) if index < len(trace.done) else None

    def depends_on(self) -> frozenset[int]:
        """The pages whose content at the reset had a part in what it did.

        A page that was erased first did not: whatever it held, everything would have been the same.
        """
        erased: dict[int, int] = {}
        for index, operation in enumerate(self.operations):
            if operation.kind == "erase page":
                erased.setdefault(operation.address // PAGE, index)
        return frozenset(
            page for page, index in self.first_reads.items() if page not in erased or index <= erased[page]
        )

    def erased_by(self, pages: set[int]) -> int | None:
        """After how many operations all of these pages have been erased; None when that is never."""
        left = set(pages)
        if not left:
            return 0
        for index, operation in enumerate(self.operations):
            if operation.kind == "erase page":
                left.discard(operation.address // PAGE)
                if not left:
                    return index + 1
        return None


class Recorder:
    """Starts a machine and writes down what it does, until it is where a known start was.

    That is: the flash, the RAM and the registers in front of an operation are what they were in front of one
    of the first `COMPARED` operations of a start recorded before. From there on the two are the same.
    """

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._known: dict[tuple[int, int, bytes], tuple[Trace, int]] = {}
        self.joined = 0
        """Starts that ended so."""

    def record(self, pages: Mapping[int, bytes], content: Content) -> Trace:
        """The start from `pages`, a reading of `content`."""
        operations: list[Operation] = []
        reads: dict[int, int] = {UICR_PAGE: 0}  # the hardware itself does, at each reset
        keys: list[int] = []
        passed: list[tuple[int, int, bytes]] = []
        at = content.copy()
        read_as = at if not content.weak else content.reading(pages)
        joined: tuple[Trace, int] | None = None

        def operation(found: Operation) -> bool:
            nonlocal joined
            if len(operations) < COMPARED:
                here = (at.key, read_as.key, self._machine.ram_and_registers())
                joined = self._known.get(here)
                if joined is not None:
                    return True
                passed.append(here)
            operations.append(found)
            apply(at, found)
            if read_as is not at:
                apply(read_as, found)
            keys.append(at.key)
            return False

        def read(page: int) -> None:
            reads.setdefault(page, len(operations))

        settled = self._machine.boot(pages, operation, read)
        if joined is not None:
            self.joined += 1
            other, index = joined
            # What the other had read before is not told again: it counts as read from here on.
            for page, first in other.first_reads.items():
                reads.setdefault(page, len(operations) + max(0, first - index))
            own = len(operations)
            operations += other.operations[index:]
            keys += other.keys[index:]
            settled = other.settled
        trace = Trace(
            operations, reads, settled, [here[2] for here in passed], content.shares_of(pages), keys
        )
        trace.rests = _rests(operations)
        trace.ended = at if joined is None else joined[0].ended
        if joined is not None:
            trace.joins = (joined[0], joined[1], own)
        for index, here in enumerate(passed):
            self._known.setdefault(here, (trace, index))
        return trace


def _rests(operations: list[Operation]) -> list[int]:
    rests = [0]
    for operation in reversed(operations):
        rests.append(hash((operation[:3], rests[-1])))
    return rests[::-1]


def holds(machine: Machine, pages: Mapping[int, bytes], trace: Trace, equal_from: int | None) -> bool:
    """Start the device from `pages`, and see that it does what `trace` says.

    `equal_from` is the number of operations after which the flash is what it is in the trace, None for never.
    As soon as RAM and registers are, too, nothing can differ any more, and the start is ended there.
    """
    index = 0
    same = True

    def operation(found: Operation) -> bool:
        nonlocal index, same
        if index >= len(trace.operations):
            same = False
            return True
        known = trace.operations[index]
        if found[:4] != known[:4]:
            same = False
            return True
        compared = equal_from is not None and equal_from <= index < len(trace.digests)
        if compared and machine.ram_and_registers() == trace.digests[index]:
            return True
        index += 1
        return False

    settled = machine.boot(pages, operation, lambda page: None)
    if settled.kind == "stopped":
        return same
    ended = (settled.kind, settled.pc) == (trace.settled.kind, trace.settled.pc)
    return same and index == len(trace.operations) and ended


def apply(content: Content, operation: Operation) -> None:
    """Carry an operation out on `content`. Raises ValueError for a kind that is not modelled."""
    if operation.kind == "write":
        content.program(operation.address, operation.asked)
    elif operation.kind == "erase page":
        content.erase(operation.address // PAGE)
    else:
        raise ValueError(f"a sweep does not know the flash operation {operation.kind!r}")


FEW_WORDS = 64
"""A page in which no more words than these are written holds a trailer, settings or a counter, not an image."""
NEAR = 4


def interesting(trace: Trace, where_it_matters: float, bulk: float, seed: int) -> frozenset[int]:
    """The operations of a start that a sample takes: a share of those where it matters, and of the bulk.

    It matters in pages that are written in few places, at the first and last words of each run of writes to a
    page, and at everything that is not a write. What is drawn from `seed` for a small share is part of what
    is for a larger one.
    """
    counts = Counter(each.address // PAGE for each in trace.operations if each.kind == "write")
    pages = [each.address // PAGE for each in trace.operations]
    edges = {index for index in range(1, len(pages)) if pages[index] != pages[index - 1]} | {0, len(pages)}
    near = {at + step for at in edges for step in range(-NEAR, NEAR + 1)}
    drawn = random.Random(f"{seed}/{len(pages)}")
    chosen: set[int] = set()
    for index, operation in enumerate(trace.operations):
        matters = operation.kind != "write" or index in near or counts[pages[index]] <= FEW_WORDS
        if drawn.random() < (where_it_matters if matters else bulk):
            chosen.add(index)
    return frozenset(chosen)
