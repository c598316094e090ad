"""[central] and [spare]: the Bluetooth LE controllers on the host's side."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hil.rig.schema.base import BleAddress, Table, Text
from hil.tomlfile import Mistake


class CentralFile(Table):
    """[central]: the Bluetooth LE adapter that updates the device."""

    driver: Literal["bumble", "os"] = Field(
        description="bumble: an HCI controller of our own, whose link can be set up; os: the system's adapter"
    )
    transport: Text | None = Field(
        default=None,
        description="bumble: where the controller is, e.g. usb:0, serial:/dev/ttyACM0,1000000, hil:central",
    )
    adapter: Text | None = Field(
        default=None, description="os: which adapter, on Linux, e.g. hci0; absent: the system's default"
    )
    address: BleAddress | None = Field(
        default=None, description="bumble: the central's own static random address"
    )

    @model_validator(mode="after")
    def _has_transport(self) -> CentralFile:
        if self.driver == "bumble" and self.transport is None:
            raise ValueError('driver "bumble" needs the key transport, e.g. transport = "usb:0"')
        if self.driver == "os" and self.transport is not None:
            raise Mistake('driver "os" has no transport; name the adapter by adapter = "hci0"', "transport")
        if self.driver == "bumble" and self.adapter is not None:
            raise Mistake(
                'driver "bumble" has no adapter; say where its controller is by transport', "adapter"
            )
        if self.driver == "os" and self.address is not None:
            raise Mistake('driver "os" has no address: the operating system decides on it', "address")
        return self


class SpareFile(Table):
    """[spare]: a second controller of our own. It plays a peripheral: the far end when the link alone is measured."""

    driver: Literal["bumble"] = Field(description="bumble: an HCI controller of our own")
    transport: Text = Field(
        description="where the controller is, e.g. usb:1, serial:/dev/ttyACM1,1000000, hil:spare"
    )
    address: BleAddress = Field(
        default="C4:11:22:33:44:66", description="the static random address that it advertises with"
    )
