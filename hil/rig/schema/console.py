"""[console]: the device's console."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator

from hil.rig.schema.base import Offset, Size, Table, Text
from hil.tomlfile import Mistake


class ConsoleFile(Table):
    """[console]: the device's console."""

    driver: Literal["serial", "rtt"] = Field(
        description="serial: a UART, through pyserial; rtt: SEGGER RTT, through [probe]"
    )
    port: Text | None = Field(
        default=None, description="serial: pyserial port or URL, e.g. /dev/ttyACM0, COM5, hil://kit0/console"
    )
    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="serial: bit rate, bit/s")
    channel: int = Field(default=0, ge=0, le=15, description="rtt: number of the up and the down buffer")
    ram_start: Offset = Field(
        default=0x2000_0000, description="rtt: first address of the RAM that is searched"
    )
    ram_size: Size = Field(
        default=0x4_0000, le=0x100_0000, description="rtt: and in how many bytes from there"
    )
    control_block: Offset | None = Field(
        default=None,
        description="rtt: address of the control block (symbol _SEGGER_RTT), where several are in the RAM, such as a "
        "bootloader's and an application's; absent: the first that is found",
    )
    poll_seconds: float = Field(
        default=0.05, ge=0.001, le=10, description="rtt: how often the device is asked, s"
    )
    panic: list[Text] = Field(
        default_factory=list,
        max_length=32,
        description="regular expressions of lines by which the device says that it gave up, besides those of Zephyr, "
        "MCUboot, nRF5 SDK and FreeRTOS",
    )

    @model_validator(mode="after")
    def _has_a_port(self) -> ConsoleFile:
        if self.driver == "serial" and self.port is None:
            raise Mistake("this key is required and is missing", "port")
        if self.driver == "rtt" and self.port is not None:
            raise Mistake('driver "rtt" has no port: it goes through [probe]', "port")
        return self
