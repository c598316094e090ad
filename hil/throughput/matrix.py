"""A matrix file: the settings of a link, and what is sent over it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Annotated, Literal

from pydantic import Field

from hil import bundled, tomlfile
from hil.ble.link import Phy
from hil.rig.files import find_toml
from hil.rig.schema import ShortName, Table

DEFAULT = "standard"
LONGEST_PAYLOAD = 400_000
"""Bytes: an upload has to fit a slot."""

Column = Literal["link", "device", "dfu"]

_Mtu = Annotated[int, Field(ge=23, le=517)]
_Octets = Annotated[int, Field(ge=27, le=251)]
_Interval = Annotated[float, Field(ge=7.5, le=4000)]
_Message = Annotated[int, Field(ge=0, le=65_535)]
_Window = Annotated[int, Field(ge=0, le=255)]


@dataclass(frozen=True)
class Setting:
    """What is asked of one cell. MTU in bytes, data length in octets, interval in ms.

    `message` is the longest SMP message in bytes, `window` the requests in flight at most; 0 leaves either to what the
    device tells of its buffers.
    """

    phy: Phy
    mtu: int
    data_length: int
    interval_ms: float
    response: bool = False
    encrypted: bool = False
    message: int = 0
    window: int = 0

    def __str__(self) -> str:
        parts = [self.phy, f"MTU {self.mtu}", f"DLE {self.data_length}", f"{self.interval_ms:g} ms"]
        parts += ["with response"] * self.response + ["encrypted"] * self.encrypted
        parts += [f"messages of {self.message}"] * bool(self.message)
        parts += [f"window {self.window}"] * bool(self.window)
        return ", ".join(parts)

    def applies_to(self, column: Column) -> bool:
        """Whether the setting says something of a column: messages and windows are an upload's, and an upload writes
        without response.
        """
        if column == "dfu":
            return not self.response
        return not self.message and not self.window


class Matrix(Table):
    """A whole matrix file. Every value of an axis is measured with every one of the others."""

    schema_version: Literal[1] = Field(alias="schema", description="version of this schema: 1")
    name: ShortName = Field(description="the matrix's name in reports")
    description: str = Field(default="", max_length=500, description="one sentence for people")
    columns: list[Column] = Field(
        default=["link", "device", "dfu"],
        min_length=1,
        description="link: host to host; device: to a GATT service without flash; dfu: an upload",
    )
    phy: list[Literal["1M", "2M", "S2", "S8"]] = Field(default=["1M", "2M"], min_length=1)
    mtu: list[_Mtu] = Field(default=[23, 247, 498], min_length=1, description="ATT MTU, bytes")
    data_length: list[_Octets] = Field(default=[27, 251], min_length=1, description="PDU payload, octets")
    interval_ms: list[_Interval] = Field(default=[15.0], min_length=1, description="ms")
    response: list[bool] = Field(default=[False], min_length=1, description="write with response")
    encrypted: list[bool] = Field(default=[False], min_length=1)
    message: list[_Message] = Field(
        default=[0], min_length=1, description="longest SMP message, bytes; 0: the device's buffer"
    )
    window: list[_Window] = Field(
        default=[0], min_length=1, description="requests in flight; 0: as many as keep the link busy"
    )
    payload_bytes: int = Field(default=65_536, ge=1_024, le=LONGEST_PAYLOAD, description="sent in each cell")
    repeats: int = Field(default=1, ge=1, le=100, description="measurements of each cell")
    erased_ahead: bool = Field(default=True, description="erase the slot before an upload, untimed")

    def settings(self) -> Iterator[Setting]:
        """Every cell, in the order of the axes."""
        axes = (self.phy, self.mtu, self.data_length, self.interval_ms)
        more = (self.response, self.encrypted, self.message, self.window)
        for values in product(*axes, *more):
            yield Setting(*values)

    def work(self) -> list[tuple[Setting, Column]]:
        """What is to be measured."""
        return [
            (setting, column)
            for setting in self.settings()
            for column in self.columns
            if setting.applies_to(column)
        ]


def load(name_or_path: str = DEFAULT) -> Matrix:
    """Read and check a matrix, given the name of a bundled one or a path. Raises InputError."""
    return tomlfile.load(find_toml(name_or_path, bundled.testplans() / "matrices", "matrix"), Matrix)
