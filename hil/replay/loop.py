"""An asyncio event loop on the clock of a replay: where a real one would sleep, the log goes on."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

from hil.replay.log import Entry
from hil.replay.player import Player

T = TypeVar("T")

_RESOLUTION_S = 1e-9


class _LogSelector(selectors.DefaultSelector):
    """Lets the recording's time pass until something comes or a timer is due."""

    def __init__(self, player: Player) -> None:
        super().__init__()
        self._player = player
        self.loop: asyncio.AbstractEventLoop | None = None

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._player.stop_if_different()
        ready = super().select(0)
        if timeout is not None and timeout <= 0:
            self._player.busy_turns += 1
            entry = self._player.came_meanwhile()
            if entry is not None and self.loop is not None:
                self.loop.call_soon(self._deliver, entry)
            return ready
        if ready:
            return ready
        until = None if timeout is None else self._player.clock + timeout + _RESOLUTION_S
        entry = self._player.advance(until)
        if entry is not None and self.loop is not None:
            self.loop.call_soon(self._deliver, entry)
        return ready

    def _deliver(self, entry: Entry) -> None:
        """Hand on what came, and with it what came in the same turn of the loop."""
        following: Entry | None = entry
        while following is not None:
            receiver = self._player.receivers.get(following.wire)
            if receiver is not None:
                receiver(following)
            following = self._player.joined()


class ReplayLoop(asyncio.SelectorEventLoop):
    """The loop of one replay; see hil.virtual.wire.loop for the one of a virtual bench."""

    def __init__(self, player: Player) -> None:
        self._player = player
        selector = _LogSelector(player)
        super().__init__(selector)
        selector.loop = self
        self._clock_resolution = 2 * _RESOLUTION_S

    def time(self) -> float:
        return self._player.clock

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        """What breaks after the first difference follows from it, and is not told."""
        if self._player.difference is None:
            super().call_exception_handler(context)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end; when it is stopped by a difference it is given the chance to clean up."""
        task = self.create_task(main)
        try:
            return self.run_until_complete(task)
        except BaseException:
            if not task.done():
                task.cancel()
                try:
                    self.run_until_complete(asyncio.wait([task], timeout=5.0))
                except Exception as error:
                    # What stopped it is told already.
                    self.default_exception_handler({"message": f"while cleaning up: {error}"})
            raise

    def close(self) -> None:
        """Cancel what still runs, and close."""
        if not self.is_closed() and not self.is_running():
            pending = asyncio.all_tasks(self)
            for task in pending:
                task.cancel()
            for _ in range(100):
                if all(task.done() for task in pending):
                    break
                try:
                    self.run_until_complete(asyncio.sleep(0))
                except Exception:  # the difference once more
                    continue
            for task in pending:
                if task.done() and not task.cancelled():
                    task.exception()  # seen, so that asyncio does not warn of it
        super().close()
