"""Settings of the framework's own tests. The cases of testplans/ bring their own: see testplans/pytest.ini."""

from __future__ import annotations

import signal
import threading

import pytest


def pytest_configure() -> None:
    """Take Ctrl-C as at a terminal: a background job starts with SIGINT ignored, and its children inherit that."""
    if (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    ):
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the nightly tests out, unless a marker expression says what is wanted."""
    if config.option.markexpr:
        return
    kept = [item for item in items if item.get_closest_marker("nightly") is None]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
