"""A bench made of the wire logs of an earlier run: each case meets what it met then, with no hardware at all."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import json
from collections.abc import Coroutine
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from hil.errors import BenchError
from hil.replay.log import NAME, Log, read
from hil.replay.loop import ReplayLoop
from hil.replay.play import Played
from hil.replay.player import Player, bench_time
from hil.rig.faults import Faults, FlashOperation
from hil.rig.recorded import BENCH, CALLS, FAULTS, VALUES
from hil.wire import DIRECT, Wires

T = TypeVar("T")

OUTCOME = "replay.json"
"""In the folder of each case: whether the replay was identical, and if not, where it differs first."""


class ReplayBench:
    """The wires of the run in the folder `run`, case by case; a case is found by the name of its folder."""

    def __init__(self, run: Path) -> None:
        self._run = run
        self._folder: Path | None = None
        self._player: Player | None = None
        self._log: Log | None = None
        self._loop: ReplayLoop | None = None
        self._patched = contextlib.ExitStack()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        return self._running_loop()

    @property
    def wires(self) -> Wires:
        return Played(self._player) if self._player is not None else DIRECT

    @property
    def faults(self) -> Faults | None:
        if self._player is None or self._log is None or self._log.bench != "virtual":
            return None
        return PlayedFaults(self._player)

    def begin(self, seed: int, folder: Path | None = None) -> None:
        self.end()
        if folder is None:
            raise BenchError("a case can only be replayed into a run folder")
        log = read(self._run / "cases" / folder.name / NAME)
        if log.seed != seed:
            raise BenchError(f"{self._run}: this case was recorded with seed {log.seed}, not {seed}")
        self._folder, self._log = folder, log
        self._player = Player(log)
        self._loop = ReplayLoop(self._player)
        import hil.probe.pyocd  # noqa: F401  # before its clocks are put on the recording's

        self._patched.enter_context(bench_time(self._player))

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        try:
            loop = self._running_loop()
            self._player_now().mark()
        except BaseException:
            main.close()
            raise
        return loop.run(main)

    def seconds(self) -> float:
        return self._player.clock if self._player is not None else 0.0

    def sleep(self, seconds: float) -> None:
        self.run(asyncio.sleep(seconds))  # what waits in the loop goes on meanwhile

    def notes(self) -> dict[str, Any]:
        notes = self._player_now().call(BENCH, "notes")
        return notes if isinstance(notes, dict) else {}

    def end(self) -> None:
        player, self._player = self._player, None
        loop, self._loop = self._loop, None
        folder, self._folder = self._folder, None
        self._log = None
        if player is None:
            return
        self._patched.close()
        try:
            if loop is not None:
                loop.close()
            player.finish()
        finally:
            if folder is not None:
                _write(folder / OUTCOME, player)

    def _running_loop(self) -> ReplayLoop:
        if self._loop is None:
            raise BenchError("the bench was used outside of a case")
        return self._loop

    def _player_now(self) -> Player:
        if self._player is None:
            raise BenchError("the bench was used outside of a case")
        return self._player


class PlayedFaults:
    """`rig.faults` as the log has it."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def __getattr__(self, name: str) -> Any:
        if name in VALUES:
            value = self._player.call(FAULTS, f"get {name}")
            if name == "last_flash_operation" and value is not None:
                return FlashOperation(*value)
            return [FlashOperation(*each) for each in value] if name == "flash_erases" else value
        if name in CALLS:
            return partial(self._call, name)
        raise AttributeError(name)

    def _call(self, name: str, *arguments: Any, **named: Any) -> Any:
        given = (
            []
            if name == "restore"
            else [*arguments, *([each, value] for each, value in sorted(named.items()))]
        )
        return self._player.call(FAULTS, name, *given)


def _write(path: Path, player: Player) -> None:
    difference = player.difference
    told: dict[str, Any] = {"replay": "identical" if difference is None else "differs"}
    if difference is not None:
        told["difference"] = dataclasses.asdict(difference)
    try:
        path.write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
    except OSError as error:
        raise BenchError(f"{path}: cannot be written: {error.strerror}") from None
