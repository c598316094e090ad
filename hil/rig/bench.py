"""What stands behind a rig: real instruments on a clock, or a virtual bench. Everything above is the same for both."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Protocol, TypeVar

from hil.rig.faults import Faults
from hil.wire import Wires

T = TypeVar("T")


class Bench(Protocol):
    """The part of a rig that differs between a virtual and a real bench."""

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the present case."""

    @property
    def faults(self) -> Faults | None:
        """Faults beyond the reach of instruments; None on a bench that cannot."""

    @property
    def wires(self) -> Wires:
        """Through which the drivers reach the wires of the present case."""

    def begin(self, seed: int, folder: Path | None = None) -> None:
        """Make the bench ready for a case: a fresh one, from `seed`, where that is possible. The case keeps its logs
        in `folder`, if anywhere.
        """

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end on the bench's loop."""

    def seconds(self) -> float:
        """Bench time since the case began, s."""

    def sleep(self, seconds: float) -> None:
        """Let bench time pass."""

    def notes(self) -> dict[str, Any]:
        """What the record of the case should hold besides."""

    def end(self) -> None:
        """Let go of the case's bench; a second call does nothing."""
