"""Plays a wire log back: answers what the host does as the bench did, and stops at the first thing it does otherwise.

The log moves the clock. What the host sends must be the next thing that it sent on that wire; what came from the bench
is given to the host as soon as all that it had sent before has been sent again, at the time of the recording. The host
takes no time of its own, so on a recording by the wall clock a timer may be due a moment earlier than it was: within
`SLACK_S` the order in the log decides.
"""

from __future__ import annotations

import traceback
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import hil
from hil.errors import BenchError
from hil.replay import words
from hil.replay.log import Entry, Log
from hil.replay.troubles import again
from hil.replay.values import Decoder, Encoder

SLACK_S = {"virtual": 2e-6, "served": 0.25, "real": 0.25}
"""How much earlier a timer may be due than it was in the recording: the host's own time by the kind of bench, s."""
PATIENCE_S = 60.0
"""How long after the time of the recording, by the log's clock, the host may not yet have sent what comes next."""

_OURS = Path(hil.__file__).parent
_NOT_OURS = (_OURS / "replay", _OURS / "rig" / "recorded.py", _OURS / "rig" / "replayed.py")


@dataclass(frozen=True)
class Difference:
    """Where a replay parted from the recording. `entry` counts from 1, 0 after the last one; `time` is in s."""

    wire: str
    entry: int
    time: float
    expected: str
    got: str
    where: str

    def __str__(self) -> str:
        place = f"entry {self.entry}" if self.entry else "after the last entry"
        return (
            f"the replay differs on the wire {self.wire}, {place}, t = {self.time:.6f} s: "
            f"recorded {self.expected}; now {self.got}; at {self.where}"
        )


class ReplayDiffers(BenchError):
    """The code did something else than in the recording."""


class Player:
    """The state of one replay. `clock` is bench time in seconds."""

    def __init__(self, log: Log) -> None:
        self.clock = 0.0
        self.difference: Difference | None = None
        self._told = False
        self._slack = SLACK_S[log.bench]
        self._entries = log.entries
        self._done = [False] * len(log.entries)
        # Places in the log of what the host sends and of what comes, by wire, with how many have been.
        self._sends: dict[str, list[int]] = defaultdict(list)
        self._comes: dict[str, list[int]] = defaultdict(list)
        for index, entry in enumerate(log.entries):
            if entry.kind in ("call", "out"):
                self._sends[entry.wire].append(index)
            elif entry.kind == "in":
                self._comes[entry.wire].append(index)
        self._sent: dict[str, int] = defaultdict(int)
        self._came: dict[str, int] = defaultdict(int)
        self._first_unsent = 0
        self._first_unseen = 0
        self._end = log.entries[-1].time if log.entries else 0.0
        self.busy_turns = 0
        """Turns of the event loop in which it had something to do at once."""
        self._turns_before = 0
        self.receivers: dict[str, Callable[[Entry], None]] = {}
        """Who takes what comes, by wire; what comes to a wire without one is lost, as on a closed port."""

    # ---- What the host sends ----

    def call(self, wire: str, operation: str, *arguments: Any) -> Any:
        """A call that the host makes and waits for. Raises what it raised, or ReplayDiffers."""
        entry = self.call_entry(wire, operation, *arguments)
        # A bench that returned to a saved state returned to its time as well.
        self.clock = max(self.clock, entry.end) if entry.end >= entry.time else entry.end
        if entry.error is not None:
            raise again(entry.error)
        return entry.result

    def call_entry(self, wire: str, operation: str, *arguments: Any) -> Entry:
        """The entry of a call, checked; the clock stands where the call was made."""
        self._refuse_if_over()
        entry = self._next(wire, lambda: words.call(operation, arguments))
        kept = _as_kept(list(arguments))
        if entry.kind != "call" or entry.operation != operation or entry.arguments != kept:
            self._differs(entry, words.call(operation, arguments), _detail(entry, kept))
        self._take(entry)
        return entry

    def collect(self, entry: Entry) -> Any:
        """The answer to a call that was made before."""
        self._refuse_if_over()
        if not entry.answered:
            self._differs(entry, "the answer is looked at", "which it was not in the recording")
        self.clock = max(self.clock, entry.arrived)
        if entry.error is not None:
            raise again(entry.error)
        return entry.result

    def send(self, wire: str, data: bytes) -> None:
        """Data that the host sends and does not wait for. Raises ReplayDiffers."""
        self._refuse_if_over()
        entry = self._next(wire, lambda: words.data(wire, data))
        if entry.kind != "out" or entry.data != data:
            detail = words.first_difference(entry.data, data) if entry.kind == "out" else ""
            self._differs(entry, words.data(wire, data), detail)
        self._take(entry)

    def mark(self) -> None:
        """The host lets time pass: the host itself had taken until then."""
        for index in range(self._first_unsent, len(self._entries)):
            entry = self._entries[index]
            if entry.kind in ("call", "out") and not self._done[index]:
                return
            if entry.kind == "mark" and not self._done[index] and entry.operation != "answer":
                self._done[index] = True
                self._turns_before = self.busy_turns
                self.clock = max(self.clock, entry.time)
                return

    # ---- What comes ----

    def due(self, wire: str, until: float) -> Entry | None:
        """What comes next on a wire, if that is by `until` and all that was sent before it has been sent."""
        places, count = self._comes[wire], self._came[wire]
        if count >= len(places):
            return None
        entry = self._entries[places[count]]
        return entry if self._may_come(places[count], until) else None

    def take(self, entry: Entry) -> None:
        """What came has been taken; the clock follows."""
        self.clock = max(self.clock, entry.time)
        self._done[entry.number - 1] = True
        self._turns_before = self.busy_turns
        self._came[entry.wire] += 1

    def advance(self, until: float | None) -> Entry | None:
        """Let time pass to `until`, or to the next thing that comes, which is returned and taken.

        Without `until` the host waits for nothing but the bench. Raises ReplayDiffers when the recording then had the
        host do something, or nothing more comes.
        """
        entry = self._next_to_come()
        if entry is not None and self._may_come(entry.number - 1, until):
            self.take(entry)
            return entry
        if until is None:
            self._stands_still()
        self.clock = max(self.clock, until)
        self._check_patience()
        return None

    def pass_time(self, until: float) -> None:
        """Let time pass to `until` while nothing is taken that comes."""
        self.clock = max(self.clock, until)
        self._check_patience()

    def came_meanwhile(self) -> Entry | None:
        """What comes next, if in the recording it came in this turn of a loop that was at work; taken."""
        entry = self._next_to_come()
        if entry is None or entry.busy_turns is None or not self._may_come(entry.number - 1, None):
            return None
        if self.busy_turns - self._turns_before < entry.busy_turns:
            return None
        self.take(entry)
        return entry

    def joined(self) -> Entry | None:
        """What came in the same turn of the event loop as what was taken last, if it may come now; taken."""
        entry = self._next_to_come()
        if entry is None or not entry.joined or not self._may_come(entry.number - 1, None):
            return None
        self.take(entry)
        return entry

    def _next_to_come(self) -> Entry | None:
        while self._first_unseen < len(self._entries):
            entry = self._entries[self._first_unseen]
            if entry.kind == "in" and not self._done[self._first_unseen]:
                return entry
            self._first_unseen += 1
        return None

    def _may_come(self, index: int, until: float | None) -> bool:
        if self.difference is not None:
            return False
        self._skip_sent()
        if self._first_unsent < index:
            return False
        return until is None or self._entries[index].time <= until + self._slack

    # ---- The end ----

    def finish(self) -> None:
        """The case has ended: nothing may be left that the host had sent. Raises ReplayDiffers."""
        if self.difference is not None:
            self._raise()
        self._skip_sent()
        if self._first_unsent < len(self._entries):
            self._differs(self._entries[self._first_unsent], "the case has ended", "")

    def stop_if_different(self) -> None:
        """Raise ReplayDiffers, once, if the code has parted from the recording, wherever it was told so."""
        if self.difference is not None and not self._told:
            self._told = True
            self._raise()

    # ---- Inside ----

    def _next(self, wire: str, now: Callable[[], str]) -> Entry:
        places, count = self._sends[wire], self._sent[wire]
        if count >= len(places):
            self._record(Difference(wire, 0, self.clock, "nothing more on it", now(), _where()))
            self._raise()
        entry = self._entries[places[count]]
        self._skip_sent()
        first = self._entries[self._first_unsent]
        if first is not entry and first.time < entry.time - self._slack:
            self._differs(first, f"{now()} on the wire {wire}", "")
        return entry

    def _take(self, entry: Entry) -> None:
        self._sent[entry.wire] += 1
        self._done[entry.number - 1] = True
        self._turns_before = self.busy_turns
        self.clock = max(self.clock, entry.time)

    def _skip_sent(self) -> None:
        entries, done = self._entries, self._done
        while self._first_unsent < len(entries) and (
            done[self._first_unsent] or entries[self._first_unsent].kind in ("in", "mark")
        ):
            self._first_unsent += 1

    def _stands_still(self) -> NoReturn:
        self._skip_sent()
        if self._first_unsent < len(self._entries):
            self._differs(self._entries[self._first_unsent], "nothing is sent, the code waits", "")
        if self.difference is None:
            self._record(
                Difference("(any)", 0, self.clock, "nothing more came", "the code waits for more", _where())
            )
        self._raise()

    def _check_patience(self) -> None:
        if self.difference is not None:
            return
        self._skip_sent()
        if self._first_unsent < len(self._entries):
            entry = self._entries[self._first_unsent]
            if self.clock > entry.time + PATIENCE_S:
                self._differs(entry, f"not sent within {PATIENCE_S:g} s of it", "")
        elif self.clock > self._end + PATIENCE_S:
            self._record(Difference("(any)", 0, self.clock, "the end", "the code goes on", _where()))
            self._raise()

    def _differs(self, entry: Entry, now: str, detail: str) -> NoReturn:
        expected = (
            words.call(entry.operation, entry.arguments)
            if entry.kind == "call"
            else words.data(entry.wire, entry.data)
        )
        got = f"{now} ({detail})" if detail else now
        self._record(Difference(entry.wire, entry.number, entry.time, expected, got, _where()))
        self._raise()

    def _record(self, difference: Difference) -> None:
        if self.difference is None:  # what follows from the first one says nothing
            self.difference = difference

    def _refuse_if_over(self) -> None:
        if self.difference is not None:
            self._raise()

    def _raise(self) -> NoReturn:
        raise ReplayDiffers(str(self.difference))


def _as_kept(arguments: list[Any]) -> list[Any]:
    """Arguments as they come out of a log: tuples are lists, long lists of numbers are the same."""
    if all(argument is None or isinstance(argument, int | float | str) for argument in arguments):
        return arguments
    encoder, decoder = Encoder(), Decoder()
    return [decoder.decode(encoder.encode(argument)) for argument in arguments]


def _detail(entry: Entry, kept: list[Any]) -> str:
    """Where long arguments differ."""
    if entry.kind != "call":
        return ""
    for then, now in zip(entry.arguments, kept, strict=False):
        if then != now and isinstance(then, list) and isinstance(now, list):
            for index, (was, value) in enumerate(zip(then, now, strict=False)):
                if was != value:
                    return f"number {index} is {value!r}, was {was!r}"
            return f"{len(now)} numbers, were {len(then)}"
    return ""


def _where() -> str:
    """The innermost line of ours, or of the case, that is running."""
    ours = case = ""
    for frame in traceback.extract_stack():
        path = Path(frame.filename)
        if any(path.is_relative_to(each) for each in _NOT_OURS):
            continue
        if path.is_relative_to(_OURS):
            ours = f"hil/{path.relative_to(_OURS).as_posix()}:{frame.lineno}, {frame.name}"
        elif path.name.startswith("test_"):
            case = f"{path.name}:{frame.lineno}, {frame.name}"
    return "; in ".join(each for each in (ours, case) if each) or "no code of ours (a callback of a stack)"


@contextmanager
def bench_time(player: Player) -> Iterator[None]:
    """pyOCD's waits pass on the recording's clock while a replay runs."""
    import sys
    import time

    def passes(seconds: float) -> None:
        player.clock += max(0.0, seconds)

    changed: list[tuple[Any, str, Any]] = []
    for name, module in list(sys.modules.items()):
        if name.startswith("pyocd.") and module is not None:
            for attribute, real, mine in (
                ("sleep", time.sleep, passes),
                ("time", time.time, lambda: player.clock),
            ):
                if getattr(module, attribute, None) is real:
                    setattr(module, attribute, mine)
                    changed.append((module, attribute, real))
    try:
        yield
    finally:
        for module, attribute, real in changed:
            setattr(module, attribute, real)
