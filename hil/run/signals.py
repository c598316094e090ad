"""What a run does with signals and with the standard output, outside of pytest."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TextIO


@contextmanager
def own_stdout() -> Iterator[TextIO]:
    """The standard output as it is now: pytest captures the other one while cases run."""
    sys.stdout.flush()
    try:
        descriptor = os.dup(sys.stdout.fileno())
    except (OSError, ValueError):
        yield sys.stdout
        return
    with os.fdopen(descriptor, "w", encoding=sys.stdout.encoding or "utf-8", errors="replace") as stream:
        yield stream


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Treat SIGTERM like Ctrl-C: every way out leaves the supply off and the results on the disk."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        like_ctrl_c = signal.getsignal(
            signal.SIGINT
        )  # the virtual bench has one that waits for a sound moment
        if not callable(like_ctrl_c):
            raise KeyboardInterrupt
        like_ctrl_c(number, frame)

    try:
        before = signal.signal(signal.SIGTERM, interrupt)
    except ValueError:  # not the main thread, where signals cannot be set
        yield
        return
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
