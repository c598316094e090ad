"""Virtual time: one integer clock, a queue of events, and the CPUs that run between them.

A tick is 1/512 MHz, so that a CPU cycle (8), a microsecond (512) and a period of the 32.768 kHz
clock (15,625) are all whole numbers and no clock ever drifts by rounding. Nothing but
`Kernel.advance` moves time; same seed and same calls give the same trace, to the bit.

Hardware models run inside `advance`, host code never does: a model hands bytes up by calling a
sink, and a sink that reaches host code defers it (`loop.call_soon`).
"""

from __future__ import annotations

import heapq
import random
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any, Protocol

TICKS_PER_SECOND = 512_000_000
TICKS_PER_MS = 512_000
TICKS_PER_US = 512
TICKS_PER_CPU_CYCLE = 8
TICKS_PER_LFCLK = 15_625

# A CPU with nothing to wait for still comes back this often (2 ms of virtual time, about 1 ms of
# wall time), so that a signal is seen while firmware spins.
MAX_SLICE = 2 * TICKS_PER_MS

# Busy CPUs take turns of this length. It must not exceed the shortest path from one CPU to
# another, which is a byte on a 1 Mbaud UART (10 us).
QUANTUM = 10 * TICKS_PER_US


# The kernels inside `advance` in this process, for the signal handler.
_advancing: list[Kernel] = []


def _on_sigint(number: int, frame: FrameType | None) -> None:
    """Ctrl-C: deferred to the end of the slice inside `advance`, KeyboardInterrupt at once elsewhere.

    A second one is not deferred: whatever keeps the first waiting must not keep the user waiting for ever.
    """
    if _advancing and not _advancing[-1].interrupted:
        _advancing[-1].interrupt()
    else:
        signal.default_int_handler(number, frame)


def _defer_sigint() -> None:
    """Replace Python's own SIGINT handler, which would raise in the middle of a model.

    It stays replaced, since the system call costs more than a slice; another handler is left alone.
    """
    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        return
    if threading.get_ident() == threading.main_thread().ident:
        signal.signal(signal.SIGINT, _on_sigint)


class Runner(Protocol):
    """Something that runs by itself between events: a CPU."""

    @property
    def now(self) -> int:
        """The tick its next action starts at; inside an action, the tick that action started at."""
        ...

    @property
    def idle(self) -> bool:
        """True while it sleeps, is halted or has no power, so that only an event can start it."""
        ...

    def run(self, until: int) -> None:
        """Run up to `until`; may end late by the action in progress, or early when limited."""
        ...

    def limit_to(self, when: int) -> None:
        """End the run in progress before the first action that would start at or after `when`."""
        ...


class Event:
    """One scheduled callback. Keep it to cancel it; it is shared, never copied, by a save."""

    __slots__ = ("args", "callback", "cancelled", "pending", "when")

    def __init__(self, when: int, callback: Callable[..., object], args: tuple[Any, ...]) -> None:
        self.when = when
        """The tick it is due at."""
        self.callback = callback
        self.args = args
        self.pending = True
        """True until it has run or was cancelled."""
        self.cancelled = False
        """True once it was cancelled before it ran."""

    def __deepcopy__(self, memo: dict[int, Any]) -> Event:
        return self

    def __copy__(self) -> Event:
        return self

    def __repr__(self) -> str:
        name = getattr(self.callback, "__qualname__", repr(self.callback))
        state = "pending" if self.pending else "cancelled" if self.cancelled else "done"
        return f"<Event {name} at {self.when} {state}>"


class Kernel:
    """The clock and the event queue of one virtual bench.

    `seed` feeds every random stream of the bench (see `random`).
    """

    def __init__(self, seed: int = 0) -> None:
        self.seed = seed
        self._now = 0
        self._queue: list[tuple[int, int, Event]] = []
        self._sequence = 0
        self._dropped = 0  # cancelled events still in the queue
        self._streams: dict[str, random.Random] = {}
        self._runners: list[Runner] = []
        self._running: Runner | None = None
        self._bound = 0  # where the running slice ends
        self._advancing = False
        self._interrupted = False

    @property
    def now(self) -> int:
        """The current tick, exact in the middle of a CPU slice too."""
        running = self._running
        return self._now if running is None else running.now

    @property
    def advancing(self) -> bool:
        """True inside `advance`, where host code must not run."""
        return self._advancing

    @property
    def next_action(self) -> int | None:
        """The tick at which something happens next: `now` while a CPU is busy, else when the first event is due.

        None when nothing will ever happen by itself. For a pace-maker that sleeps meanwhile; not inside `advance`.
        """
        if any(not runner.idle for runner in self._runners):
            return self._now
        return self._head()

    def at(self, when: int, callback: Callable[..., object], *args: Any) -> Event:
        """Call `callback(*args)` at tick `when`; equal ticks run in order of scheduling.

        Give a bound method or a function with arguments, never a closure over locals, so that a
        saved state can keep the reference. Raises ValueError if `when` has passed.
        """
        if when < self._now:
            raise ValueError(f"event at tick {when} is in the past (now {self._now})")
        event = Event(when, callback, args)
        self._sequence += 1
        heapq.heappush(self._queue, (when, self._sequence, event))
        if when < self._bound and self._running is not None:
            self._bound = when
            self._running.limit_to(when)
        return event

    def after(self, delta: int, callback: Callable[..., object], *args: Any) -> Event:
        """Call `callback(*args)` `delta` ticks from now (0 or more; ValueError if negative)."""
        if delta < 0:
            raise ValueError(f"event {-delta} ticks in the past")
        return self.at(self.now + delta, callback, *args)

    def cancel(self, event: Event | None) -> None:
        """Take an event off the queue; nothing happens if it is None, has run or was cancelled."""
        if event is None or not event.pending:
            return
        event.pending = False
        event.cancelled = True
        self._dropped += 1
        if self._dropped > 64 and self._dropped * 2 > len(self._queue):
            self._queue = [entry for entry in self._queue if entry[2].pending]
            heapq.heapify(self._queue)
            self._dropped = 0

    def random(self, name: str) -> random.Random:
        """The random stream called `name`: one per name, fixed by (seed, name) alone."""
        stream = self._streams.get(name)
        if stream is None:
            stream = self._streams[name] = random.Random(f"{self.seed}/{name}")
        return stream

    def attach(self, runner: Runner) -> None:
        """Let a CPU run inside `advance`, from its own `now` on."""
        self._runners.append(runner)

    def interrupt(self) -> None:
        """Make `advance` raise KeyboardInterrupt at its next slice; safe in a signal handler."""
        self._interrupted = True

    def end_slice(self) -> None:
        """End the running CPU slice after this instruction, so that `wake` is asked.

        For a sink called from a register write: host code then goes on at the tick of the write.
        """
        if self._running is not None:
            self._bound = min(self._bound, self._running.now)
            self._running.limit_to(self._running.now)

    @property
    def interrupted(self) -> bool:
        """Whether an `interrupt()` waits to be raised."""
        return self._interrupted

    @contextmanager
    def deferring_interrupts(self) -> Iterator[None]:
        """In this block Ctrl-C waits for the next slice of `advance`, or for the block's end.

        For an event loop, which would lose a callback if KeyboardInterrupt came between taking it and running it.
        """
        _defer_sigint()
        _advancing.append(self)
        try:
            yield
        finally:
            _advancing.pop()
            if self._interrupted:
                self._interrupted = False
                raise KeyboardInterrupt

    def advance(self, until: int, wake: Callable[[], bool] | None = None) -> None:
        """Move time to tick `until`, running the events due up to and including it.

        Returns early when `wake()` is true; it is asked before anything else and after every event
        and CPU slice. A tick that has passed moves nothing but runs what is due. Raises
        KeyboardInterrupt after a SIGINT or `interrupt()`, with time and state consistent; whatever
        an event or a CPU raises; RuntimeError when called from inside `advance`.
        """
        if self._advancing:
            raise RuntimeError("Kernel.advance is not re-entrant: host code ran inside a hardware model")
        _defer_sigint()
        _advancing.append(self)
        self._advancing = True
        try:
            self._advance(until, wake)
        finally:
            self._advancing = False
            self._running = None
            _advancing.pop()

    def _advance(self, until: int, wake: Callable[[], bool] | None) -> None:
        while True:
            if self._interrupted:
                self._interrupted = False
                raise KeyboardInterrupt
            if wake is not None and wake():
                return
            head = self._head()
            if head is not None and head <= self._now:
                event = heapq.heappop(self._queue)[2]
                event.pending = False
                event.callback(*event.args)
                continue
            if self._now >= until:
                return
            self._run(until if head is None else min(head, until))

    def _head(self) -> int | None:
        queue = self._queue
        while queue and not queue[0][2].pending:
            heapq.heappop(queue)
            self._dropped -= 1
        return queue[0][0] if queue else None

    def _run(self, target: int) -> None:
        """Run the CPUs, then move time to `target` or to where the slowest of them stands."""
        if len(self._runners) == 1:
            self._run_alone(self._runners[0], target)
            return
        busy = [runner for runner in self._runners if not runner.idle and runner.now < target]
        bound = target
        if busy:
            bound = min(bound, self._now + (MAX_SLICE if len(busy) == 1 else QUANTUM))
        try:
            for runner in busy:
                bound = self._slice(runner, bound)
            for runner in self._runners:
                if runner not in busy:
                    bound = self._slice(runner, bound)
        finally:  # a CPU that ended early, or raised, is where time stands
            self._now = max(self._now, min([bound, *(runner.now for runner in self._runners)]))

    def _run_alone(self, runner: Runner, target: int) -> None:
        """The same for a bench with one CPU, which is most of them, in a third of the time."""
        bound = target if runner.idle else min(target, self._now + MAX_SLICE)
        try:
            bound = self._slice(runner, bound)
        finally:
            self._now = max(self._now, min(bound, runner.now))

    def _slice(self, runner: Runner, bound: int) -> int:
        """Run one CPU; return the bound, lowered to what its accesses scheduled meanwhile."""
        if runner.now >= bound:
            return bound
        self._bound = bound
        self._running = runner
        try:
            runner.run(bound)
        finally:
            self._running = None
        return self._bound

    def save(self) -> object:
        """The clock, the queue and the random streams, for `restore`. Not inside `advance`."""
        self._refuse_inside("save")
        queue = [(when, seq, event) for when, seq, event in self._queue if event.pending]
        streams = {name: stream.getstate() for name, stream in self._streams.items()}
        return (self._now, self._sequence, queue, streams)

    def restore(self, state: object) -> None:
        """Return to a state given by `save`; events scheduled since are dropped."""
        self._refuse_inside("restore")
        saved: Any = state
        now, sequence, queue, streams = saved
        for _, _, event in self._queue:
            event.pending = False
        for when, _, event in queue:
            event.when, event.pending, event.cancelled = when, True, False
        self._now, self._sequence, self._dropped = now, sequence, 0
        self._queue = list(queue)
        heapq.heapify(self._queue)
        for name in list(self._streams):
            if name in streams:
                self._streams[name].setstate(streams[name])
            else:  # first used after the save: start it afresh, as it was then
                self._streams[name].seed(f"{self.seed}/{name}")

    def _refuse_inside(self, what: str) -> None:
        if self._advancing:
            raise RuntimeError(f"Kernel.{what} inside advance: a slice is in progress")
