"""[console]: the device's console."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from hil.rig.schema.base import Table, Text


class ConsoleFile(Table):
    """[console]: the device's serial console."""

    driver: Literal["serial"] = Field(description="serial: a UART, through pyserial")
    port: Text = Field(description="pyserial port or URL, e.g. /dev/ttyACM0, COM5, hil://kit0/console")
    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="bit rate, bit/s")
    panic: list[Text] = Field(
        default_factory=list,
        max_length=32,
        description="regular expressions of lines by which the device says that it gave up, besides those of Zephyr, "
        "MCUboot, nRF5 SDK and FreeRTOS",
    )
