"""What was read: the data, and for each key where it is written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from hil.tomlfile import positions

Place = tuple[str | int, ...]
"""The way to a value: names of keys, and numbers of entries of a list."""


@dataclass(frozen=True)
class Layer:
    """One file as it is written."""

    path: Path
    text: str
    data: dict[str, Any]

    @cached_property
    def lines(self) -> Mapping[Place, int]:
        """The line of each key, of each table and of each entry of a list. Only a mistake asks for them."""
        return positions.lines(self.text)


@dataclass(frozen=True)
class Filled:
    """A text that environment variables were filled into."""

    written: str
    value: str
    whole: bool
    """Whether the text is one variable and nothing else: then it may become a number, if the key is one."""


@dataclass(frozen=True)
class Document:
    """A file with all that it includes, put together.

    `layers` are the files, the one that counts most first. `filled` are the texts that variables were filled into.
    """

    path: Path
    data: dict[str, Any]
    layers: tuple[Layer, ...]
    filled: dict[Place, Filled] = field(default_factory=dict)

    def where(self, place: Place) -> tuple[Path, int | None]:
        """The file and the line in which the key at `place` is written, or else the table that it would be in."""
        best: tuple[Path, int | None] = (self.path, None)
        deepest = 0
        for layer in self.layers:
            depth, ended = _reached(layer.data, place)
            if depth > deepest:
                best, deepest = (layer.path, layer.lines.get(place[:depth])), depth
            if ended:
                # This file has it all, or a list or a value where another file may have had more: it counts.
                break
        return best

    def layer_of(self, place: Place) -> Layer | None:
        """The file that the value at `place` comes from, if it is written in one."""
        for layer in self.layers:
            depth, ended = _reached(layer.data, place)
            if depth == len(place):
                return layer
            if ended:
                return None
        return None


def _reached(data: Any, place: Place) -> tuple[int, bool]:
    """How far along `place` these data go, and whether what they have there replaces what other files say."""
    for depth, part in enumerate(place):
        if isinstance(data, dict):
            if part not in data:
                return depth, False
            data = data[part]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            return depth, True
    return len(place), True
