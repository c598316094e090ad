"""[supply]: the power supply that feeds the device."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field, model_validator

from hil.rig.schema.base import Table, Text
from hil.tomlfile import Mistake


class Calibration(Table):
    """When an instrument was calibrated, and by whom; without it its figures are recorded as not calibrated."""

    date: datetime.date = Field(description="when, e.g. 2026-03-01")
    due: datetime.date | None = Field(default=None, description="until when that holds")
    laboratory: Text | None = Field(default=None, description="by whom")
    certificate: Text | None = Field(default=None, description="number of the certificate")


class SupplyFile(Table):
    """[supply]: the power supply that feeds the device."""

    driver: Literal["scpi"] = Field(description="scpi: a supply that speaks SCPI, through PyVISA")
    resource: Text = Field(
        description="VISA resource, e.g. TCPIP0::192.0.2.1::INSTR or ASRL/dev/ttyUSB0::INSTR"
    )
    channel: int = Field(default=1, ge=1, le=8, description="output channel")
    baud: int | None = Field(
        default=None,
        ge=300,
        le=4_000_000,
        description="bit rate of a serial resource (ASRL...); 9600 if absent",
    )
    nominal_volts: float = Field(gt=0, le=60, description="voltage at which a case begins, V")
    max_volts: float = Field(gt=0, le=60, description="no case can set more than this, V")
    max_amperes: float = Field(gt=0, le=20, description="current limit set on the instrument, A")
    off_seconds: float = Field(default=0.5, ge=0, le=60, description="how long a power cycle stays off, s")
    timeout_seconds: float = Field(
        default=2.0, gt=0, le=60, description="how long the instrument may take to answer, s"
    )
    calibration: Calibration | None = Field(default=None, description="when the supply was calibrated")

    @model_validator(mode="after")
    def _within(self) -> SupplyFile:
        if self.nominal_volts > self.max_volts:
            raise Mistake(
                f"expected nominal_volts of at most max_volts ({self.max_volts:g}), got {self.nominal_volts:g}",
                "nominal_volts",
            )
        if self.baud is not None and not self.resource.upper().startswith("ASRL"):
            raise Mistake(
                f'baud is for serial resources (ASRL...), and the resource is "{self.resource}"', "baud"
            )
        return self
