"""[virtual]: what only a virtual bench has to be told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hil.rig.schema.base import Table


class BatteryModel(Table):
    """[virtual.battery]: the virtual supply plays a battery; what it is set to is the open-circuit voltage."""

    internal_ohms: float = Field(
        ge=0, le=1000, description="internal resistance, which makes the voltage sag under load, ohm"
    )


class VirtualFile(Table):
    """[virtual]: what only a virtual bench has to be told."""

    revision: Literal["Rev1", "Rev2", "Rev3"] = Field(
        default="Rev2",
        description="nRF52840 revision, which decides its anomalies and how its debug port is protected",
    )
    without_anomalies: list[Literal[242]] = Field(
        default_factory=list,
        description="anomalies that this chip shall not have, to see a case with and without one",
    )
    wire_ohms: float = Field(default=0.2, ge=0, le=100, description="resistance of the supply's leads, ohm")
    battery: BatteryModel | None = Field(default=None, description="the supply plays a battery")
    supply_off: Literal["pulled-down", "open"] = Field(
        default="pulled-down",
        description="what the supply's output does when it is off: pulls its terminals to 0 V, or opens them",
    )
    decoupling_farads: float = Field(
        default=22e-6,
        ge=0,
        le=1,
        description="capacitors on the board, which keep it up when the output opens, F",
    )
    back_power: list[Literal["console"]] = Field(
        default_factory=list,
        description="pins of the host that feed the board while they are driven high, when the output is open",
    )
    air_capture: bool = Field(
        default=False,
        description="record the air of each case, with link-layer headers, as air.pcap beside its logs",
    )
    spare_controllers: int = Field(
        default=1, ge=0, le=8, description="controllers besides the kit's and the central's"
    )
