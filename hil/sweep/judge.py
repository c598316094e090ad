"""What must hold whatever the power does, and what a sweep found that did not."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from hil.image.trailer import Flag, parse_trailer
from hil.rig.machine import FLASH_PAGE
from hil.sweep.content import Content
from hil.sweep.explore import Ended, Explorer
from hil.sweep.scenario import Image, Scenario

Check = Callable[[Scenario, Ended], str | None]


@dataclass(frozen=True)
class Invariant:
    """A sentence that every start has to keep. `check` returns what is wrong, or None."""

    name: str
    sentence: str
    check: Check


@dataclass(frozen=True)
class Violation:
    """A start that broke an invariant, and the state it began from."""

    invariant: str
    text: str
    state: int


def program_of(scenario: Scenario, ended: Ended) -> Image | None:
    """The program that a start has ended in; None when it is none of those that are known, or nothing was
    started.
    """
    settled = ended.trace.settled
    if settled.kind != "starts":
        return None
    return next(
        (
            image
            for image in scenario.images
            if image.address <= settled.pc < image.address + len(image.data)
            and _read(ended.content, image.address, len(image.data)) == image.data
        ),
        None,
    )


def _read(content: Content, address: int, size: int) -> bytes:
    first, last = address // FLASH_PAGE, (address + size - 1) // FLASH_PAGE
    data = b"".join(content.page(page) for page in range(first, last + 1))
    return data[address - first * FLASH_PAGE :][:size]


def _starts(scenario: Scenario, ended: Ended) -> str | None:
    settled = ended.trace.settled
    if settled.kind == "starts":
        return None
    return f"nothing starts: the device {_WORDS[settled.kind]} at 0x{settled.pc:08x} after {settled.seconds:.1f} s"


_WORDS = {
    "sleeps": "sleeps",
    "spins": "runs in circles",
    "lockup": "is locked up",
    "hung": "hangs",
    "timeout": "writes for ever",
}


def _known(scenario: Scenario, ended: Ended) -> str | None:
    settled = ended.trace.settled
    if settled.kind != "starts" or program_of(scenario, ended) is not None:
        return None
    return f"what starts at 0x{settled.pc:08x} is none of the images that were signed"


def _untouched(scenario: Scenario, ended: Ended) -> str | None:
    for operation in ended.trace.operations:
        if operation.kind == "erase all" or operation.address // FLASH_PAGE in scenario.fixed:
            return (
                f"{operation.kind} at 0x{operation.address:05x}, in the bootloader or the provisioning page"
            )
    return None


def _soon(scenario: Scenario, ended: Ended) -> str | None:
    resets = ended.trace.settled.resets
    return None if resets <= MOST_RESETS else f"the device reset itself {resets} times before it settled"


def _asked(scenario: Scenario, ended: Ended) -> str | None:
    if not scenario.installs or scenario.trailer is None:
        return None
    program = program_of(scenario, ended)
    if program is None or program.name != "old":
        return None
    trailer = parse_trailer(_read(ended.content, scenario.trailer - TRAILER, TRAILER))
    if trailer.copy_done is Flag.SET:
        return None
    return "the update that was asked for was neither installed nor is it asked for any more"


TRAILER = 40
MOST_RESETS = 3

INVARIANTS: list[Invariant] = [
    Invariant("starts", "Whatever was cut, the next start with power ends in a program that runs.", _starts),
    Invariant("signed", "What runs is one of the signed images, whole.", _known),
    Invariant("untouched", "Bootloader and provisioning page are never written or erased.", _untouched),
    Invariant("asked", "The former image runs again only after the update had been installed.", _asked),
    Invariant("soon", f"A start needs no more than {MOST_RESETS} resets of its own.", _soon),
]
"""Those of every scenario; a test may add to them."""

ORDER = Invariant(
    "order", "No older program starts once a later one of the scenario's order has.", lambda *_: None
)


class Judge:
    """Holds every start against the invariants."""

    def __init__(self, scenario: Scenario, invariants: Sequence[Invariant] | None = None) -> None:
        self.scenario = scenario
        self.invariants = list(INVARIANTS if invariants is None else invariants)
        self.violations: list[Violation] = []
        self.programs: dict[int, str] = {}
        """By state: the program that its first reading started, where that was seen."""
        self._ended: dict[tuple[int, int], str] = {}
        self._told: set[tuple[str, int]] = set()

    def __call__(self, ended: Ended) -> None:
        for invariant in self.invariants:
            wrong = invariant.check(self.scenario, ended)
            if wrong is not None and (invariant.name, ended.state) not in self._told:
                self._told.add((invariant.name, ended.state))
                self.violations.append(Violation(invariant.name, wrong, ended.state))
        program = program_of(self.scenario, ended)
        if program is not None:
            self._ended[ended.state, ended.reading] = program.name
            self.programs[ended.state] = program.name

    def finish(self, explorer: Explorer) -> None:
        """Look at the order in which programs start along every path."""
        rank = {name: index for index, name in enumerate(self.scenario.order)}
        for (state, _), name in self._ended.items() if rank else ():
            if name not in rank:
                self.violations.append(Violation(ORDER.name, f"{name} must not start here", state))
        reached = [-1] * len(explorer.nodes)
        starts: dict[int, int] = {}
        for (state, _), name in self._ended.items():
            starts[state] = max(starts.get(state, -1), rank.get(name, -1))
        work = list(starts)
        for state, level in starts.items():
            ends = explorer.ends.get(state, ())
            for end in ends:
                if reached[end] < level:
                    reached[end] = level
                    work.append(end)
        while work:
            state = work.pop()
            node = explorer.nodes[state]
            for follower in (*node.next, *node.like):
                if reached[follower] < reached[state]:
                    reached[follower] = reached[state]
                    work.append(follower)
        for (state, _), name in self._ended.items():
            if name in rank and rank[name] < reached[state]:
                later = self.scenario.order[reached[state]]
                self.violations.append(Violation(ORDER.name, f"{name} starts although {later} has", state))


def shortest_paths(explorer: Explorer, states: Iterable[int]) -> dict[int, list[int]]:
    """The fewest cuts and resets that lead from the scenario's first state to each of these, as states."""
    before: dict[int, int] = {0: 0}
    work = deque([0])
    while work:
        state = work.popleft()
        for follower in explorer.nodes[state].next:
            if follower not in before:
                before[follower] = state
                work.append(follower)
    paths = {}
    for state in states:
        path = [state]
        while path[-1] and path[-1] in before:
            path.append(before[path[-1]])
        paths[state] = path[::-1]
    return paths
