"""Finds what comes with hil (firmware sources, rig files, test plans), in a checkout and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

_PACKAGE = Path(__file__).resolve().parent


def checkout() -> Path | None:
    """The root of the checkout that hil runs from, or None when it runs from a wheel."""
    root = _PACKAGE.parent
    return root if (root / "pyproject.toml").is_file() and (root / "firmware").is_dir() else None


def _folder(name: str) -> Path:
    root = checkout()
    return root / name if root is not None else _PACKAGE / "_bundled" / name


def firmware() -> Path:
    """Sources of the bundled bootloader and application."""
    return _folder("firmware")


def rigs() -> Path:
    """Rig files that can be given by name."""
    return _folder("rigs")


def testplans() -> Path:
    """The bundled cases and plans."""
    return _folder("testplans")


def reports() -> Path:
    """Where run folders go unless `--out` says otherwise: the checkout's reports/, else ./hil-reports."""
    root = checkout()
    return root / "reports" if root is not None else Path.cwd() / "hil-reports"
