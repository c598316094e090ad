"""What each finder makes of what its library tells it."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

from serial.tools.list_ports_common import ListPortInfo

from hil.discovery import adapters, dongles, serial_ports


def port(
    device: str, vid: int | None = None, pid: int | None = None, serial: str | None = None, product: str = ""
) -> Any:
    """A port as pyserial tells of it."""
    info = ListPortInfo(device, skip_link_detection=True)
    if vid is not None:
        info.vid, info.pid, info.serial_number, info.product = vid, pid, serial, product
        info.apply_usb_info()
    return info


def test_ports_are_told_by_what_they_belong_to() -> None:
    found = serial_ports.found_in(
        [
            port("/dev/ttyACM10", 0x1915, 0xC00A, "E1", "PPK2"),
            port("/dev/ttyACM11", 0x1915, 0xC00A, "E1", "PPK2"),
            port("/dev/ttyACM2", 0x1366, 0x1051, "000683377182", "J-Link"),
            port("/dev/ttyUSB0", 0x0403, 0x6001, None, "FT232R"),
            port("/dev/ttyS0"),
        ]
    )
    assert [(each.address, each.mark) for each in found] == [
        ("/dev/ttyACM2", "jlink"),
        ("/dev/ttyACM10", "ppk2"),
        ("/dev/ttyACM11", ""),  # the kit's second port is no second kit
        ("/dev/ttyUSB0", ""),
    ]
    assert found[0].text == "/dev/ttyACM2 (J-Link, 1366:1051, 000683377182)"


def usb(device_class: tuple[int, int, int], *interfaces: tuple[int, int, int]) -> Any:
    """A device as libusb1 tells of it, with one setting an interface."""

    def described(numbers: tuple[int, int, int]) -> SimpleNamespace:
        return SimpleNamespace(
            getClass=lambda: numbers[0], getSubClass=lambda: numbers[1], getProtocol=lambda: numbers[2]
        )

    class Device(list):  # type: ignore[type-arg]
        def getDeviceClass(self) -> int:
            return device_class[0]

        def getDeviceSubClass(self) -> int:
            return device_class[1]

        def getDeviceProtocol(self) -> int:
            return device_class[2]

    return Device([[[described(each)] for each in interfaces]])


def test_a_controller_is_told_by_its_class_or_an_interface_of_it() -> None:
    hci = (0xE0, 1, 1)
    assert dongles.is_controller(usb(hci))
    assert dongles.is_controller(usb((0, 0, 0), (3, 0, 0), hci))
    assert dongles.is_controller(usb((0xEF, 2, 1), hci))
    assert not dongles.is_controller(usb((0xE0, 1, 4)))  # an AMP controller
    assert not dongles.is_controller(usb((9, 0, 0), hci))
    assert not dongles.is_controller(usb((0, 0, 0), (2, 2, 1)))


def test_two_of_the_same_kind_are_counted() -> None:
    found = dongles.named([(0x0A12, 1, "CSR"), (0x2FE3, 0xB, "Zephyr"), (0x0A12, 1, "CSR")])
    assert [each.address for each in found] == ["usb:0a12:0001", "usb:2fe3:000b", "usb:0a12:0001#1"]


def test_adapters_of_linux_are_those_that_the_kernel_lists(tmp_path: Path) -> None:
    for name in ("hci1", "hci0", "hci0:256"):
        (tmp_path / name).mkdir()
    assert [each.address for each in adapters.found_in(tmp_path)] == ["hci0", "hci1"]
    assert adapters.found_in(tmp_path / "nowhere") == []
