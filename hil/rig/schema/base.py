"""What every table of a rig file is made of: strict models, and texts with a form."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, WithJsonSchema

_UUID = "[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_ADDRESS = "([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}"
_NAME = "[A-Za-z0-9][A-Za-z0-9_.-]{0,63}"


def _uuid(text: str) -> str:
    if re.fullmatch(_UUID, text) is None:
        raise ValueError(f'expected a UUID such as 8d53dc1d-1db7-4cd3-868b-8a527460aa84, got "{text}"')
    return text.lower()


def _address(text: str) -> str:
    if re.fullmatch(_ADDRESS, text) is None:
        raise ValueError(f'expected a Bluetooth address such as C0:FF:EE:00:00:01, got "{text}"')
    return text.upper()


def _name(text: str) -> str:
    if re.fullmatch(_NAME, text) is None:
        raise ValueError(f'expected 1 to 64 letters, digits, ".", "_" or "-", got "{text}"')
    return text


def _shaped(pattern: str) -> WithJsonSchema:
    """For editors: what the validator holds a text to."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


Uuid = Annotated[str, AfterValidator(_uuid), _shaped(_UUID)]
BleAddress = Annotated[str, AfterValidator(_address), _shaped(_ADDRESS)]
ShortName = Annotated[str, AfterValidator(_name), _shaped(_NAME)]
Percent = Annotated[float, Field(ge=0, le=100)]
Offset = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
Size = Annotated[int, Field(gt=0, le=0xFFFF_FFFF)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Table(BaseModel):
    """A table of a rig file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)
