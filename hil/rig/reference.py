"""The keys of a rig file as Markdown tables, from the schema itself: what the schema refuses cannot be documented."""

from __future__ import annotations

import datetime
from collections.abc import Iterator
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from hil.rig.schema import BleAddress, RigFile, ShortName, Text, Uuid

_NAMED = {Uuid: "UUID", BleAddress: "Bluetooth address", ShortName: "name", Text: "text"}
_PLAIN = {datetime.date: "date", str: "text", int: "integer", float: "number", bool: "true or false"}
_LARGEST_ADDRESS = 0xFFFF_FFFF


def markdown() -> str:
    """A table for each table of a rig file."""
    parts = []
    told: dict[type[BaseModel], str] = {}
    for heading, about, model in _tables("", RigFile, "", "what the whole file is about"):
        title = f"### `{heading}`" if heading else "### Top level"
        if model in told:
            parts.append(f"{title}\n\n{about} The keys are those of `{told[model]}`.")
            continue
        told[model] = heading
        rows = [
            f"| `{field.alias or name}` | {_type(field)} | {_default(field)} | {_cell(field.description or '')} |"
            for name, field in model.model_fields.items()
            if _table_of(field.annotation) is None
        ]
        head = ["| key | value | default | what it says |", "|---|---|---|---|"]
        parts.append("\n".join([title, "", about, "", *head, *rows]))
    return "\n\n".join(parts) + "\n"


def _tables(
    path: str, model: type[BaseModel], heading: str, about: str
) -> Iterator[tuple[str, str, type[BaseModel]]]:
    yield heading, f"{about[0].upper()}{about[1:]}.", model
    for name, field in model.model_fields.items():
        inner = _table_of(field.annotation)
        if inner is None:
            continue
        below = f"{path}.{name}" if path else name
        several = get_origin(_without_none(field.annotation)) is list
        yield from _tables(
            below, inner, f"[[{below}]]" if several else f"[{below}]", field.description or name
        )


def _table_of(annotation: Any) -> type[BaseModel] | None:
    """The model behind a key that is a table or a list of tables."""
    annotation = _without_none(annotation)
    if get_origin(annotation) is list:
        return _table_of(get_args(annotation)[0])
    return annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        return next(each for each in get_args(annotation) if each is not NoneType)
    return annotation


def _type(field: FieldInfo) -> str:
    annotation: Any = field.annotation
    if field.metadata:
        # Pydantic takes Annotated apart: put together again, the types that have a name are found.
        annotation = Annotated[(annotation, *field.metadata)]
    return _cell(_named(annotation))


def _named(annotation: Any) -> str:
    annotation = _without_none(annotation)
    for known, name in _NAMED.items():
        if annotation == known:
            return name
    if get_origin(annotation) is Annotated:
        base, *metadata = get_args(annotation)
        return _named(base) + _bounds(metadata)
    if get_origin(annotation) is Literal:
        return ", ".join(_value(each) for each in get_args(annotation))
    if get_origin(annotation) is list:
        return f"list of {_named(get_args(annotation)[0])}"
    return _PLAIN.get(annotation, "")


def _bounds(metadata: list[Any]) -> str:
    found = []
    for each in metadata:
        if isinstance(each, FieldInfo):
            found.append(_bounds(each.metadata).lstrip(", "))
        elif isinstance(each, Ge):
            found.append(f"from {_number(each.ge)}")
        elif isinstance(each, Gt):
            found.append(f"above {_number(each.gt)}")
        elif isinstance(each, Le):
            found.append(f"to {_number(each.le)}")
        elif isinstance(each, Lt):
            found.append(f"below {_number(each.lt)}")
    told = " ".join(word for word in found if word)
    return f", {told}" if told else ""


def _number(bound: Any) -> str:
    return f"0x{bound:X}" if bound == _LARGEST_ADDRESS else f"{bound:_}"


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    value = field.get_default(call_default_factory=True)
    return "" if value is None else _value(value)


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    return f"`{value}`"


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
