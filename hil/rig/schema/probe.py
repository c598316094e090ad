"""[probe]: the debug probe on the device's SWD pins."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hil.rig.schema.base import Table, Text
from hil.tomlfile import Mistake


class ProbeFile(Table):
    """[probe]: the debug probe on the device's SWD pins."""

    driver: Literal["pyocd", "nrfjprog", "nrfutil"] = Field(
        description="pyocd: CMSIS-DAP, J-Link and ST-Link probes, and the virtual kit; nrfjprog: J-Link on an nRF52 "
        "through pynrfjprog, which Nordic has archived; nrfutil: the same through its successor, nRF Util"
    )
    target: Text = Field(
        default="nrf52840", description="pyOCD's name of the target; the others know nRF52 only"
    )
    unique_id: Text | None = Field(
        default=None, description="serial number of the probe; needed where there are several"
    )
    frequency: int = Field(
        default=4_000_000, ge=1_000, le=50_000_000, description="SWD clock, Hz; nrfutil has one of its own"
    )
    reset_type: Literal["default", "system", "core", "pin", "debug"] = Field(
        default="default",
        description="how the chip is reset: the driver's own way, SYSRESETREQ, VECTRESET (pyocd only), the reset pin, "
        "or the debug access port (nrfjprog and nrfutil only)",
    )
    auto_unlock: bool = Field(
        default=False, description="true: connecting to a locked chip erases ALL of it to unlock it"
    )

    @model_validator(mode="after")
    def _driver_can(self) -> ProbeFile:
        lacking = "debug" if self.driver == "pyocd" else "core"
        if self.reset_type == lacking:
            raise Mistake(f'driver "{self.driver}" has no reset of type "{lacking}"', "reset_type")
        if self.driver != "pyocd" and self.unique_id is not None and not self.unique_id.isdecimal():
            raise Mistake(
                f'driver "{self.driver}" takes the serial number of a J-Link, in digits', "unique_id"
            )
        return self
