"""Tells what Ctrl-C ended from what ended by itself."""

from __future__ import annotations

import pytest


def from_outside(excinfo: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether Ctrl-C or a signal ended the run, given what pytest_keyboard_interrupt was called with.

    The hook is called as well where pytest or pytest-xdist stop after so many failures, or for a test module that
    cannot be read: each then raises a KeyboardInterrupt of its own class. pytest-xdist does so for a worker that was
    interrupted too, and says it.
    """
    stopped_by_pytest = isinstance(excinfo.value, KeyboardInterrupt) and excinfo.type is not KeyboardInterrupt
    return not stopped_by_pytest or "keyboard-interrupt" in str(excinfo.value)


def hides_an_interrupt(error: BaseException) -> bool:
    """Whether `error` took the place of a KeyboardInterrupt.

    Ctrl-C may come between any two steps of a library, and its own cleaning up may then fail: pyOCD, interrupted while
    it waits for a lock, releases what it never held, and the user's wish would be lost in a RuntimeError.
    """
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, KeyboardInterrupt):
            return True
        seen = seen.__context__
    return False
