"""An asyncio event loop on the virtual bench's clock.

Host code takes no virtual time: while a callback is ready, time stands still. When none is, the
selector advances the kernel to the next timer, or less far if a hardware model makes a callback
ready on the way. So a coroutine that waits for a notification and one that sleeps for an hour are
the same code as on a real bench, and cost only what the hardware in between costs to model.

Traps:
- A peer behind a real file descriptor lives in real time and virtual time does not wait for it.
  Such descriptors are polled between slices, which suffices for a server answering test traffic.
- Work in threads (`run_in_executor`) is such a peer too.
"""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from contextvars import Context
from typing import Any, TypeVar, TypeVarTuple, Unpack

from hil.errors import BenchError
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Kernel

T = TypeVar("T")
Ts = TypeVarTuple("Ts")

IDLE_LIMIT_S = 60.0
"""Virtual seconds that a loop without any timer may wait for the hardware before it gives up."""

_ROUNDING = 0.01  # ticks: what a float of seconds may be off; far above its error, far below a tick
_POLL_SLICE = 10 * TICKS_PER_MS  # virtual time between looks at real file descriptors
_REAL_WAIT_S = 0.02  # wall time granted to them when no timer is pending


class _KernelSelector(selectors.DefaultSelector):
    """Where a real loop would sleep, let the hardware run."""

    def __init__(self, kernel: Kernel, idle_limit_s: float) -> None:
        super().__init__()
        self._kernel = kernel
        self._idle_ticks = round(idle_limit_s * TICKS_PER_SECOND)
        self.woken = False

    def is_woken(self) -> bool:
        return self.woken

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if ready or (timeout is not None and timeout <= 0):
            return ready
        if timeout is None:
            return self._wait_for_hardware()
        ticks = math.ceil(timeout * TICKS_PER_SECOND - _ROUNDING)
        return self._advance(self._kernel.now + max(1, ticks))

    def _advance(self, until: int) -> list[tuple[selectors.SelectorKey, int]]:
        """Run the hardware to `until`, to the first callback made ready, or to real input."""
        self.woken = False
        if len(self.get_map()) <= 1:  # the loop's own wake-up pipe is always there
            self._kernel.advance(until, self.is_woken)
            return super().select(0)
        while True:
            self._kernel.advance(min(until, self._kernel.now + _POLL_SLICE), self.is_woken)
            ready = super().select(0)
            if ready or self.woken or self._kernel.now >= until:
                return ready

    def _wait_for_hardware(self) -> list[tuple[selectors.SelectorKey, int]]:
        if len(self.get_map()) > 1:  # a real peer may answer: give it real time as well
            return self._advance(self._kernel.now + _POLL_SLICE) or super().select(_REAL_WAIT_S)
        ready = self._advance(self._kernel.now + self._idle_ticks)
        if not ready and not self.woken:
            seconds = self._kernel.now / TICKS_PER_SECOND
            raise BenchError(
                f"virtual bench: nothing is left to wait for at t = {seconds:.6f} s: a coroutine waits, without a "
                f"time-out, for something that no hardware did in {self._idle_ticks / TICKS_PER_SECOND:g} s"
            )
        return ready


class VirtualEventLoop(asyncio.SelectorEventLoop):
    """An asyncio loop whose `time()` is `kernel.now`, in seconds.

    A timer never fires before its time, and at most one tick (1/512 us) after it. `run` (or
    `run_until_complete`) raises what a hardware model raises, KeyboardInterrupt on Ctrl-C, and
    BenchError when it waits without any timer for `idle_limit_s` virtual seconds; afterwards the
    loop can still run, to clean up. May only be run from outside `Kernel.advance`.
    """

    def __init__(self, kernel: Kernel, *, idle_limit_s: float = IDLE_LIMIT_S) -> None:
        self.kernel = kernel
        self._kernel_selector = _KernelSelector(kernel, idle_limit_s)
        super().__init__(self._kernel_selector)
        # asyncio runs a timer that is due within this of now: a tick's fraction, to absorb rounding.
        self._clock_resolution = 2 * _ROUNDING / TICKS_PER_SECOND

    def time(self) -> float:
        return self.kernel.now / TICKS_PER_SECOND

    def call_soon(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        self._kernel_selector.woken = True
        return super().call_soon(callback, *args, context=context)

    def call_soon_threadsafe(
        self, callback: Callable[[Unpack[Ts]], object], *args: *Ts, context: Context | None = None
    ) -> asyncio.Handle:
        handle = super().call_soon_threadsafe(callback, *args, context=context)
        self._kernel_selector.woken = True
        return handle

    def call_at(
        self,
        when: float,
        callback: Callable[[Unpack[Ts]], object],
        *args: *Ts,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        self._kernel_selector.woken = True  # it may be due before the timer being waited for
        return super().call_at(when, callback, *args, context=context)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end and return its result.

        When it is interrupted (Ctrl-C, a model's exception, BenchError), the coroutine is cancelled
        and given the chance to clean up before the exception goes on to the caller.
        """
        with self.kernel.deferring_interrupts():
            task = self.create_task(main)
            try:
                return self.run_until_complete(task)
            except BaseException:
                if not task.done():
                    self._unwind(task)
                raise

    def _unwind(self, task: asyncio.Task[T]) -> None:
        task.cancel()
        try:
            self.run_until_complete(asyncio.wait([task], timeout=5.0))
        except Exception as error:
            # The bench itself is broken: the exception under way says so already.
            self.default_exception_handler({"message": f"while cleaning up: {error}"})

    def close(self) -> None:
        """Cancel what is still running, let it unwind without advancing time, and close."""
        if not self.is_closed() and not self.is_running():
            pending = asyncio.all_tasks(self)
            for task in pending:
                task.cancel()
            for _ in range(100):
                if all(task.done() for task in pending):
                    break
                self.run_until_complete(asyncio.sleep(0))
            for task in pending:
                if task.done() and not task.cancelled():
                    task.exception()  # seen, so that asyncio does not warn of it
        super().close()
