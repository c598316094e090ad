"""Current over time, kept in bounded room: least, mean and most of each interval, which widens as time goes on."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

MAX_ROWS = 100_000
"""Intervals that are kept; beyond it each two become one of twice the length. At 1 ms that is after 100 s."""


class CurrentTrace:
    """Samples, each `sample_seconds` after the other, as intervals of `interval` samples. Amperes."""

    def __init__(self, sample_seconds: float, interval: int, max_rows: int = MAX_ROWS) -> None:
        self._sample_seconds = sample_seconds
        self._interval = interval
        self._max_rows = max_rows
        self._rows: list[tuple[float, float, float]] = []
        self._open: list[float] = []
        self.begun = 0.0
        """Bench time of the first sample, s."""

    @property
    def interval_seconds(self) -> float:
        """Length of an interval now, s."""
        return self._interval * self._sample_seconds

    def add(self, samples: Iterable[float]) -> None:
        """Take samples that came after the ones before."""
        pending = self._open
        pending.extend(samples)
        while len(pending) >= self._interval:
            part = pending[: self._interval]
            del pending[: self._interval]
            self._rows.append((min(part), sum(part) / len(part), max(part)))
            if len(self._rows) >= self._max_rows:
                self._rows = [
                    (min(a[0], b[0]), (a[1] + b[1]) / 2, max(a[2], b[2]))
                    for a, b in zip(self._rows[::2], self._rows[1::2], strict=False)
                ]
                self._interval *= 2

    def save(self, path: Path) -> None:
        """Write the trace as CSV: time_s, min_amperes, mean_amperes, max_amperes; times are where intervals begin."""
        with path.open("w", encoding="utf-8") as file:
            file.write("time_s,min_amperes,mean_amperes,max_amperes\n")
            for index, (least, mean, most) in enumerate(self._rows):
                moment = self.begun + index * self.interval_seconds
                file.write(f"{moment:.6f},{least:.9f},{mean:.9f},{most:.9f}\n")
