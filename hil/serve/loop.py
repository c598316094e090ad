"""The thread that owns the bench: it moves virtual time at the pace of wall time and serves the endpoints in between.

Only this thread is ever inside `Kernel.advance` or touches a model. Other threads (pyOCD's probe server has one for
each client) hand their work over with `call`. The work may itself take bench time, as each transfer on the SWD wire
does: `advance` then goes on serving everything else until that time has come.
"""

from __future__ import annotations

import collections
import contextlib
import selectors
import socket
import threading
import time
from collections.abc import Callable
from typing import Any, Generic, TypeVar

from hil.errors import BenchError
from hil.serve.pacing import Pacer
from hil.virtual.kernel import TICKS_PER_MS, Kernel

T = TypeVar("T")

SLICE = 2 * TICKS_PER_MS
"""The most virtual time between two looks at the endpoints."""
GRAIN = 2 * TICKS_PER_MS
"""What happens within this time is done in one go: a byte on a UART is not worth waking up for."""
LONGEST_SLEEP_S = 0.1
"""Well below the lag that is given up for lost: after a sleep the bench is behind by all of it."""


class Stopped(BenchError):
    """The bench is being closed."""


class _Job(Generic[T]):
    """Work of another thread."""

    def __init__(self, work: Callable[[], T]) -> None:
        self._work = work
        self._done = threading.Event()
        self._result: T | None = None
        self._error: BaseException | None = None

    def run(self) -> None:
        try:
            self._result = self._work()
        except Exception as error:
            self._error = error
        self._done.set()

    def refuse(self) -> None:
        self._error = Stopped("the virtual bench is closed")
        self._done.set()

    def wait(self) -> T:
        self._done.wait()
        if self._error is not None:
            raise self._error
        return self._result  # type: ignore[return-value]


class PacedLoop:
    """Runs a kernel in real time. It also is the clock of an `SwdLink`: `now` and `advance`."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.pacer = Pacer(kernel.now)
        # select() and not epoll: it sleeps in microseconds, epoll in whole milliseconds.
        self._selector = selectors.SelectSelector()
        self._wake, self._waker = socket.socketpair()
        for end in (self._wake, self._waker):
            end.setblocking(False)
        self._jobs: collections.deque[_Job[Any]] = collections.deque()
        self._closed = False
        self._stop = False
        self._after_slice: list[Callable[[], None]] = []
        self._periodic: list[_Periodic] = []
        self.watch(self._wake, selectors.EVENT_READ, self._woken)

    # ---- Endpoints ----

    def watch(
        self, file: socket.socket | int, events: int, callback: Callable[[int], None] | None = None
    ) -> None:
        """Call `callback` with the ready ones of `events` (`selectors.EVENT_*`); 0 stops watching.

        Without a callback the one given before stays.
        """
        known = self._selector.get_map().get(file)
        if known is None:
            if events and callback is not None:
                self._selector.register(file, events, callback)
        elif not events:
            self._selector.unregister(file)
        elif known.events != events or callback is not None:
            self._selector.modify(file, events, callback or known.data)

    def after_slice(self, callback: Callable[[], None]) -> None:
        """Call it whenever time has moved: it takes to the outside what the models have handed up."""
        self._after_slice.append(callback)

    def every(self, seconds: float, callback: Callable[[], None]) -> None:
        """Call it again and again, `seconds` of wall time apart or a little more."""
        self._periodic.append(_Periodic(seconds, callback))

    def at_once(self, action: Callable[..., object], *args: Any) -> None:
        """Do something to a model, inside the kernel, before time moves on."""
        self.kernel.at(self.kernel.now, action, *args)

    # ---- Other threads ----

    @property
    def wake_descriptor(self) -> int:
        """Where a byte written ends a sleep: for `signal.set_wakeup_fd`."""
        return self._waker.fileno()

    def call(self, work: Callable[[], T]) -> T:
        """Run `work` in the owner's thread and return its result, or raise what it raises.

        From another thread; raises Stopped once the loop has ended.
        """
        job = _Job(work)
        self._jobs.append(job)
        if self._closed:
            self._refuse_jobs()
        self.wake()
        return job.wait()

    def wake(self) -> None:
        """End the sleep in progress; from any thread or a signal handler."""
        # A full pipe wakes it as well, and a closed one is that of a loop that has ended.
        with contextlib.suppress(OSError):
            self._waker.send(b"\0")

    def stop(self) -> None:
        """End `run` soon; from any thread or a signal handler."""
        self._stop = True
        self.wake()

    def _woken(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            while self._wake.recv(4096):
                pass

    def _job_waits(self) -> bool:
        return bool(self._jobs) or self._stop

    def _refuse_jobs(self) -> None:
        while self._jobs:
            with contextlib.suppress(IndexError):
                self._jobs.popleft().refuse()

    # ---- Time ----

    def run(self) -> None:
        """Serve until `stop`. Raises what a model or an endpoint raises."""
        while not self._stop:
            self._step(None, self._job_waits)
            while self._jobs and not self._stop:
                self._jobs.popleft().run()

    @property
    def now(self) -> int:
        """The kernel's present tick."""
        return self.kernel.now

    def advance(self, until: int, wake: Callable[[], bool] | None = None) -> None:
        """Let virtual time come to `until`, or to where `wake()` turns true, at its pace. In the owner's thread only.

        Raises Stopped when the loop is to end.
        """
        self.kernel.advance(self.kernel.now, wake)
        while self.kernel.now < until and not (wake is not None and wake()):
            if self._stop:
                raise Stopped("the virtual bench is being closed")
            self._step(until, wake)

    def _step(self, until: int | None, wake: Callable[[], bool] | None) -> None:
        """Advance as far as is due, at most a slice; then serve the endpoints, asleep while there is nothing to do."""
        kernel, pacer = self.kernel, self.pacer
        due = pacer.due(kernel.now)
        target = min(due, kernel.now + SLICE)
        if until is not None:
            target = min(target, until)
        if target >= kernel.now:
            kernel.advance(target, wake)
        for callback in self._after_slice:
            callback()
        for periodic in self._periodic:
            periodic.run()
        for key, events in self._selector.select(self._sleep_s(until, wake)):
            key.data(events)

    def _sleep_s(self, until: int | None, wake: Callable[[], bool] | None) -> float:
        if (until is None and self._jobs) or self._stop or (wake is not None and wake()):
            return 0.0
        kernel = self.kernel
        if self.pacer.seconds_until(kernel.now + SLICE) <= 0:
            return 0.0  # a slice and more behind, be there something to do or not
        seconds = LONGEST_SLEEP_S
        for periodic in self._periodic:
            seconds = min(seconds, periodic.seconds_left())
        action = kernel.next_action
        tick = None if action is None else max(action, kernel.now + GRAIN)
        if until is not None:
            tick = until if tick is None else min(tick, until)
        if tick is not None:
            seconds = min(seconds, self.pacer.seconds_until(tick))
        return max(0.0, seconds)

    def restart_clock(self) -> None:
        """Pace from here on: whatever went before was not in real time."""
        self.pacer = Pacer(self.kernel.now)

    def refuse(self) -> None:
        """Let go of the threads that wait, and of those that will: the loop cannot run again."""
        self._closed = self._stop = True
        self._refuse_jobs()

    def close(self) -> None:
        """Let go of everything."""
        self.refuse()
        self._selector.close()
        self._wake.close()
        self._waker.close()


class _Periodic:
    """A callback and when it is due again."""

    def __init__(self, seconds: float, callback: Callable[[], None]) -> None:
        self._seconds = seconds
        self._callback = callback
        self._next = time.monotonic() + seconds

    def seconds_left(self) -> float:
        return self._next - time.monotonic()

    def run(self) -> None:
        if self.seconds_left() <= 0:
            self._next = time.monotonic() + self._seconds
            self._callback()
