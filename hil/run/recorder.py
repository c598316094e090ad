"""Notes what happens in the case that is running: stages, progress and figures, on the bench's clock."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from hil.errors import InputError

Row = dict[str, Any]


@dataclass(frozen=True)
class Progress:
    """Where a running case is. `fraction` is 0 to 1, `bytes_per_second` is by the bench's clock; None: not known."""

    case: str
    stage: str
    fraction: float | None = None
    bytes_per_second: float | None = None


def case_seed(run_seed: int, instance: str) -> int:
    """The seed of one case: by the run's seed and the case's own id, so that order and workers do not matter."""
    digest = hashlib.sha256(f"{run_seed}:{instance}".encode()).digest()
    return int.from_bytes(digest[:6], "big")


def _no_bench() -> float:
    return 0.0


def _nothing() -> dict[str, int]:
    return {}


def _all_well() -> None:
    return None


@dataclass
class Recorder:
    """The notes of one case. `clock` gives the bench's time in seconds; `notify` hears of each step; `unmodelled` tells
    what the firmware has touched so far that the bench does not model; `ailing` which instrument no longer answers.
    """

    instance: str
    seed: int
    notify: Callable[[Progress], None] = lambda _: None
    clock: Callable[[], float] = _no_bench
    unmodelled: Callable[[], dict[str, int]] = _nothing
    ailing: Callable[[], str | None] = _all_well
    stages: list[Row] = field(default_factory=list)
    figures: list[Row] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    points: list[Row] = field(default_factory=list)
    images: dict[str, str] = field(default_factory=dict)
    notes: Row = field(default_factory=dict)
    _open: list[str] = field(default_factory=list)
    _first: tuple[float, int] | None = None

    @contextmanager
    def stage(self, name: str) -> Iterator[None]:
        """A named part of the case; stages may be nested, then their names are joined by a slash."""
        if not name or "/" in name or "\n" in name:
            raise InputError(f'stage "{name}": expected a short name without slashes')
        self._open.append(name)
        path = "/".join(self._open)
        row: Row = {"name": path, "start": round(self.clock(), 6), "seconds": 0.0, "held": False}
        self.stages.append(row)
        self._first = None
        self.notify(Progress(self.instance, path))
        try:
            yield
            row["held"] = True
        finally:
            row["seconds"] = round(self.clock() - row["start"], 6)
            self._open.pop()
            self._first = None

    def progress(self, done: int, total: int) -> None:
        """How far the present stage is, in bytes."""
        now = self.clock()
        if self._first is None:
            self._first = (now, done)
        elapsed, moved = now - self._first[0], done - self._first[1]
        rate = moved / elapsed if elapsed > 0 else None
        fraction = min(1.0, done / total) if total > 0 else None
        self.notify(Progress(self.instance, "/".join(self._open), fraction, rate))

    def measured(self, name: str, value: float, unit: str) -> None:
        """Keep a figure."""
        self.figures.append({"name": name, "value": round(float(value), 6), "unit": unit})

    def throughput(self, row: Row) -> None:
        """Keep a line of throughput.csv."""
        self.rows.append({"case": self.instance, **row})

    def swept(self, point: Row) -> None:
        """Keep a point of a power-fail sweep."""
        self.points.append(point)

    def image(self, name: str, digest: str) -> None:
        """Keep which image the case used, by its SHA-256."""
        self.images[name] = digest


_current: ContextVar[Recorder | None] = ContextVar("hil_recorder", default=None)


def current() -> Recorder:
    """The recorder of the case that is running; outside of a case one whose notes are thrown away."""
    return _current.get() or Recorder("none", 0)


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Make `recorder` the current one."""
    token = _current.set(recorder)
    try:
        yield
    finally:
        _current.reset(token)


def follow(recorder: Recorder) -> None:
    """Make `recorder` the current one in place of the one that `recording` was given: the case begins anew."""
    _current.set(recorder)
