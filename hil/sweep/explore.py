"""Explores every state that any number of power failures can lead to, until there is no new one.

A *state* is what a device without power is: the content of its flash. Started from it, the device does the
same each time (a `Trace`). A cut in front of each of its flash operations, in the middle of it at several
depths, and behind it leads to further states, and so does the reset after it has settled. A state is decided
once:

- it is one that is known already ("same state");
- or the pages that decided what a known start did hold the same here ("same cause"): the device cannot tell
  the difference, since all that it read before it was overwritten is equal;
- or the device is started from it.

Of those decided by cause a share, `check`, is started all the same and held against the trace: a difference
is an error of the explorer, and is raised.

Cuts in the start of a state decided by cause lead to states that differ from those of the known start in the
same pages, until these are erased. Where none of the known ones looks at such a page, at any remove, they
need no visit: the device cannot tell them apart either (`_cannot_tell`). Otherwise they are visited.
"""

from __future__ import annotations

import random
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from hil.errors import BenchError
from hil.rig.machine import Machine
from hil.sweep.content import PAGE, Base, Content
from hil.sweep.tears import AFTER, DEPTHS, Point, after, torn
from hil.sweep.trace import Recorder, Trace, apply, holds, interesting

_OVER = object()


@dataclass(frozen=True)
class Place:
    """How a state is reached: by a cut at `point` of operation `operation` of a start from state `origin`,
    one of whose readings is `reading`; `point` None is a reset after that start had settled. The first
    state has no place.
    """

    origin: int
    reading: int
    operation: int
    point: Point | None


@dataclass(slots=True)
class Node:
    """A state that was met."""

    place: Place | None
    key: int
    cuts: int
    """How many cuts lead to it, at least."""
    starts: list[int] = field(default_factory=list)
    """The traces of its readings."""
    next: list[int] = field(default_factory=list)
    """States that one cut, or the reset after it has settled, leads to."""
    like: list[int] = field(default_factory=list)
    """States that the device cannot tell from this one; what follows from them stands for what follows from
    it.
    """


class Start(NamedTuple):
    """A start to be walked: from `reading` of `state`, as `trace` says; `new` for the one that the trace is
    of.
    """

    state: int
    reading: int
    trace: int
    new: bool


class Ended(NamedTuple):
    """A start from a state, up to where it settled, for the one who judges it."""

    state: int
    reading: int
    trace: Trace
    content: Content
    """What the flash holds then."""


@dataclass
class Counts:
    """What it took."""

    points: int = 0
    """Cuts and resets decided."""
    booted: int = 0
    """Starts of the device: of new states, and of those that were checked."""
    checked: int = 0
    """Starts of states that had been decided by cause, held against what was reasoned."""
    same_state: int = 0
    """Points that led to a known state."""
    same_cause: int = 0
    """Readings of new states decided by what the device reads."""
    not_visited: int = 0
    """Of these, those whose cuts need no visit."""


class Explorer:
    """Explores from one flash content. `judge` is told of each start that was followed to its end.

    `depths` are those of a torn operation, `check` the share (0 to 1) of the states decided by cause that are
    started.
    """

    def __init__(
        self,
        machine: Machine,
        base: Base,
        judge: Callable[[Ended], None],
        *,
        depths: Sequence[float] = DEPTHS,
        check: float = 0.0,
        seed: int = 0,
        most_cuts: int | None = None,
    ) -> None:
        self._machine = machine
        self._recorder = Recorder(machine)
        self._base = base
        self._judge = judge
        self._depths = tuple(depths)
        self._check = check
        self._seed = seed
        self._most_cuts = most_cuts
        self._shares = (1.0, 1.0)
        self._all = True
        self.bounded = False
        """States were left whose cuts were not met, because as many cuts as are allowed had led to them."""
        self._random = random.Random(seed)
        self._by_key: dict[int, int] = {}
        self._by_cause: dict[frozenset[int], dict[int, int]] = {}
        self._to_walk: deque[Start] = deque()
        self._walking: Iterator[None] | None = None
        self._pending: dict[tuple[int, frozenset[int]], list[Start]] = {}
        """By trace and pages that differ: states decided by cause, of which it is not known yet whether they
        need a visit.
        """
        self._causes: list[frozenset[int]] = []
        """Of each trace."""
        self._walked: dict[tuple[int, int], tuple[Trace, int]] = {}
        """By flash content and what is done to it from there on: a start that was walked, and the operation."""
        self._irrelevant: dict[tuple[int, frozenset[int]], bool] = {}
        self.nodes: list[Node] = []
        self.ends: dict[int, list[int]] = {}
        """By state: those that it settles in, where its start was followed to the end."""
        self.traces: list[Trace] = []
        self.counts = Counts()
        self.outcomes: Counter[str] = Counter()

    @property
    def joined(self) -> int:
        """Starts that were ended where flash, RAM and registers had become those of another."""
        return self._recorder.joined

    @property
    def open(self) -> int:
        """Starts whose cuts have not all been met."""
        return len(self._to_walk) + (self._walking is not None)

    def first(self) -> int:
        """Meet the state that the scenario begins with."""
        return self._meet(Content(self._base), None)

    def sample(self, where_it_matters: float, bulk: float) -> None:
        """From here on meet cuts at these shares of the operations of each start only (`trace.interesting`),
        and begin again with all that is known. Nothing is closed by that, but by shares of 1.
        """
        self._shares = (where_it_matters, bulk)
        self._all = self._shares == (1.0, 1.0)
        self._walking = None
        self._to_walk.clear()
        self._pending.clear()
        for trace in self.traces:
            trace.next.clear()
            trace.done.clear()
            self._to_walk.append(Start(trace.origin, trace.reading, trace.number, new=True))

    def close(self, budget: Callable[[], bool] = lambda: True) -> bool:
        """Go on until no state is left, in the order of the number of cuts that lead to it.

        False when `budget`, which is asked after each operation, said to stop before.
        """
        while True:
            if not budget():
                return False
            if self._walking is not None:
                if next(self._walking, _OVER) is _OVER:
                    self._walking = None
            elif self._to_walk:
                self._walking = self._walk(*self._to_walk.popleft())
            elif self._pending and self._all:
                self._settle_pending()
            else:
                return True

    def content_of(self, state: int) -> Content:
        """The flash content of a state, found by repeating what led to it."""
        places: list[Place] = []
        at = self.nodes[state].place
        while at is not None:
            places.append(at)
            at = self.nodes[at.origin].place
        content = Content(self._base)
        for place in reversed(places):
            content = self.cut(content, self.traces[self.nodes[place.origin].starts[place.reading]], place)
        return content

    def cut(self, content: Content, trace: Trace, place: Place) -> Content:
        """What a start from `content` that does what `trace` says leaves when it ends at `place`."""
        content = content.copy()
        for operation in trace.operations[: place.operation]:
            apply(content, operation)
        if place.point is None:
            return content
        operation = trace.operations[place.operation]
        if place.point == AFTER:
            return after(content, operation)
        return next(
            cut
            for point, cut in torn(self._machine, content, operation, (place.point.depth,), self._seed)
            if point == place.point
        )

    def edge(self, origin: int, state: int) -> Place:
        """The cut that leads from one state to the other. Raises KeyError when none does."""
        place = self.nodes[state].place
        if place is not None and place.origin == origin:
            return place
        start = self.content_of(origin)
        wanted = self.nodes[state].key
        for reading, number in enumerate(self.nodes[origin].starts):
            trace = self.traces[number]
            at = start.copy()
            for index, operation in enumerate(trace.operations):
                for point, found in torn(self._machine, at, operation, self._depths, self._seed):
                    if found.key == wanted:
                        return Place(origin, reading, index, point)
                apply(at, operation)
                if at.key == wanted:
                    return Place(origin, reading, index, AFTER)
            if at.key == wanted:
                return Place(origin, reading, len(trace.operations), None)
        raise KeyError(f"no cut leads from state {origin} to {state}")

    def _meet(self, content: Content, place: Place | None) -> int:
        """A state was reached: decide it unless it is known. Returns its number."""
        key = content.key
        known = self._by_key.get(key)
        if known is not None:
            self.counts.same_state += 1
            return known
        number = len(self.nodes)
        self._by_key[key] = number
        node = Node(place, key, self._cuts_to(place))
        self.nodes.append(node)
        for reading, pages in enumerate(content.readings()):
            shares = content.shares_of(pages)
            met = len(self.traces)
            trace = self._decide(content, pages, shares)
            node.starts.append(trace)
            ended = self.traces[trace].ended
            if trace == met and ended is not None:
                # At once, and not when its own cuts are met: that may be long after, or never with a budget.
                self._judge(Ended(number, reading, self.traces[trace], ended))
            self._go_on(number, reading, trace, content, shares)
        return number

    def _cuts_to(self, place: Place | None) -> int:
        if place is None:
            return 0
        return self.nodes[place.origin].cuts + (place.point is not None)

    def _go_on(
        self, number: int, reading: int, trace_number: int, content: Content, shares: dict[int, int]
    ) -> None:
        """Visit what cuts in this start lead to, unless nothing new can come of it."""
        trace = self.traces[trace_number]
        if not trace.walked:
            trace.walked = True
            trace.origin, trace.reading, trace.number = number, reading, trace_number
            self._to_walk.append(Start(number, reading, trace_number, new=True))
            return
        different = _different(shares, trace.shares) | {address // PAGE for address in content.weak}
        # Whether it has to be visited can be told when all that follows from the known start has been.
        pair = (trace_number, frozenset(different))
        self._pending.setdefault(pair, []).append(Start(number, reading, trace_number, new=False))

    def _skip(self, number: int, trace: Trace) -> None:
        self.counts.not_visited += 1
        self.nodes[number].like.append(trace.origin)

    def _settle_pending(self) -> None:
        pending, self._pending = self._pending, {}
        self._irrelevant.clear()  # since then more has been visited, which may speak against it
        for pair, starts in pending.items():
            if self._cannot_tell(*pair):
                for start in starts:
                    self._skip(start.state, self.traces[start.trace])
            else:
                self._to_walk.extend(starts)

    def _cannot_tell(self, trace_number: int, different: frozenset[int]) -> bool:
        """Whether the content of these pages has no part in anything that cuts in this start can lead to.

        A pair that is asked for again while it is being looked at holds unless something else speaks against
        it.
        """
        asked = (trace_number, different)
        known = self._irrelevant.get(asked)
        if known is not None:
            return known
        self._irrelevant[asked] = True
        self._irrelevant[asked] = held = self._look(trace_number, different)
        if not held:
            # What was answered meanwhile may have rested on it.
            self._irrelevant = {pair: told for pair, told in self._irrelevant.items() if not told}
        return held

    def _look(self, trace_number: int, different: frozenset[int]) -> bool:
        trace = self.traces[trace_number]
        left = different
        for index, operation in enumerate(trace.operations):
            if not left:
                return True
            met = trace.cuts_at(index)
            if met is None:
                return False  # its cuts were not met, for the bound
            erased = operation.address // PAGE if operation.kind == "erase page" else None
            behind = left - {erased}
            for states, pages in ((met[0], left), ((met[1],), behind)):
                for number in states:
                    for start in self.nodes[number].starts:
                        if self._causes[start] & pages or not self._cannot_tell(start, pages):
                            return False
            left = behind
        return not left

    def _decide(self, content: Content, pages: dict[int, bytes], shares: dict[int, int]) -> int:
        """The number of the trace of a start from this reading."""
        for causes, traces in self._by_cause.items():
            found = traces.get(_key(shares, causes))
            if found is not None:
                self.counts.same_cause += 1
                if self._check >= 1.0 or self._random.random() < self._check:
                    self._hold(pages, shares, self.traces[found])
                return found
        trace = self._recorder.record(pages, content)
        self.counts.booted += 1
        self.outcomes[trace.settled.kind] += 1
        causes = trace.depends_on()
        self.traces.append(trace)
        self._causes.append(causes)
        self._by_cause.setdefault(causes, {})[_key(shares, causes)] = len(self.traces) - 1
        return len(self.traces) - 1

    def _hold(self, pages: dict[int, bytes], shares: dict[int, int], trace: Trace) -> None:
        """Start the device from a state that was decided by cause, and see that it does what was reasoned."""
        self.counts.booted += 1
        self.counts.checked += 1
        equal_from = trace.erased_by(_different(shares, trace.shares))
        if not holds(self._machine, pages, trace, equal_from):
            raise BenchError(
                "the sweep's reasoning does not hold: a device started from content that it cannot tell from "
                "a known one did something else; please report this with the scenario and the seed"
            )

    def _walk(self, number: int, reading: int, trace_number: int, new: bool) -> Iterator[None]:
        """Meet the states that cuts in a start lead to, an operation at a time; `new` for the one its trace
        is of.
        """
        trace = self.traces[trace_number]
        if self._most_cuts is not None and self.nodes[number].cuts >= self._most_cuts:
            self.bounded = self.bounded or bool(trace.operations)
            self._end(
                number,
                reading,
                trace,
                self.cut(self.content_of(number), trace, Place(number, reading, len(trace.operations), None)),
            )
            return
        next_states = self.nodes[number].next
        at = self.content_of(number)
        chosen = None if self._all else interesting(trace, *self._shares, self._seed)
        for index, operation in enumerate(trace.operations):
            if chosen is None and trace.joins is not None and index == trace.joins[2]:
                self._go_over(number, reading, trace)
                return
            if chosen is not None and index not in chosen:
                apply(at, operation)
                continue
            states: list[int] = []
            for point, cut in torn(self._machine, at, operation, self._depths, self._seed):
                self.counts.points += 1
                states.append(self._meet(cut, Place(number, reading, index, point)))
            apply(at, operation)
            self.counts.points += 2  # behind this operation, and in front of the next: the same content
            done = self._meet(at, Place(number, reading, index, AFTER))
            next_states += [*states, done]
            if new and chosen is None:
                trace.next.append(states)
                trace.done.append(done)
            if not new and trace.keys[index] == at.key:
                self.nodes[number].like.append(trace.origin)
                return  # from here on it is the start that is walked for the trace itself
            if chosen is None and self._goes_on_as(trace, index, at.key):
                self._go_over(number, reading, trace)
                return
            yield
        self._end(number, reading, trace, at)

    def _goes_on_as(self, trace: Trace, index: int, key: int) -> bool:
        """Whether the rest of this start does to the same flash what the rest of one does that was walked.

        Cuts in the two lead to the same states then, whatever the program was thinking. If so, `joins` is set.
        """
        here = (key, trace.rests[index + 1])
        known = self._walked.setdefault(here, (trace, index + 1))
        if known[0] is trace:
            return False
        trace.joins = (*known, index + 1)
        return True

    def _go_over(self, number: int, reading: int, trace: Trace) -> None:
        """From here on it is another start: what cuts in that lead to, cuts in this one do."""
        assert trace.joins is not None
        other = trace.joins[0]
        self.nodes[number].like.append(other.origin)
        assert trace.ended is not None  # since it was recorded
        self._end(number, reading, trace, trace.ended)

    def _end(self, number: int, reading: int, trace: Trace, at: Content) -> None:
        """A start was followed to its end; what comes next is a reset."""
        self._judge(Ended(number, reading, trace, at))
        self.counts.points += 1
        end = self._meet(at, Place(number, reading, len(trace.operations), None))
        self.ends.setdefault(number, []).append(end)
        self.nodes[number].next.append(end)


def _different(one: dict[int, int], other: dict[int, int]) -> set[int]:
    return {page for page in one.keys() | other.keys() if one.get(page, 0) != other.get(page, 0)}


def _key(shares: dict[int, int], pages: frozenset[int]) -> int:
    key = 0
    for page, share in shares.items():
        if page in pages:
            key ^= share
    return key
