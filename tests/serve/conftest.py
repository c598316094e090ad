"""A bench that runs in real time in a thread, for the tests of its endpoints."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator

import pytest

from hil.serve.loop import PacedLoop
from hil.virtual.bench import Bench
from hil.virtual.kernel import TICKS_PER_MS
from tests.serve.program import compile_program

PATIENCE_S = 30.0
"""How long anything here may take; only a failing test takes it."""


class Live:
    """A bench, its loop, and the thread that runs it between `start` and `stop`."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.loop = PacedLoop(bench.kernel)
        self.kit = bench.kits[0]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None

    def load(self, program: str) -> None:
        """Put a program into the flash of the kit that has no power yet, and switch the supply on."""
        self.kit.soc.memory.write(0, compile_program(program).binary)
        self.bench.psu.receive(b"VOLT 3.0;:OUTP ON\n")
        kernel = self.bench.kernel
        kernel.advance(kernel.now + 100 * TICKS_PER_MS, lambda: self.kit.soc.powered)
        assert self.kit.soc.powered
        self.loop.restart_clock()

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.loop.stop()
        if self._thread.is_alive():
            self._thread.join(PATIENCE_S)
        self.loop.refuse()
        if self._error is not None:
            raise self._error

    def until(self, condition: Callable[[], bool]) -> None:
        """Wait for something in the bench's thread to become true."""
        reached = threading.Event()

        def look() -> None:
            if condition():
                reached.set()

        self.loop.call(lambda: self.loop.every(0.005, look))
        assert reached.wait(PATIENCE_S), "the bench never came to that"

    def _run(self) -> None:
        try:
            self.loop.run()
        except BaseException as error:
            self._error = error
            self.loop.refuse()


@pytest.fixture
def live() -> Iterator[Live]:
    """A bench with a kit that has no program and no power, not started yet."""
    with Bench() as bench:
        made = Live(bench)
        try:
            yield made
        finally:
            made.stop()
            made.loop.close()


__all__ = ["PATIENCE_S", "Live"]
