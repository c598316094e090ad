"""How one host behaves as the central of an update: a TOML file in rigs/profiles/, each figure with its source.

A figure is a table with its value, the public page that it is from, and what that page says. One that no page was
found for has the source `assumed`, and every table that shows it says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hil import bundled
from hil.errors import InputError
from hil.tomlfile import Mistake, load

ASSUMED = "assumed"

Value = TypeVar("Value")


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Figure(_Part, Generic[Value]):
    """A value, and where it is from."""

    value: Value
    source: str = Field(
        pattern=r"^(assumed|https://\S+)$", max_length=200, description="address of a public page, or assumed"
    )
    says: str = Field(default="", max_length=300, description="what the source says, in short")

    @model_validator(mode="after")
    def _sourced(self) -> Figure[Value]:
        if (self.source == ASSUMED) != (not self.says):
            raise Mistake("expected what the source says, and nothing where the figure is assumed", "says")
        return self

    @property
    def is_assumed(self) -> bool:
        return self.source == ASSUMED


class HostProfile(_Part):
    """How one family of hosts behaves."""

    description: str = Field(min_length=1, max_length=100, description="which hosts it stands for")
    att_mtu: Figure[Annotated[int, Field(ge=23, le=517)]] = Field(
        description="ATT MTU that the host asks for, bytes; 23 when it asks for none"
    )
    data_length: Figure[Annotated[int, Field(ge=27, le=251)]] = Field(
        description="longest PDU that it sends, octets; 27 without data length extension"
    )
    phy: Figure[Literal["1M", "2M"]] = Field(description="fastest PHY that it goes to")
    interval_ms: Figure[Annotated[float, Field(ge=7.5, le=4000)]] = Field(
        description="longest of the intervals that it allows in an update, ms; the controller chooses"
    )
    packets_per_event: Figure[Annotated[int, Field(ge=1, le=255)]] | None = Field(
        default=None,
        description="PDUs that it sends in a connection event at most; without it nothing is known",
    )

    def figures(self) -> Iterator[tuple[str, Figure[Any]]]:
        """The name and the figure of each thing that is known or assumed of the host, in the order of the model."""
        for name in type(self).model_fields:
            value = getattr(self, name)
            if isinstance(value, Figure):
                yield name, value


def names() -> list[str]:
    """The profiles that come with hil, sorted."""
    return sorted(path.stem for path in _folder().glob("*.toml"))


def named(name: str) -> HostProfile:
    """The profile called `name`. Raises InputError when there is none, or its file has a mistake."""
    if name not in names():
        raise InputError(f'profiles: no host profile called "{name}"; known: {", ".join(names())}')
    return load(_folder() / f"{name}.toml", HostProfile)


def _folder() -> Path:
    return bundled.rigs() / "profiles"
