"""Settings of the framework's own tests. The cases of testplans/ bring their own: see testplans/pytest.ini."""

from __future__ import annotations

import pytest


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the nightly tests out, unless a marker expression says what is wanted."""
    if config.option.markexpr:
        return
    kept = [item for item in items if item.get_closest_marker("nightly") is None]
    if len(kept) < len(items):
        config.hook.pytest_deselected(items=[item for item in items if item not in kept])
        items[:] = kept
