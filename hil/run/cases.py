"""What a run knows of a case: the marker that `hil.case.case` puts on a test, and what the marker says."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

MARKER = "hil_case"


@dataclass(frozen=True)
class CaseInfo:
    """What is known of a case before it runs."""

    id: str
    sentence: str
    evidence_for: tuple[str, ...]
    needs: tuple[str, ...]


def info_of(item: pytest.Item) -> CaseInfo | None:
    """The case that `item` runs, or None when it is a plain test."""
    marker = item.get_closest_marker(MARKER)
    return marker.args[0] if marker is not None else None
