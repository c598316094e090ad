"""On which line each key of a TOML text is written: tomllib keeps no lines.

The scanner is for texts that tomllib has taken. It knows the shape of the language and no more: where keys, strings,
lists and tables begin and end (TOML 1.0.0, https://toml.io/en/v1.0.0).
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_right

Place = tuple[str | int, ...]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SPACE = re.compile(r"[ \t]*")
_BLANK = re.compile(r"(?:[ \t\n]|#[^\n]*)*")
_SCALAR = re.compile(r"[^,\]}\n#]*")
# Each alternative begins with another character and takes it, so the time is in proportion to the text.
_BASIC = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_LITERAL = re.compile(r"'[^'\n]*'")
_LONG_BASIC = re.compile(r'"""(?:[^"\\]|\\[\s\S]|"(?!""))*"{3,5}')
_LONG_LITERAL = re.compile(r"'''(?:[^']|'(?!''))*'{3,5}")


class Twice(Exception):
    """A key is written a second time."""

    def __init__(self, place: Place, first: int, second: int) -> None:
        super().__init__(place)
        self.place, self.first, self.second = place, first, second


def lines(text: str) -> dict[Place, int]:
    """The line, from 1, of each key, table and entry of a list. `text` is TOML that tomllib takes."""
    return _Scanner(text).scan()


def repeated(text: str) -> Twice | None:
    """The first key that is written twice in a text that tomllib does not take, if that is what is wrong with it."""
    try:
        _Scanner(text, once=True).scan()
    except Twice as twice:
        return twice
    except _Lost:
        return None
    return None


class _Lost(Exception):
    """The text is no TOML here."""


class _Scanner:
    def __init__(self, text: str, *, once: bool = False) -> None:
        self._text = text.replace("\r\n", "\n")
        self._at = 0
        self._ends = [found.start() for found in re.finditer("\n", self._text)]
        self._found: dict[Place, int] = {}
        self._entries: dict[Place, int] = {}
        self._once = once
        self._written: set[Place] = set()

    def scan(self) -> dict[Place, int]:
        table: Place = ()
        while True:
            self._skip(_BLANK)
            if self._at >= len(self._text):
                return self._found
            if self._text.startswith("[", self._at):
                table = self._header()
            else:
                self._pair(table)

    # ---- Statements ----

    def _header(self) -> Place:
        line = self._line()
        several = self._text.startswith("[[", self._at)
        self._at += 2 if several else 1
        keys = self._keys()
        self._expect("]]" if several else "]")
        place: Place = ()
        for index, key in enumerate(keys):
            place += (key,)
            last = index == len(keys) - 1
            if last and several:
                self._entries[place] = self._entries.get(place, -1) + 1
                self._found.setdefault(place, line)
            elif last:
                self._once_only(place, line)
                self._found[place] = line  # also when a table below it was there before
                return place
            else:
                self._found.setdefault(place, line)
            if place in self._entries:
                place += (self._entries[place],)
                self._found.setdefault(place, line)
        return place

    def _pair(self, table: Place) -> None:
        line = self._line()
        place = table
        keys = self._keys()
        for key in keys[:-1]:
            place += (key,)
            self._found.setdefault(place, line)
        place += (keys[-1],)
        self._once_only(place, line)
        self._found[place] = line
        self._expect("=")
        self._skip(_SPACE)
        self._value(place)

    def _once_only(self, place: Place, line: int) -> None:
        if self._once and place in self._written:
            raise Twice(place, self._found[place], line)
        self._written.add(place)

    def _keys(self) -> list[str]:
        keys = [self._key()]
        while True:
            self._skip(_SPACE)
            if not self._text.startswith(".", self._at):
                return keys
            self._at += 1
            keys.append(self._key())

    def _key(self) -> str:
        self._skip(_SPACE)
        for pattern in (_BARE, _BASIC, _LITERAL):
            found = pattern.match(self._text, self._at)
            if found is not None:
                self._at = found.end()
                return found[0] if pattern is _BARE else _unquoted(found[0])
        raise _Lost

    # ---- Values ----

    def _value(self, place: Place) -> None:
        for mark, pattern in (
            ('"""', _LONG_BASIC),
            ("'''", _LONG_LITERAL),
            ('"', _BASIC),
            ("'", _LITERAL),
        ):
            if self._text.startswith(mark, self._at):
                found = pattern.match(self._text, self._at)
                if found is None:
                    raise _Lost
                self._at = found.end()
                return
        if self._text.startswith("[", self._at):
            self._list(place)
        elif self._text.startswith("{", self._at):
            self._inline_table(place)
        else:
            self._skip(_SCALAR)

    def _list(self, place: Place) -> None:
        self._at += 1
        index = 0
        while True:
            self._skip(_BLANK)
            if self._text.startswith("]", self._at):
                self._at += 1
                return
            self._found[(*place, index)] = self._line()
            self._value((*place, index))
            index += 1
            self._skip(_BLANK)
            if not self._text.startswith("]", self._at):
                self._expect(",")

    def _inline_table(self, place: Place) -> None:
        self._at += 1
        while True:
            self._skip(_SPACE)
            if self._text.startswith("}", self._at):
                self._at += 1
                return
            self._pair(place)
            self._skip(_SPACE)
            if not self._text.startswith("}", self._at):
                self._expect(",")

    # ---- Characters ----

    def _skip(self, pattern: re.Pattern[str]) -> None:
        found = pattern.match(self._text, self._at)
        assert found is not None  # each of these patterns takes nothing too
        self._at = found.end()

    def _expect(self, mark: str) -> None:
        self._skip(_SPACE)
        if not self._text.startswith(mark, self._at):
            raise _Lost
        self._at += len(mark)

    def _line(self) -> int:
        return bisect_right(self._ends, self._at - 1) + 1


def _unquoted(quoted: str) -> str:
    try:
        text = tomllib.loads(f"key = {quoted}")["key"]
    except ValueError:
        raise _Lost from None
    return str(text)
