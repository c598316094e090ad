"""The wire log of one case: a gzip file of JSON lines, in the order in which things crossed the wires.

The first line is a header, and each line after it an entry with its time `t`, seconds of bench time since the case
began. `w` is the wire. The kinds of entries:

- `c`: a call, [operation, argument ...], that the host made and waited for; `r` is what it returned (absent: nothing),
  or `e` the error, [class, text, extra]; `d` how long it took, s, negative
  when a saved state was restored. With `later` the answer follows in another entry.
- `re`: the answer to the call on that line (the first entry is line 1), with `r` or `e`.
- `o`: data that the host sent. `i`: data that came, or `e` when the wire broke; `at` is when it had come, where that
  is earlier than `t`; with `+` it came in the same turn of the event loop as the `i` before it; with `b` it came while
  the host was at work, so many turns after the entry before, counting those in which the loop had something to do.
- `m`: a mark without a wire: the host let time pass, which tells a replay how long the host itself had taken.
- `end`: the last line of a log that is whole. `cut` instead says that the log had reached its bound.
"""

from __future__ import annotations

import gzip
import json
import time
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from hil.errors import BenchError, InputError
from hil.replay.values import Decoder, Encoder

NAME = "wire.jsonl.gz"
VERSION = 1
SIZE_LIMIT = 256 << 20
"""Bytes of one log before compression. A recording ends there and says so; a longer log is refused."""
LINE_LIMIT = 8 << 20
FLUSH_S = 0.5
"""A run that is killed loses no more than what crossed in so many seconds of wall time, and in the call under way."""

Kind = Literal["call", "out", "in", "mark"]


@dataclass
class Entry:
    """One line of a log, see above. `number` counts from 1, `end` is when a call had its answer."""

    number: int
    kind: Kind
    time: float
    wire: str = ""
    end: float = 0.0
    operation: str = ""
    arguments: Any = None
    result: Any = None
    error: tuple[str, str, Any] | None = None
    deferred: bool = False
    answered: bool = True
    data: bytes = b""
    arrived: float = 0.0
    joined: bool = False
    busy_turns: int | None = None
    """It came while the host was at work, so many turns of the event loop after the entry before; None: while it
    waited.
    """


@dataclass(frozen=True)
class Log:
    """A whole log: the kind of bench (virtual, served, real) and the entries."""

    bench: str
    seed: int
    entries: list[Entry]


class LogWriter:
    """Writes a log. Times are seconds of bench time. Raises BenchError when the disk refuses."""

    def __init__(
        self,
        path: Path,
        *,
        bench: str,
        seed: int,
        limit: int = SIZE_LIMIT,
        turn: Callable[[], tuple[int, bool]] | None = None,
    ) -> None:
        """`turn` counts the turns of the event loop that had something to do at once, and tells whether the one under
        way is such a turn; None where what comes is only seen when the loop has nothing to do.
        """
        self._path = path
        self._encoder = Encoder()
        self._limit = limit
        self._turn = turn
        self._turns_before = 0
        self._written = 0
        self._flushed = time.monotonic()
        self.number = 0
        """How many entries there are."""
        self.cut = False
        self._file: gzip.GzipFile | None = None
        try:
            self._file = gzip.GzipFile(path, "wb", compresslevel=4)
        except OSError as error:
            raise BenchError(f"{path}: cannot be written: {error.strerror}") from None
        self._line({"hil-wire-log": VERSION, "bench": bench, "seed": seed})

    def call(
        self,
        wire: str,
        operation: str,
        arguments: tuple[Any, ...],
        began: float,
        ended: float,
        *,
        result: Any = None,
        error: tuple[str, str, Any] | None = None,
        later: bool = False,
    ) -> int:
        """A call with its answer; returns the number of the entry."""
        row: dict[str, Any] = {
            "t": round(began, 9),
            "w": wire,
            "c": [operation, *(self._encoder.encode(argument) for argument in arguments)],
        }
        if ended != began:
            row["d"] = round(ended - began, 9)
        if later:
            row["later"] = 1
        return self._entry(self._answer(row, result, error))

    def answer(
        self, wire: str, number: int, when: float, result: Any, error: tuple[str, str, Any] | None
    ) -> None:
        """The answer to a call that was written with `later`."""
        self._entry(self._answer({"t": round(when, 9), "w": wire, "re": number}, result, error))

    def sent(self, wire: str, when: float, data: bytes) -> None:
        """Data that the host sent."""
        self._entry({"t": round(when, 9), "w": wire, "o": self._encoder.encode(data)})

    def came(
        self, wire: str, when: float, data: bytes, *, at: float | None = None, joined: bool = False
    ) -> None:
        """Data that came."""
        row: dict[str, Any] = {"t": round(when, 9), "w": wire, "i": self._encoder.encode(data)}
        if at is not None and at < when:
            row["at"] = round(at, 9)
        if joined:
            row["+"] = 1
        elif self._turn is not None:
            turns, busy = self._turn()
            if busy:
                row["b"] = turns - self._turns_before
        self._entry(row)

    def broke(self, wire: str, when: float, error: tuple[str, str, Any]) -> None:
        """The wire broke where data was looked for."""
        self._entry({"t": round(when, 9), "w": wire, "i": None, "e": list(error)})

    def mark(self, name: str, when: float) -> None:
        """The host lets time pass."""
        self._entry({"t": round(when, 9), "m": name})

    def flush(self) -> None:
        """Bring to the disk what was written, if the last time is a while ago."""
        now = time.monotonic()
        if self._file is not None and now - self._flushed > FLUSH_S:
            self._flushed = now
            try:
                self._file.flush()
            except OSError as error:
                raise BenchError(f"{self._path}: cannot be written: {error.strerror}") from None

    def close(self) -> None:
        """Write the end; a second call does nothing."""
        if self._file is None:
            return
        if not self.cut:
            self._line({"end": self.number})
        file, self._file = self._file, None
        try:
            file.close()
        except OSError as error:
            raise BenchError(f"{self._path}: cannot be written: {error.strerror}") from None

    def _answer(self, row: dict[str, Any], result: Any, error: tuple[str, str, Any] | None) -> dict[str, Any]:
        if error is not None:
            row["e"] = list(error)
        elif result is not None:
            row["r"] = self._encoder.encode(result)
        return row

    def _entry(self, row: dict[str, Any]) -> int:
        if self._file is None or self.cut:
            return self.number
        self.number += 1
        if self._turn is not None:
            self._turns_before = self._turn()[0]
        self._line(row)
        if self._written > self._limit:
            self._line({"cut": self.number})
            self.cut = True
        self.flush()
        return self.number

    def _line(self, row: dict[str, Any]) -> None:
        assert self._file is not None
        line = json.dumps(row, separators=(",", ":")).encode("ascii") + b"\n"
        self._written += len(line)
        try:
            self._file.write(line)
        except OSError as error:
            raise BenchError(f"{self._path}: cannot be written: {error.strerror}") from None


def read(path: Path) -> Log:
    """Read a log. Raises InputError, one line, for one that is broken, cut off, too long, or of another version."""
    entries: list[Entry] = []
    header: dict[str, Any] | None = None
    decoder = Decoder()
    for number, row in enumerate(_rows(path)):
        where = f"{path}: line {number + 1}"
        if header is None:
            header = row
            if row.get("hil-wire-log") != VERSION:
                raise InputError(f"{where}: not a wire log of version {VERSION}")
            continue
        if "end" in row:
            if row["end"] != len(entries):
                raise InputError(f"{where}: the log has lost entries")
            bench, seed = header.get("bench"), header.get("seed")
            if bench not in ("virtual", "served", "real") or not isinstance(seed, int):
                raise InputError(f"{path}: the header does not say on which bench it was recorded")
            return Log(bench, seed, entries)
        if "cut" in row:
            raise InputError(
                f"{path}: the recording reached its bound of {SIZE_LIMIT >> 20} MiB and ended there"
            )
        try:
            entries.append(_entry(row, number, decoder, entries))
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    raise InputError(
        f"{path}: the recording was cut off after {len(entries)} entries, so it cannot be replayed"
    )


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    total = 0
    number = 0
    try:
        with gzip.open(path, "rb") as file:
            while True:
                try:
                    line = file.readline(LINE_LIMIT + 1)
                except EOFError:
                    return  # cut off by a kill: what there is tells how far it came
                if not line:
                    return
                number += 1
                total += len(line)
                if len(line) > LINE_LIMIT or total > SIZE_LIMIT + LINE_LIMIT:
                    raise InputError(f"{path}: longer than a recording can be")
                if not line.endswith(b"\n"):
                    return
                row = json.loads(line)
                if not isinstance(row, dict):
                    raise InputError(f"{path}: line {number}: not an entry")
                yield row
    except FileNotFoundError:
        raise InputError(f"{path}: no such wire log; `hil run --record` writes one for each case") from None
    except (ValueError, RecursionError):
        raise InputError(f"{path}: line {number}: not JSON") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read: {getattr(error, 'strerror', None) or error}") from None


def _entry(row: dict[str, Any], number: int, decoder: Decoder, before: list[Entry]) -> Entry:
    when = _number(row.get("t"))
    if "m" in row:
        return Entry(number, "mark", when, operation=str(row["m"])[:40])
    wire = row.get("w")
    if not isinstance(wire, str) or not wire:
        raise InputError("an entry names no wire")
    if "c" in row:
        call = row["c"]
        if not isinstance(call, list) or not call or not isinstance(call[0], str):
            raise InputError("a call names no operation")
        later = bool(row.get("later"))
        return Entry(
            number,
            "call",
            when,
            wire,
            end=max(0.0, when + _number(row.get("d", 0.0), least=-1e9)),
            operation=call[0],
            arguments=[decoder.decode(each) for each in call[1:]],
            result=decoder.decode(row.get("r")),
            error=_error(row.get("e")),
            deferred=later,
            answered=not later,
        )
    if "re" in row:
        asked = row["re"]
        if not isinstance(asked, int) or not 0 < asked <= len(before):
            raise InputError("an answer is to no call")
        call_entry = before[asked - 1]
        if call_entry.kind != "call" or call_entry.answered or call_entry.wire != wire:
            raise InputError("an answer is to no call that waits for one")
        call_entry.result, call_entry.error = decoder.decode(row.get("r")), _error(row.get("e"))
        call_entry.answered = True
        call_entry.arrived = when
        return Entry(number, "mark", when, operation="answer")
    if "o" in row:
        return Entry(number, "out", when, wire, data=_bytes(decoder.decode(row["o"])))
    if "i" in row:
        error = _error(row.get("e"))
        data = b"" if error is not None else _bytes(decoder.decode(row["i"]))
        arrived = _number(row.get("at", when))
        turns = row.get("b")
        if turns is not None and (isinstance(turns, bool) or not isinstance(turns, int) or turns < 0):
            raise InputError("an entry came in no turn of the event loop")
        return Entry(
            number,
            "in",
            when,
            wire,
            data=data,
            error=error,
            arrived=arrived,
            joined=bool(row.get("+")),
            busy_turns=turns,
        )
    raise InputError("not an entry")


def _number(value: Any, least: float = 0.0) -> float:
    if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value < 1e9:
        raise InputError("an entry has no time")
    return float(value)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise InputError("expected bytes")
    return value


def _error(value: Any) -> tuple[str, str, Any] | None:
    if value is None:
        return None
    if (
        not isinstance(value, list)
        or len(value) != 3
        or not isinstance(value[0], str)
        or not isinstance(value[1], str)
        or not isinstance(value[2], int | str | None)
    ):
        raise InputError("an error is not its class, text and code")
    return value[0], value[1], value[2]
