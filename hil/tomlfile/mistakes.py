"""Checks what was read against a model, and says in one line each what is wrong with it."""

from __future__ import annotations

import difflib
import typing
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from hil.errors import InputError
from hil.tomlfile import variables
from hil.tomlfile.document import Document, Place
from hil.tomlfile.includes import document_line
from hil.tomlfile.wording import shown

Model = TypeVar("Model", bound=BaseModel)

MAX_LINES = 30
"""Mistakes that are told. Whoever has more has given another file."""
SECRET = 4
"""Characters from which on the value of a variable is taken out of what a model says about a key."""

_WORDS = {
    "string_type": "a text",
    "int_type": "a whole number",
    "float_type": "a number",
    "bool_type": "true or false",
    "date_type": "a date",
    "list_type": "a list",
    "dict_type": "a table",
    "model_type": "a table",
}
_BOUNDS = {"greater_than": "gt", "greater_than_equal": "ge", "less_than": "lt", "less_than_equal": "le"}
_BOUND_WORDS = {"gt": "greater than", "ge": "of at least", "lt": "less than", "le": "of at most"}
_NOTHING = object()
_NO_TEXT = {"int_type", "float_type", "bool_type", "date_type", "literal_error"}


class Mistake(ValueError):
    """What a validator raises that knows which key is wrong: `key` is its way from the table that is checked."""

    def __init__(self, text: str, *key: str | int) -> None:
        super().__init__(text)
        self.key = key


def validate(document: Document, model: type[Model]) -> Model:
    """Check a document against `model`. Raises InputError with one line for each mistake."""
    while True:
        try:
            return model.model_validate(document.data)
        except ValidationError as error:
            details = error.errors()
            # A text that is one variable becomes a number where the key is one: pydantic knows which keys are.
            converted = [_convert(document, detail) for detail in details]
            if not any(converted):
                lines = list(dict.fromkeys(_explain(document, model, each) for each in details[:MAX_LINES]))
                if len(details) > MAX_LINES:
                    lines.append(f"{document.path}: and {len(details) - MAX_LINES} mistakes more")
                raise InputError("\n".join(lines)) from None


def _convert(document: Document, detail: ErrorDetails) -> bool:
    place = _place(document.data, detail["loc"])
    filled = document.filled.get(place)
    if detail["type"] not in _NO_TEXT or filled is None or not filled.whole:
        return False
    value = variables.scalar(filled.value)
    holder: Any = document.data
    for part in place[:-1]:
        holder = holder[part]
    if value is None or not isinstance(holder[place[-1]], str):
        return False
    holder[place[-1]] = value
    return True


def _place(data: Any, loc: Place, *, missing: bool = False) -> Place:
    """Where in the data pydantic's `loc` is: without the names that it gives to the members of a union.

    `missing` says that the last part is a key that is not there.
    """
    place: Place = ()
    for index, part in enumerate(loc):
        inner = _inside(data, part)
        if inner is not _NOTHING:
            data = inner
        elif not (missing and index == len(loc) - 1):
            continue
        place += (part,)
    return place


def _inside(data: Any, part: str | int) -> Any:
    if isinstance(data, dict):
        return data.get(part, _NOTHING)
    if isinstance(data, list) and isinstance(part, int) and part < len(data):
        return data[part]
    return _NOTHING


def _explain(document: Document, model: type[BaseModel], detail: ErrorDetails) -> str:
    place = _place(document.data, detail["loc"], missing=detail["type"] == "missing")
    error = detail.get("ctx", {}).get("error")
    if isinstance(error, Mistake):
        place += error.key
    return document_line(document, place, _said(document, place, _expected(document, model, detail, place)))


def _said(document: Document, place: Place, text: str) -> str:
    """The text without what came out of the environment."""
    for filled in document.filled.values():
        # A default stands in the file, and in `written`, where it would be replaced by what it is a part of.
        if len(filled.value) >= SECRET and filled.value not in filled.written:
            text = text.replace(filled.value, filled.written)
    return text


def _expected(document: Document, model: type[BaseModel], detail: ErrorDetails, place: Place) -> str:
    kind, context, found = detail["type"], detail.get("ctx", {}), detail.get("input")
    if kind == "extra_forbidden":
        known = list(_fields_at(model, detail["loc"][:-1]))
        close = difflib.get_close_matches(str(detail["loc"][-1]), known, n=1)
        advice = f'; did you mean "{close[0]}"?' if close else f"; known keys: {', '.join(known)}"
        return f"unknown key{advice}"
    if kind == "missing":
        field = _fields_at(model, detail["loc"][:-1]).get(str(detail["loc"][-1]))
        about = f"; expected {field.description}" if field is not None and field.description else ""
        return f"this key is required and is missing{about}"
    filled = document.filled.get(place)
    got = shown(found) if filled is None else shown(filled.written)
    if kind == "value_error":
        return str(context.get("error", detail["msg"]))
    if kind == "literal_error":
        wanted = f"one of {context['expected']}"
    elif kind in _BOUNDS:
        bound = _BOUNDS[kind]
        limit = context[bound]
        whole = isinstance(limit, float) and limit.is_integer()
        wanted = f"a number {_BOUND_WORDS[bound]} {int(limit) if whole else limit}"
    elif kind in _WORDS:
        wanted = _WORDS[kind]
    else:
        # Pydantic's own words: "Input should be a valid time", "List should have at least 1 item after validation".
        _, expected, wanted = detail["msg"].partition("Input should be ")
        if not expected:
            return f"{detail['msg'][:1].lower()}{detail['msg'][1:]}, got {got}"
    return f"expected {wanted}, got {got}"


def _fields_at(model: type[BaseModel], loc: Place) -> dict[str, FieldInfo]:
    """The keys that the table at `loc` may have."""
    here = [model]
    for part in loc:
        if isinstance(part, int):
            continue
        below = [
            inner
            for each in here
            for name, field in each.model_fields.items()
            if part in (name, field.alias)
            for inner in _models_in(field.annotation)
        ]
        # Not a key: the name that pydantic gives to a member of a union, which is what the member is told by.
        here = below or [
            each
            for each in here
            if any(part in typing.get_args(field.annotation) for field in each.model_fields.values())
        ]
    return {field.alias or name: field for each in here for name, field in each.model_fields.items()}


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [found for argument in typing.get_args(annotation) for found in _models_in(argument)]
