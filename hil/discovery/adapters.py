"""Bluetooth adapters that belong to the operating system."""

from __future__ import annotations

import sys
from pathlib import Path

from hil.discovery.found import Found

LINUX = Path("/sys/class/bluetooth")


def find() -> list[Found]:
    """On Linux those that the kernel knows; on Windows and macOS the one, which cannot be asked for without asking
    the user for rights.
    """
    if sys.platform == "linux":
        return found_in(LINUX)
    if sys.platform in ("win32", "darwin"):
        return [Found("adapter", "", "the system's Bluetooth adapter, if it has one")]
    return []


def found_in(folder: Path) -> list[Found]:
    """The adapters that have an entry in the folder: hci0 and so on. A link hci0:256 is a connection of hci0."""
    names = sorted(path.name for path in folder.iterdir() if ":" not in path.name) if folder.is_dir() else []
    return [Found("adapter", name, f"{name}, the system's adapter (BlueZ)") for name in names]
