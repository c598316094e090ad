"""The circuit breaker of a rig: after so many faults of its bench in a row its other cases are not run."""

from __future__ import annotations


class Breaker:
    """Counts what ends cases on one rig. `limit` faults of the bench in a row open it; it stays open."""

    def __init__(self, rig: str, limit: int) -> None:
        self._rig = rig
        self._limit = limit
        self._row = 0
        self._last = ""

    def ended(self, fault: str | None) -> None:
        """A case has ended, by this fault of the bench or by none."""
        if not self.is_open:
            self._row = self._row + 1 if fault is not None else 0
            self._last = fault or ""

    @property
    def is_open(self) -> bool:
        """Whether the rig runs no more cases."""
        return self._row >= self._limit

    @property
    def reason(self) -> str:
        """Why a case is not run, in one line."""
        return (
            f"not run: circuit breaker of rig {self._rig}: {self._row} cases in a row were ended by its bench; "
            f"the last: {self._last}"
        )
