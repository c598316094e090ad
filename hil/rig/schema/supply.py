"""[supply]: the power supply that feeds the device."""

from __future__ import annotations

import datetime
import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from hil.rig.schema.base import Table, Text
from hil.supply.profile import AUTO, names
from hil.tomlfile import Mistake

_HEX = "[0-9a-fA-F]{2}( ?[0-9a-fA-F]{2}){0,63}"
_PLACE = r"[0-9]{1,3}(-[0-9]{1,3}(\.[0-9]{1,3}){0,6})?"


def _hex(text: str) -> str:
    if re.fullmatch(_HEX, text) is None:
        raise ValueError(f'expected 1 to 64 bytes as hexadecimal, such as "A0 01 01 A2", got "{text}"')
    return text


def _place(text: str) -> str:
    if re.fullmatch(_PLACE, text) is None:
        raise ValueError(f'expected a hub\'s place, such as 1-1.4, got "{text}"')
    return text


HexBytes = Annotated[str, AfterValidator(_hex), WithJsonSchema({"type": "string", "pattern": f"^{_HEX}$"})]
HubPlace = Annotated[
    str, AfterValidator(_place), WithJsonSchema({"type": "string", "pattern": f"^{_PLACE}$"})
]


class Calibration(Table):
    """When an instrument was calibrated, and by whom; without it its figures are recorded as not calibrated."""

    date: datetime.date = Field(description="when, e.g. 2026-03-01")
    due: datetime.date | None = Field(default=None, description="until when that holds")
    laboratory: Text | None = Field(default=None, description="by whom")
    certificate: Text | None = Field(default=None, description="number of the certificate")


class SupplyFile(Table):
    """[supply]: the power supply that feeds the device."""

    driver: Literal["scpi", "ppk2", "relay", "uhubctl"] = Field(
        description="scpi: a programmable supply, through PyVISA; ppk2: Nordic's Power Profiler Kit II; relay: one "
        "on a serial port; uhubctl: a port of a USB hub that switches its power. The last two cannot set a voltage"
    )
    resource: Text | None = Field(
        default=None,
        description="scpi: VISA resource, e.g. TCPIP0::192.0.2.1::INSTR or ASRL/dev/ttyUSB0::INSTR",
    )
    profile: Text | None = Field(
        default=None,
        description='scpi: how the instrument is spoken to: "auto", if absent, by what it says it is; a profile that '
        "comes with hil (docs/supplies.md); or the path of a .toml file of your own",
    )
    library: Text | None = Field(
        default=None,
        description='scpi: PyVISA\'s name of the VISA library; "@py", if absent, or "@ivi" for NI-VISA',
    )
    channel: int | None = Field(
        default=None, ge=1, le=8, description="scpi: output channel; relay: which of the board's; 1 if absent"
    )
    baud: int | None = Field(
        default=None,
        ge=300,
        le=4_000_000,
        description="bit rate of a serial resource (ASRL...) or of a relay; the profile's or 9600 if absent",
    )
    port: Text | None = Field(
        default=None,
        description="ppk2, relay: serial port, e.g. /dev/ttyACM0 or COM5; uhubctl: the hub's port, e.g. 2",
    )
    on_message: HexBytes | None = Field(
        default=None, description="relay: bytes that switch it on, as hexadecimal; an LCUS board's if absent"
    )
    off_message: HexBytes | None = Field(default=None, description="relay: bytes that switch it off")
    hub: HubPlace | None = Field(default=None, description="uhubctl: the hub's place, e.g. 1-1.4")
    program: Text | None = Field(default=None, description='uhubctl: the program; "uhubctl" if absent')
    nominal_volts: float = Field(gt=0, le=60, description="voltage at which a case begins, V")
    max_volts: float = Field(gt=0, le=60, description="no case can set more than this, V")
    max_amperes: float | None = Field(
        default=None,
        gt=0,
        le=20,
        description="scpi: current limit set on the instrument; ppk2: more switches the device off, A. Needed for "
        "both; a relay and a hub limit no current and have none",
    )
    off_seconds: float = Field(default=0.5, ge=0, le=60, description="how long a power cycle stays off, s")
    timeout_seconds: float = Field(
        default=2.0, gt=0, le=60, description="how long the instrument may take to answer, s"
    )
    calibration: Calibration | None = Field(default=None, description="when the supply was calibrated")

    @model_validator(mode="after")
    def _keys_of_driver(self) -> SupplyFile:
        needed, possible = _KEYS[self.driver]
        for key in needed:
            if getattr(self, key) is None:
                raise Mistake(f'driver "{self.driver}" needs the key {key}', key)
        for key in sorted(set().union(*(each | more for each, more in _KEYS.values())) - needed - possible):
            if getattr(self, key) is not None:
                why = ": it limits no current; fuse it" if key == "max_amperes" else ""
                raise Mistake(f'driver "{self.driver}" has no {key}{why}', key)
        profile = self.profile
        if profile is not None and not profile.endswith(".toml") and profile not in (AUTO, *names()):
            raise Mistake(
                f'expected "{AUTO}", {", ".join(names())} or the path of a .toml file, got "{profile}"',
                "profile",
            )
        if (self.on_message is None) != (self.off_message is None):
            raise Mistake(
                "expected both on_message and off_message, or neither",
                "off_message" if self.off_message is None else "on_message",
            )
        if self.on_message is not None and self.channel is not None:
            raise Mistake("channel is for LCUS boards; on_message and off_message say all", "channel")
        if self.driver == "uhubctl" and (self.port is None or re.fullmatch(r"[1-9]\d?", self.port) is None):
            raise Mistake(f'expected the number of a port of the hub, such as "2", got "{self.port}"', "port")
        return self

    @model_validator(mode="after")
    def _within(self) -> SupplyFile:
        if self.nominal_volts > self.max_volts:
            raise Mistake(
                f"expected nominal_volts of at most max_volts ({self.max_volts:g}), got {self.nominal_volts:g}",
                "nominal_volts",
            )
        if self.driver == "ppk2" and not 0.8 <= self.nominal_volts <= 5.0:
            raise Mistake(f"a PPK2 gives 0.8 to 5 V, got {self.nominal_volts:g}", "nominal_volts")
        if self.baud is not None and self.resource and not self.resource.upper().startswith("ASRL"):
            raise Mistake(
                f'baud is for serial resources (ASRL...), and the resource is "{self.resource}"', "baud"
            )
        return self

    @property
    def measures_volts(self) -> bool:
        """Whether this supply has a voltmeter."""
        return self.driver == "scpi"

    @property
    def measures_amperes(self) -> bool:
        """Whether this supply has an ammeter."""
        return self.driver in ("scpi", "ppk2")

    def capabilities(self) -> frozenset[str]:
        """What a case may ask of this supply, as far as the rig file alone can tell."""
        can = {"supply"}
        if self.driver in ("scpi", "ppk2"):
            can.add("supply.volts")
        if self.measures_volts and self.measures_amperes:
            can.add("supply.measure")
        return frozenset(can)


_KEYS: dict[str, tuple[set[str], set[str]]] = {
    "scpi": ({"resource", "max_amperes"}, {"profile", "library", "channel", "baud"}),
    "ppk2": ({"port", "max_amperes"}, set()),
    "relay": ({"port"}, {"channel", "baud", "on_message", "off_message"}),
    "uhubctl": ({"port", "hub"}, {"program"}),
}
"""For each driver the keys that it needs, and those that it can have, of the ones that not every driver has."""
