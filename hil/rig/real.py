"""A bench of real instruments: their time is the wall clock's."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hil.wire import DIRECT

T = TypeVar("T")


class RealBench:
    """The clock and the event loop of a bench that exists."""

    faults = None
    wires = DIRECT

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._began = time.monotonic()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.new_event_loop()
        return self._loop

    def begin(self, seed: int, folder: Path | None = None) -> None:
        # A real bench has nothing to seed: what a case draws at random comes from the seed in the case's record.
        self._began = time.monotonic()

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(main)

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
