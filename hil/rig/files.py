"""Finds and reads rig files: by name among the bundled ones, or by path."""

from __future__ import annotations

from pathlib import Path

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


def load(name_or_path: str = DEFAULT) -> RigFile:
    """Read and check a rig file. Raises InputError with one line for each mistake."""
    path = find(name_or_path)
    rig = tomlfile.load(path, RigFile)
    rig._folder = path.resolve().parent
    _check_paths(rig, path)
    return rig


def _check_paths(rig: RigFile, where: Path) -> None:
    images, install = rig.device.images, rig.device.install
    named = [("device.install.files", name) for name in install.files] if install is not None else []
    if images is not None:
        named += [("device.images.files", name) for name in images.files]
        named += [
            (f"device.images.{key}", name)
            for key, name in (("payload", images.payload), ("key", images.key))
            if name is not None
        ]
    for key, name in named:
        if not rig.path(name).is_file():
            raise InputError(f'{where}: {key}: "{name}": no such file; paths are relative to the rig file')
    if rig.device.firmware == "bundled" and (images is not None or install is not None):
        raise InputError(f'{where}: device.images and device.install are for firmware = "none"')
