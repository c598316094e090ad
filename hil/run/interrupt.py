"""Tells a run that was ended from outside from one that pytest stopped by itself."""

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
