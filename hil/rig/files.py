"""Finds and reads rig files: by name among the bundled ones, or by path."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from hil import bundled, tomlfile
from hil.errors import InputError
from hil.rig.schema import RigFile

DEFAULT = "virtual"


def find(name_or_path: str) -> Path:
    """The path of a rig file, given the name of a bundled one or a path.

    Anything with a slash or the ending .toml is a path. Raises InputError when there is no such file.
    """
    return find_toml(name_or_path, bundled.rigs(), "rig")


def find_toml(name_or_path: str, folder: Path, kind: str) -> Path:
    """The TOML file of that path, or of that name in `folder`; `kind` is the word for it in the error."""
    given = Path(name_or_path)
    if given.suffix == ".toml" or len(given.parts) > 1:
        if not given.is_file():
            raise InputError(f"{given}: no such {kind} file")
        return given
    path = folder / f"{name_or_path}.toml"
    if not path.is_file():
        known = ", ".join(names(folder)) or "none"
        raise InputError(f'no {kind} called "{name_or_path}"; known: {known}; or give a path to a .toml file')
    return path


def names(folder: Path | None = None) -> list[str]:
    """The names of the bundled rigs, or of the TOML files in `folder`, sorted."""
    return sorted(path.stem for path in (folder or bundled.rigs()).glob("*.toml"))


def load(name_or_path: str = DEFAULT, *, check_paths: bool = True) -> RigFile:
    """Read and check a rig file, with what it includes and with environment variables filled in.

    `check_paths` says that the images it names must be there, as they must be for a run. Raises InputError with one
    line for each mistake.
    """
    path = find(name_or_path)
    document = tomlfile.compose(path, shelf=bundled.rigs())
    _make_paths_relative(document)
    rig = tomlfile.validate(document, RigFile)
    rig._folder = path.resolve().parent
    rig._files = tuple(layer.path for layer in document.layers)
    rig._written = {place: filled.written for place, filled in document.filled.items()}
    if check_paths:
        _check_paths(rig, document)
    return rig


def load_recorded(run: Path) -> RigFile:
    """The rig of an earlier run, as its folder has it, to be replayed from the wire logs there. Raises InputError."""
    path = run / "rig.json"
    try:
        rig = RigFile.model_validate_json(path.read_bytes())
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise InputError(
            f"{path}: not a rig that this version of hil knows: {where}: {first['msg']}"
        ) from None
    rig._replays = run
    return rig


def _named_files(data: Any) -> Iterator[tuple[tomlfile.Place, str]]:
    """Each path to a file of the user's that a rig file holds. What is no path is left to the schema."""
    supply = data.get("supply") if isinstance(data, dict) else None
    profile = supply.get("profile") if isinstance(supply, dict) else None
    if isinstance(profile, str) and profile.endswith(".toml"):
        yield ("supply", "profile"), profile
    device = data.get("device") if isinstance(data, dict) else None
    if not isinstance(device, dict):
        return
    for table, keys in (("images", ("payload", "key", "files")), ("install", ("files",))):
        held = device.get(table)
        for key in keys:
            value = held.get(key) if isinstance(held, dict) else None
            if isinstance(value, str):
                yield ("device", table, key), value
            for index, name in enumerate(value if isinstance(value, list) else []):
                if isinstance(name, str):
                    yield ("device", table, key, index), name


def _make_paths_relative(document: tomlfile.Document) -> None:
    """A path in an included file is relative to that file; the rig has one folder, so it is told from there."""
    for place, name in list(_named_files(document.data)):
        layer = document.layer_of(place)
        if layer is None or layer.path.parent == document.path.parent:
            continue
        try:
            name = os.path.relpath(layer.path.parent / name, document.path.parent)
        except ValueError:  # on another drive
            name = str(layer.path.parent.resolve() / name)
        holder: Any = document.data
        for part in place[:-1]:
            holder = holder[part]
        holder[place[-1]] = name


def _check_paths(rig: RigFile, document: tomlfile.Document) -> None:
    for place, name in _named_files(document.data):
        path = rig.path(name)
        if not path.is_file():
            told = document.filled[place].written if place in document.filled else name
            raise tomlfile.mistake(
                document,
                place,
                f'"{told}": no such file; paths are relative to the file that they are written in',
            )
