"""A place of a laboratory for the time of one run: reserve, lock, use, give back.

Which bench and when is labgrid's business, which runs a queue; how a bench is left is the run's. What is here makes
sure that both end: by every way out that a program notices, the place is released and the reservation cancelled; by
those it does not notice, the journal lets the next run of this computer do it.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import re
import signal
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

from hil.errors import BenchError, HilError, InputError
from hil.lab import journal as journals
from hil.lab.client import LabClient, Refused
from hil.lab.journal import Held, Journal
from hil.lab.resources import Tables, tables
from hil.rig import files
from hil.rig.schema import RigFile

POLL_S = 0.5
"""Between two looks at the queue; looking is what keeps a reservation alive, which ends after 60 s without."""
TELL_EVERY_S = 15.0
OFFLINE_ATTEMPTS = 6
BACKOFF_S = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Waits after an attempt at a bench whose exporter is away, where there is no other bench to try."""

_COORDINATOR = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,251}[A-Za-z0-9])?:[0-9]{1,5}", re.ASCII)
_MATCH = re.compile(r"([A-Za-z0-9_.-]{1,64})=([A-Za-z0-9_.-]{1,64})", re.ASCII)


@dataclass(frozen=True)
class LabWanted:
    """Which laboratory, which tags a place must have, and how long to wait for one, s."""

    coordinator: str
    match: tuple[str, ...]
    timeout_s: float

    def filter(self) -> dict[str, str]:
        """The tags. Raises InputError for what is no host and port, or no tag."""
        if not _COORDINATOR.fullmatch(self.coordinator):
            raise InputError(f'--lab "{self.coordinator}": expected HOST:PORT, e.g. lab.example:20408')
        found: dict[str, str] = {}
        for each in self.match:
            parts = _MATCH.fullmatch(each)
            if parts is None:
                raise InputError(f'--match "{each}": expected KEY=VALUE, e.g. board=nrf52840dk')
            if found.setdefault(parts[1], parts[2]) != parts[2]:
                raise InputError(f"--match {parts[1]}: given twice")
        if not found:
            raise InputError("--lab needs --match KEY=VALUE, e.g. --match board=nrf52840dk")
        return found


@dataclass(frozen=True)
class Reserved:
    """A place that is held: its rig file, and which laboratory's it is."""

    rig: Path
    coordinator: str
    place: str
    match: tuple[str, ...]
    owner: str
    """HOST/USER that the coordinator knows the run by."""

    def record(self) -> dict[str, Any]:
        """What the record of the run says of it. The rig file is not there any more when that is read."""
        return {
            "coordinator": self.coordinator,
            "place": self.place,
            "match": list(self.match),
            "owner": self.owner,
        }


@contextlib.contextmanager
def reserved(wanted: LabWanted, base: str, stream: TextIO = sys.stderr) -> Iterator[Reserved]:
    """Hold a place of the laboratory, and yield it with its rig file: `base` with the addresses of the place.

    `base` is the name or path of the rig file that says what the device is. Progress goes to `stream`. Raises
    InputError when no place has the tags or labgrid is not installed, BenchError when none comes free in
    time or what the laboratory says of it is wrong.
    """
    match = wanted.filter()
    if sys.platform == "win32":
        raise InputError("--lab needs Linux or macOS: its journal is kept by locks that Windows has not")
    rig = files.load(base)
    if rig.bench == "virtual":
        raise InputError(
            f'--lab: rig {rig.name} is a virtual bench; name by --rig a rig file with bench = "real" or "served"'
        )
    journal, held = Journal.new(wanted.coordinator)
    try:
        client = LabClient(wanted.coordinator, held.host, held.user)
    except BaseException:
        journal.forget()  # nothing was reserved yet
        raise
    with client:
        holding = _Holding(client, journal, held, wanted, match, stream)
        try:
            _reap(client, wanted.coordinator, stream)
            place, resources = holding.take()
            with tempfile.TemporaryDirectory(prefix="hil-lab-") as folder:
                path = _rig_file(Path(folder), base, rig, place, resources, stream)
                yield Reserved(path, wanted.coordinator, place, wanted.match, held.owner)
        finally:
            with _undisturbed():
                holding.give_back()


class _Holding:
    """What this run has in the laboratory; in the journal before it is relied on."""

    def __init__(
        self,
        client: LabClient,
        journal: Journal,
        held: Held,
        wanted: LabWanted,
        match: dict[str, str],
        stream: TextIO,
    ) -> None:
        self._client = client
        self._journal = journal
        self._held = held
        self._wanted = wanted
        self._match = match
        self._stream = stream
        self._until = time.monotonic() + wanted.timeout_s

    def take(self) -> tuple[str, list[Mapping[str, Any]]]:
        """Wait for a place whose instruments are all there, and lock it. Returns its name and its resources."""
        places = self._places()
        if not places:
            tags = " ".join(f"{key}={value}" for key, value in self._match.items())
            raise InputError(
                f"lab {self._wanted.coordinator}: no place has the tags {tags}; "
                "`labgrid-client places` and `show` tell what there is"
            )
        offline: dict[str, str] = {}
        for attempt in range(OFFLINE_ATTEMPTS):
            others = [name for name in places if name not in offline]
            place = self._wait_for({**self._match, "name": others[0]} if offline and others else self._match)
            self._note(place=place)
            try:
                resources = self._client.ask("acquire", place=place)["resources"]
            except Refused as refused:
                if refused.kind != "offline":
                    raise
                offline[place] = str(refused)
                self._say(f"place {place} is offline: {refused}")
                self._drop()
                if not any(name not in offline for name in places):
                    pause = BACKOFF_S[min(attempt, len(BACKOFF_S) - 1)]
                    if attempt == OFFLINE_ATTEMPTS - 1 or time.monotonic() + pause > self._until:
                        break
                    time.sleep(pause)
                    offline.clear()
                continue
            self._say(f"has place {place} as {self._held.owner}")
            return place, list(resources) if isinstance(resources, list) else []
        told = "; ".join(f"{name}: {text}" for name, text in offline.items())
        raise BenchError(
            f"lab {self._wanted.coordinator}: every place that matches is offline ({told}); "
            "is its labgrid-exporter running?"
        )

    def give_back(self) -> None:
        """Release and cancel. What cannot be is left to the next run, and told; it is no fault of this one."""
        try:
            self._drop()
            self._journal.forget()
        except HilError as error:
            self._journal.close()
            self._say(
                f"place {self._held.place} was not given back ({error}); the next run from here does it"
            )

    def _drop(self) -> None:
        if self._held.place is not None:
            self._client.ask("release", place=self._held.place, user=self._held.owner)
        if self._held.token is not None:
            self._client.ask("cancel", token=self._held.token)
        else:
            _cancel_all(self._client, self._held)  # a signal may have come between the request and its answer
        self._note(token=None, place=None)

    def _wait_for(self, match: dict[str, str]) -> str:
        answer = self._client.ask("reserve", match=match)
        self._note(token=str(answer["token"]))
        told = time.monotonic() - TELL_EVERY_S + 2.0
        while True:
            state, place = answer.get("state"), answer.get("place")
            if state in ("allocated", "acquired") and isinstance(place, str):
                return place
            if state not in ("waiting", "allocated"):
                raise BenchError(f"lab {self._wanted.coordinator}: the reservation is {state}; try again")
            if time.monotonic() > self._until:
                raise BenchError(
                    f"lab {self._wanted.coordinator}: no place came free in {self._wanted.timeout_s:g} s"
                    f" (--lab-timeout); {self._queue()}"
                )
            if time.monotonic() - told >= TELL_EVERY_S:
                told = time.monotonic()
                self._say(f"waits, {self._queue()}")
            time.sleep(POLL_S)
            answer = self._client.ask("poll", token=self._held.token)

    def _places(self) -> dict[str, Mapping[str, Any]]:
        found = {}
        for place in self._client.ask("places")["places"]:
            tags = {**place["tags"], "name": place["name"]}
            if all(tags.get(key) == value for key, value in self._match.items()):
                found[str(place["name"])] = place
        return dict(sorted(found.items()))

    def _queue(self) -> str:
        """Who has what we want, and how many wait before us."""
        holders = ", ".join(
            f"{name} is held by {place['holder']}" if place["holder"] else f"{name} is free or reserved"
            for name, place in self._places().items()
        )
        waiting = [each for each in self._client.ask("queue")["reservations"] if each["state"] == "waiting"]
        tokens = [each["token"] for each in waiting]
        before = tokens.index(self._held.token) if self._held.token in tokens else 0
        return f"{before} before it in the lab's queue; {holders}"

    def _note(self, **changes: Any) -> None:
        self._held = dataclasses.replace(self._held, **changes)
        self._journal.write(self._held)

    def _say(self, text: str) -> None:
        print(f"hil: lab {self._wanted.coordinator}: {text}", file=self._stream, flush=True)


def _reap(client: LabClient, coordinator: str, stream: TextIO) -> None:
    """Give back what runs of this computer had that were killed."""
    for journal, held in journals.dead(coordinator):
        try:
            for place in client.ask("places")["places"]:
                if place["holder"] == held.owner:
                    client.ask("release", place=place["name"], user=held.owner)
                    print(
                        f"hil: lab {coordinator}: released {place['name']}, which a run that was killed had"
                        f" ({held.owner})",
                        file=stream,
                        flush=True,
                    )
            _cancel_all(client, held)
            journal.forget()
        finally:
            journal.close()


def _cancel_all(client: LabClient, held: Held) -> None:
    for each in client.ask("queue")["reservations"]:
        if each["owner"] == held.owner:
            client.ask("cancel", token=each["token"])


def _rig_file(
    folder: Path,
    base: str,
    rig: RigFile,
    place: str,
    resources: list[Mapping[str, Any]],
    stream: TextIO,
) -> Path:
    """Write the rig file of this run: it includes the base one, and says where the instruments are."""
    limits: Tables = {
        name: table.model_dump()
        for name in ("probe", "supply", "console", "central", "spare")
        if (table := getattr(rig, name)) is not None
    }
    found, ignored = tables(place, resources, limits)
    for each in ignored:
        print(f"hil: lab place {place}: resource {each} is not used", file=stream, flush=True)
    missing = sorted(set(limits) - set(found))
    if missing:
        named = ", ".join(f"[{name}]" for name in missing)
        print(
            f"hil: lab place {place}: has nothing for {named}, which stay as in {base}",
            file=stream,
            flush=True,
        )
    text = f"include = [{json.dumps(str(files.find(base).resolve()))}]\n"
    for name, keys in found.items():
        text += f"\n[{name}]\n" + "".join(f"{key} = {json.dumps(value)}\n" for key, value in keys.items())
    path = folder / "rig.toml"
    path.write_text(text, encoding="utf-8")
    try:
        files.load(str(path))
    except InputError as error:
        raise BenchError(
            f"lab place {place}: its resources do not fit the rig file {base}: {error}"
        ) from None
    return path


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """Without Ctrl-C and SIGTERM, which have had their say; each wait in here has an end."""
    try:
        kept = {number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not the main thread, which signals do not come to
        yield
        return
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)
