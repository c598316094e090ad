"""The manifest of a bundle: every file by size and SHA-256, and what the bundle stands for."""

from __future__ import annotations

import hashlib
import json
import os
from pathlib import Path
from typing import Any

from hil.errors import InputError

MANIFEST = "manifest.json"
ENVELOPE = "manifest.dsse.json"
ANCHOR = "anchor"
"""Folder of what is about the envelope, and so cannot be in it: a time-stamp token."""
SCHEMA = 1
STATEMENT = (
    "Evidence towards the requirements named in requirements.json. It does not state that a product meets them, "
    "and results of a virtual bench say nothing about hardware."
)

Row = dict[str, Any]


def digest(path: Path) -> str:
    """SHA-256 of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(1 << 20):
            found.update(piece)
    return found.hexdigest()


def listed(bundle: Path) -> dict[str, Row]:
    """Every file of a bundle that the manifest has to name, by its path with slashes.

    Raises InputError for a link or anything else that is no plain file: what it leads to could change unseen.
    """
    found: dict[str, Row] = {}
    for folder, names, files in os.walk(bundle):
        here = Path(folder)
        for name in names:
            if (here / name).is_symlink():
                raise InputError(f"{here / name}: is a link; a bundle has plain files and folders only")
        for name in files:
            path = here / name
            relative = path.relative_to(bundle).as_posix()
            if path.is_symlink() or not path.is_file():
                raise InputError(f"{path}: is no plain file; a bundle has plain files and folders only")
            if relative in (MANIFEST, ENVELOPE) or relative.startswith(f"{ANCHOR}/"):
                continue
            found[relative] = {"size": path.stat().st_size, "sha256": digest(path)}
    return dict(sorted(found.items()))


def encoded(manifest: Row) -> bytes:
    """The manifest's file; the same content always gives the same bytes."""
    return (json.dumps(manifest, indent=2, sort_keys=True) + "\n").encode()
