"""A bench of real instruments: their time is the wall clock's."""

from __future__ import annotations

import asyncio
import selectors
import sys
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hil.wire import DIRECT

T = TypeVar("T")


class TurnSelector(selectors.DefaultSelector):
    """Counts the turns of a loop that had something to do at once, which tells a replay when what came was seen."""

    busy_turns = 0
    busy = False
    """The turn under way is one of them."""

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self.busy = timeout is not None and timeout <= 0
        self.busy_turns += self.busy
        return super().select(timeout)


class RealBench:
    """The clock and the event loop of a bench that exists."""

    faults = None
    wires = DIRECT

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._selector: TurnSelector | None = None
        self._began = time.monotonic()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            if sys.platform == "win32":  # its proactor waits for completions, and has no selector
                self._loop = asyncio.new_event_loop()
            else:
                self._selector = TurnSelector()
                self._loop = asyncio.SelectorEventLoop(self._selector)
        return self._loop

    def begin(self, seed: int, folder: Path | None = None) -> None:
        # A real bench has nothing to seed: what a case draws at random comes from the seed in the case's record.
        self._began = time.monotonic()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(main)

    def turn(self) -> tuple[int, bool]:
        """Turns of the loop so far that had something to do at once, and whether the one under way is such a turn."""
        return (self._selector.busy_turns, self._selector.busy) if self._selector else (0, False)

    def seconds(self) -> float:
        return time.monotonic() - self._began

    def sleep(self, seconds: float) -> None:
        # Not time.sleep: what waits to be sent would wait on, and what arrives would be noticed too late.
        self.run(asyncio.sleep(seconds))

    def notes(self) -> dict[str, Any]:
        return {}

    def end(self) -> None:
        if self._loop is not None:
            self._loop.close()
            self._loop = None
