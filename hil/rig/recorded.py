"""A bench that keeps a record of what crosses its wires, one log a case, so that the case can be replayed."""

from __future__ import annotations

import asyncio
import dataclasses
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hil.replay.log import NAME, LogWriter
from hil.replay.record import Recorder
from hil.rig.bench import Bench
from hil.rig.faults import Faults, FlashOperation
from hil.wire import DIRECT, Wires

T = TypeVar("T")

FAULTS = "faults"
"""The wire of `rig.faults`: calls that no instrument carries."""
BENCH = "bench"
"""The wire of what the bench itself tells."""
VALUES = ("flash_operations", "last_flash_operation", "flash_erases", "flash_wear", "cut_happened")
CALLS = (
    "cut_power_at_flash_operation",
    "cancel",
    "restore_power",
    "set_packet_loss",
    "set_supply_resistance",
    "save",
    "restore",
)


class RecordedBench:
    """Another bench, with a record of its wires. `kind` is what the rig file calls the bench."""

    def __init__(self, bench: Bench, kind: str) -> None:
        self._bench = bench
        self._kind = kind
        self._recorder: Recorder | None = None

    @property
    def hardware(self) -> Any:
        """That of a virtual bench."""
        return getattr(self._bench, "hardware", None)

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._bench.loop

    @property
    def wires(self) -> Wires:
        return self._recorder or DIRECT

    @property
    def faults(self) -> Faults | None:
        faults = self._bench.faults
        if faults is None or self._recorder is None:
            return faults
        return RecordedFaults(self._recorder, faults)

    def begin(self, seed: int, folder: Path | None = None) -> None:
        self._bench.begin(seed, folder)
        if folder is not None:
            log = LogWriter(
                folder / NAME, bench=self._kind, seed=seed, turn=getattr(self._bench, "turn", None)
            )
            self._recorder = Recorder(log, self._bench.seconds)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        self._mark("run")
        return self._bench.run(main)

    def seconds(self) -> float:
        return self._bench.seconds()

    def sleep(self, seconds: float) -> None:
        self._mark("sleep")
        self._bench.sleep(seconds)

    def notes(self) -> dict[str, Any]:
        if self._recorder is None:
            return self._bench.notes()
        notes: dict[str, Any] = self._recorder.call(BENCH, "notes", [], self._bench.notes, lambda told: told)
        return notes

    def end(self) -> None:
        recorder, self._recorder = self._recorder, None
        try:
            if recorder is not None:
                recorder.log.close()
        finally:
            self._bench.end()

    def _mark(self, name: str) -> None:
        if self._recorder is not None:
            self._recorder.log.mark(name, self._recorder.clock())


class RecordedFaults:
    """`rig.faults` with a record of each look and each call."""

    def __init__(self, recorder: Recorder, faults: Faults) -> None:
        self._recorder = recorder
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        if name in VALUES:
            return self._recorder.call(FAULTS, f"get {name}", [], lambda: getattr(self._faults, name), _kept)
        if name in CALLS:
            return partial(self._call, name)
        raise AttributeError(name)

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        # A saved state of the whole bench stays here; the log only knows that it was saved.
        given = (
            []
            if name == "restore"
            else [*arguments, *([each, value] for each, value in sorted(named.items()))]
        )
        make = partial(getattr(self._faults, name), *arguments, **named)
        return self._recorder.call(FAULTS, name, given, make, lambda _: None)


def _kept(value: Any) -> Any:
    if isinstance(value, FlashOperation):
        return list(dataclasses.astuple(value))
    if isinstance(value, list):
        return [_kept(each) for each in value]
    return value
