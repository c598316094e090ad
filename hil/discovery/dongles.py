"""HCI controllers on USB, as Bumble names them."""

from __future__ import annotations

from collections import Counter
from typing import Any

from hil.discovery.found import Found

HCI = (0xE0, 0x01, 0x01)
"""USB class, subclass and protocol of a Bluetooth primary controller (Bluetooth Core 5.4, Vol 4, Part B, 1.1)."""
_BY_INTERFACE = (0x00, 0xEF)
"""Classes of a device that leave it to its interfaces."""


def find() -> list[Found]:
    """Every controller that says by its USB class that it is one. Needs no rights on it, but for its name."""
    import usb1
    from bumble.transport import usb

    load: Any = usb.load_libusb
    load()  # the library that Bumble itself opens the controller with
    with usb1.USBContext() as context:
        devices = [each for each in context.getDeviceIterator(skip_on_error=True) if is_controller(each)]
        return named([(each.getVendorID(), each.getProductID(), _text(each)) for each in devices])


def named(devices: list[tuple[int, int, str]]) -> list[Found]:
    """Each with the name that Bumble has for it: usb:VENDOR:PRODUCT, and #1 for a second of the same."""
    seen: Counter[tuple[int, int]] = Counter()
    found = []
    for vendor, product, text in devices:
        number = seen[vendor, product]
        seen[vendor, product] += 1
        address = f"usb:{vendor:04x}:{product:04x}" + (f"#{number}" if number else "")
        found.append(Found("hci", address, f"{text} ({address})"))
    return found


def is_controller(device: Any) -> bool:
    """Whether a device, or one of its interfaces, is a Bluetooth controller by its class."""
    if (device.getDeviceClass(), device.getDeviceSubClass(), device.getDeviceProtocol()) == HCI:
        return True
    return device.getDeviceClass() in _BY_INTERFACE and any(
        (setting.getClass(), setting.getSubClass(), setting.getProtocol()) == HCI
        for configuration in device
        for interface in configuration
        for setting in interface
    )


def _text(device: Any) -> str:
    import usb1

    try:
        return str(device.getProduct() or "HCI dongle")
    except usb1.USBError:  # without rights on it: that is for `hil rigs check` to tell
        return "HCI dongle"
