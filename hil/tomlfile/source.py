"""Reads one TOML file, which may be anything: too big, no text, nested without end, or no file at all."""

from __future__ import annotations

import re
import stat
import tomllib
from pathlib import Path
from typing import Any

from hil.errors import InputError
from hil.tomlfile import positions
from hil.tomlfile.document import Layer
from hil.tomlfile.wording import dotted, one_line

# A rig file or a plan is a page or two of text: anything far beyond that is another file given by mistake.
MAX_BYTES = 1_000_000
MAX_LINE = 4_000
"""Characters."""
MAX_DEPTH = 32
"""Tables and lists inside each other."""

# tomllib takes time with the square of the number of parts of a dotted key, so a key of thousands must not reach it.
_PART = r"""(?:(?<![A-Za-z0-9_-])[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_LONG_KEY = re.compile(rf"(?:{_PART}[ \t]*\.[ \t]*){{{MAX_DEPTH + 1}}}")


def read(path: Path) -> Layer:
    """Read a file. Raises InputError when it is not there, is no text, is too much, or is no TOML."""
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_syntax(path, text, str(error))) from None
    except ValueError as error:  # of an integer with thousands of digits
        raise InputError(one_line(f"{path}: not valid TOML: {error}")) from None
    except RecursionError:
        raise InputError(
            one_line(f"{path}: expected tables and lists nested at most {MAX_DEPTH} deep")
        ) from None
    if _depth(data) > MAX_DEPTH:
        raise InputError(one_line(f"{path}: expected tables and lists nested at most {MAX_DEPTH} deep"))
    return Layer(path, text, data)


def _text(path: Path) -> str:
    try:
        # A pipe or a device could keep the reader for ever.
        if not stat.S_ISREG(path.stat().st_mode):
            raise InputError(one_line(f"{path}: not a file"))
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(one_line(f"{path}: no such file")) from None
    except OSError as error:
        raise InputError(one_line(f"{path}: cannot be read: {error.strerror}")) from None
    except ValueError:
        raise InputError(one_line(f"{path}: not the name of a file")) from None
    if len(data) > MAX_BYTES:
        raise InputError(one_line(f"{path}: expected a TOML file of at most {MAX_BYTES} bytes"))
    try:
        text = data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            one_line(
                f"{path}:{line}: expected UTF-8 text, got byte 0x{data[error.start]:02x} at {error.start}"
            )
        ) from None
    for number, line_text in enumerate(text.split("\n"), start=1):
        if len(line_text) > MAX_LINE:
            raise InputError(one_line(f"{path}:{number}: expected lines of at most {MAX_LINE} characters"))
    long_key = _LONG_KEY.search(text)
    if long_key is not None:
        line = text.count("\n", 0, long_key.start()) + 1
        raise InputError(one_line(f"{path}:{line}: expected keys of at most {MAX_DEPTH} parts"))
    return text


def _syntax(path: Path, text: str, message: str) -> str:
    twice = positions.repeated(text) if message.startswith("Cannot ") else None
    if twice is not None:
        return one_line(
            f"{path}:{twice.second}: {dotted(twice.place)}: is written twice; first on line {twice.first}"
        )
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", message, re.DOTALL)
    if found is None:
        # "(at end of document)": the last line is where to look.
        line = text.count("\n") + (not text.endswith("\n"))
        return one_line(f"{path}:{max(line, 1)}: not valid TOML: {message}")
    return one_line(f"{path}:{found[2]}: not valid TOML: {found[1]} (column {found[3]})")


def _depth(data: Any) -> int:
    """How deep tables and lists lie in each other, found without recursion."""
    level, depth = [data], 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, dict | list)
        ]
    return depth
