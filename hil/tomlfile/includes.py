"""Puts a file together with those that it includes.

    include = ["common/nrf52840dk.toml", "hil:common/ppk2.toml"]

Paths are relative to the file that they are written in; what begins with `hil:` comes with hil. Tables are merged key
by key. The including file counts more than what it includes, and a later include more than an earlier one. Lists are
replaced as a whole, lists of tables too.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from hil.errors import InputError
from hil.tomlfile import variables
from hil.tomlfile.document import Document, Layer
from hil.tomlfile.source import read
from hil.tomlfile.wording import dotted, one_line, shown

KEY = "include"
BUNDLED = "hil:"
MAX_DEPTH = 8
"""Files on a way from one that includes to one that is included, beside the first."""
MAX_FILES = 32


def compose(
    path: Path, *, shelf: Path | None = None, environment: Mapping[str, str] | None = None
) -> Document:
    """Read `path` and all that it includes, and fill in environment variables.

    `shelf` is the folder that `hil:` stands for. Raises InputError, naming both files, for an include that is missing,
    goes round in a circle, or leads too far; and for variables that are not set.
    """
    environment = os.environ if environment is None else environment
    reader = _Reader(shelf, environment)
    data = reader.file(path, ())
    if KEY in reader.layers[0].data:
        data[KEY] = reader.layers[0].data[KEY]  # of the file itself: those of the others have been followed
    full, filled, wrong = variables.fill(data, environment)
    document = Document(path, full, tuple(reader.layers), filled)
    if wrong:
        raise InputError("\n".join(document_line(document, place, text) for place, text in wrong.items()))
    return document


def document_line(document: Document, place: tuple[str | int, ...], text: str) -> str:
    """One line for a person: file, line, key, and what is wrong with it."""
    path, line = document.where(place)
    where = f"{path}:{line}" if line else f"{path}"
    key = dotted(place)
    return one_line(f"{where}: {key}: {text}" if key else f"{where}: {text}")


@dataclass
class _Reader:
    shelf: Path | None
    environment: Mapping[str, str]
    layers: list[Layer] = field(default_factory=list)

    def file(self, path: Path, above: tuple[Path, ...]) -> dict[str, Any]:
        """The data of a file with all that it includes. `above` are the files on the way here."""
        layer = read(path)
        self.layers.append(layer)  # before those that it includes: it counts more
        merged: dict[str, Any] = {}
        parts = [
            self._include(layer, index, name, above)
            for index, name in reversed(list(enumerate(_names(layer))))
        ]
        for part in reversed(parts):
            _merge(merged, part)
        _merge(merged, {key: value for key, value in layer.data.items() if key != KEY})
        return merged

    def _include(self, layer: Layer, index: int, name: str, above: tuple[Path, ...]) -> dict[str, Any]:
        place = (KEY, index)
        try:
            filled = variables.expand(name, self.environment)
        except variables.Unfilled as error:
            raise _wrong(layer, place, str(error)) from None
        path = self._path(layer, place, filled.value if filled is not None else name)
        way = (*above, layer.path)
        if not path.is_file():
            raise _wrong(layer, place, f"{shown(name)}: no such file: {path}")
        if any(path.samefile(former) for former in way):
            circle = " -> ".join(str(each) for each in (*way, path))
            raise _wrong(layer, place, f"{shown(name)}: files include each other: {circle}")
        if len(way) > MAX_DEPTH:
            raise _wrong(
                layer,
                place,
                f"{shown(name)}: expected at most {MAX_DEPTH} includes inside each other: {path}",
            )
        if len(self.layers) >= MAX_FILES:
            raise _wrong(layer, place, f"{shown(name)}: expected at most {MAX_FILES} files in all: {path}")
        return self.file(path, way)

    def _path(self, layer: Layer, place: tuple[str | int, ...], name: str) -> Path:
        if name.startswith(BUNDLED) and self.shelf is not None:
            inner = Path(name.removeprefix(BUNDLED))
            if inner.is_absolute() or ".." in inner.parts:
                raise _wrong(
                    layer, place, f"{shown(name)}: expected a file that comes with hil after {BUNDLED}"
                )
            return self.shelf / inner
        if "\0" in name:
            raise _wrong(layer, place, f"{shown(name)}: not the name of a file")
        path = layer.path.parent / name
        plain = Path(os.path.normpath(path))
        # Without `..` where that is the same file, for people; it is not where a folder on the way is a link.
        return plain if plain.resolve() == path.resolve() else path


def _names(layer: Layer) -> list[str]:
    names = layer.data.get(KEY, [])
    if not isinstance(names, list):
        raise _wrong(layer, (KEY,), f"expected a list of files, got {shown(names)}")
    for index, name in enumerate(names):
        if not isinstance(name, str) or not name:
            raise _wrong(layer, (KEY, index), f"expected the path of a file, got {shown(name)}")
    return names


def _wrong(layer: Layer, place: tuple[str | int, ...], text: str) -> InputError:
    return InputError(document_line(Document(layer.path, layer.data, (layer,)), place, text))


def _merge(below: dict[str, Any], above: dict[str, Any]) -> None:
    """Put `above` over `below`, table by table. Neither shares a table with the other afterwards."""
    for key, value in above.items():
        former = below.get(key)
        if isinstance(value, dict):
            if not isinstance(former, dict):
                former = below[key] = {}
            _merge(former, value)
        else:
            below[key] = value
