"""Reads a TOML file into a typed model; what is wrong in it comes out as one line for each mistake.

Such a line names the file, the line in it where that can be told, the key, what was expected and what was found:

    rigs/desk.toml:14: probe.freqency: unknown key; did you mean "frequency"?
    rigs/desk.toml:22: supply.max_volts: expected a number greater than 0, got -1
"""

from __future__ import annotations

import difflib
import re
import tomllib
import types
import typing
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from hil.errors import InputError

Model = TypeVar("Model", bound=BaseModel)

# A rig file or a plan is a page or two of text: anything far beyond that is another file given by mistake.
MAX_BYTES = 1_000_000

_HEADER = re.compile(r"^\s*(\[\[?)\s*([^\[\]#]+?)\s*\]\]?\s*(?:#.*)?$")
_KEY = re.compile(
    r"""^\s*((?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[A-Za-z0-9_-]+|"[^"]*"|'[^']*'))*)\s*="""
)

_WORDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
_BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_BOUND_WORDS = {"gt": "greater than", "ge": "of at least", "lt": "less than", "le": "of at most"}


def load(path: Path, model: type[Model]) -> Model:
    """Read `path` and check it against `model`.

    Raises InputError with one line for each mistake in the file.
    """
    text = _text(path)
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(_syntax(path, str(error))) from None
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(path, text, model, detail) for detail in error.errors()]
        raise InputError("\n".join(dict.fromkeys(lines))) from None


def _text(path: Path) -> str:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file") from None
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None
    if len(data) > MAX_BYTES:
        raise InputError(f"{path}: expected a TOML file of at most {MAX_BYTES} bytes")
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path}: expected UTF-8 text, got byte 0x{data[error.start]:02x} at {error.start}"
        ) from None


def _syntax(path: Path, message: str) -> str:
    found = re.search(r"^(.*) \(at line (\d+), column (\d+)\)$", message)
    if found is None:
        return f"{path}: not a TOML file: {message}"
    return f"{path}:{found[2]}: not valid TOML: {found[1]} (column {found[3]})"


def _explain(path: Path, text: str, model: type[BaseModel], detail: ErrorDetails) -> str:
    loc = detail["loc"]
    line = _line_of(text, loc)
    if line is None and detail["type"] == "missing":
        line = _line_of(text, loc[:-1])
    where = f"{path}:{line}" if line else f"{path}"
    return f"{where}: {_key(loc)}{_expected(model, detail)}"


def _key(loc: tuple[int | str, ...]) -> str:
    parts = ""
    for part in loc:
        parts += f"[{part}]" if isinstance(part, int) else f".{part}"
    return f"{parts.removeprefix('.')}: " if parts else ""


def _expected(model: type[BaseModel], detail: ErrorDetails) -> str:
    kind, context, found = detail["type"], detail.get("ctx", {}), detail.get("input")
    if kind == "extra_forbidden":
        known = _keys_at(model, detail["loc"][:-1])
        close = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
        advice = f'; did you mean "{close[0]}"?' if close else f"; known keys: {', '.join(known)}"
        return f"unknown key{advice}"
    if kind == "missing":
        return "this key is required and is missing"
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind == "literal_error":
        wanted = f"one of {context['expected']}"
    elif kind in _BOUNDS:
        bound = _BOUNDS[kind]
        wanted = f"a number {_BOUND_WORDS[bound]} {context[bound]}"
    elif kind in _WORDS:
        wanted = _WORDS[kind]
    else:
        wanted = detail["msg"][:1].lower() + detail["msg"][1:]
    return f"expected {wanted}, got {_shown(found)}"


def _shown(value: object) -> str:
    text = f'"{value}"' if isinstance(value, str) else repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _keys_at(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """The keys that the table at `loc` may have."""
    here: type[BaseModel] | None = model
    for part in loc:
        if isinstance(part, int):
            continue
        if here is None:
            return []
        field = next((f for name, f in here.model_fields.items() if part in (name, f.alias)), None)
        here = _model_in(field.annotation) if field is not None else None
    return [field.alias or name for name, field in here.model_fields.items()] if here is not None else []


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and not isinstance(annotation, types.GenericAlias):
        return annotation if issubclass(annotation, BaseModel) else None
    found = (_model_in(argument) for argument in typing.get_args(annotation))
    return next((each for each in found if each is not None), None)


def _line_of(text: str, loc: tuple[int | str, ...]) -> int | None:
    """The line on which the key at `loc` is written, or None; tomllib keeps no lines, so they are looked up."""
    if not loc:
        return None
    table: tuple[int | str, ...] = ()
    counts: dict[str, int] = {}
    best: int | None = None
    depth = 0
    for number, line in enumerate(text.splitlines(), start=1):
        header = _HEADER.match(line)
        if header is not None:
            table = _table(header[2], header[1] == "[[", counts)
            place = table
        else:
            key = _KEY.match(line)
            if key is None:
                continue
            place = table + tuple(_split(key[1]))
        # The deepest written table or key on the way to loc: a key inside an inline table has no line of its own.
        if len(place) > depth and loc[: len(place)] == place:
            best, depth = number, len(place)
    return best if best is not None and depth >= min(len(loc), 1) else None


def _table(name: str, array: bool, counts: dict[str, int]) -> tuple[int | str, ...]:
    parts = _split(name)
    if array:
        counts[".".join(parts)] = counts.get(".".join(parts), -1) + 1
    place: list[int | str] = []
    for index, part in enumerate(parts):
        place.append(part)
        prefix = ".".join(parts[: index + 1])
        if prefix in counts:
            place.append(counts[prefix])
    return tuple(place)


def _split(dotted: str) -> list[str]:
    return [part.strip().strip("\"'") for part in dotted.split(".")]
