"""[probe]: the debug probe on the device's SWD pins."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hil.rig.schema.base import Table, Text


class ProbeFile(Table):
    """[probe]: the debug probe on the device's SWD pins."""

    driver: Literal["pyocd"] = Field(
        description="pyocd: CMSIS-DAP, J-Link and ST-Link probes, and the virtual kit"
    )
    target: Text = Field(default="nrf52840", description="the driver's name of the target")
    unique_id: Text | None = Field(
        default=None, description="serial number of the probe; needed where there are several"
    )
    frequency: int = Field(default=4_000_000, ge=1_000, le=50_000_000, description="SWD clock, Hz")
    auto_unlock: bool = Field(
        default=False, description="true: connecting to a locked chip erases ALL of it to unlock it"
    )
