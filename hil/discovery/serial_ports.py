"""Serial ports, as pyserial finds them."""

from __future__ import annotations

import re
from typing import Any, Literal

from hil.discovery.found import Found

PPK2 = (0x1915, 0xC00A)
"""Power Profiler Kit II: Nordic Semiconductor's vendor number, and the product number that its udev rules name."""
SEGGER = 0x1366


def find() -> list[Found]:
    """Every port with USB data, and others that are no empty sockets of a PC's UART. Opens none."""
    from serial.tools import list_ports

    return found_in(list(list_ports.comports()))


def found_in(ports: list[Any]) -> list[Found]:
    """The ports in the order of their names, counted as people do. A PPK2 of two ports is marked at the first."""
    found: list[Found] = []
    kits: set[str] = set()
    for port in sorted(ports, key=lambda each: _counted(str(each.device))):
        if port.vid is None and str(port.hwid) in ("n/a", "PNP0501", "None"):
            continue  # a UART of the mainboard, there whether something hangs on it or not
        mark: Literal["", "ppk2", "jlink"] = ""
        if (port.vid, port.pid) == PPK2:
            # The second port of newer firmware is a shell.
            mark = "" if str(port.serial_number) in kits else "ppk2"
            kits.add(str(port.serial_number))
        elif port.vid == SEGGER:
            mark = "jlink"
        about = [str(port.product or port.description or "serial port")]
        if port.vid is not None:
            about.append(f"{port.vid:04x}:{port.pid or 0:04x}")
        if port.serial_number:
            about.append(str(port.serial_number))
        found.append(Found("serial", str(port.device), f"{port.device} ({', '.join(about)})", mark))
    return found


def _counted(name: str) -> list[tuple[int, str]]:
    """ttyACM2 comes before ttyACM10."""
    return [(int(part), "") if part.isdecimal() else (0, part) for part in re.split(r"(\d+)", name)]
