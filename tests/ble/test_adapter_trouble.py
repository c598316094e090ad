"""What is wrong with an adapter is told in one line, with what to do; what is wrong with a device is not
taken for it.
"""

from __future__ import annotations

import asyncio
import os
import tty
from typing import Any

import pytest
from bleak.exc import (
    BleakBluetoothNotAvailableError,
    BleakDBusError,
    BleakDeviceNotFoundError,
    BleakError,
)
from bleak.exc import BleakBluetoothNotAvailableReason as Reason

from hil.ble import central as centrals
from hil.ble import radio as radios
from hil.ble.adapter_trouble import of_dongle, of_system
from hil.ble.central import Central, Seen
from hil.ble.radio import Radio
from hil.errors import BenchError, DeviceError

ADAPTER = [
    (
        BleakBluetoothNotAvailableError("No Bluetooth adapters found.", Reason.NO_BLUETOOTH),
        "plug",
    ),
    (
        BleakBluetoothNotAvailableError("off", Reason.POWERED_OFF),
        "bluetoothctl power on",
    ),
    (
        BleakBluetoothNotAvailableError("no", Reason.DENIED_BY_USER),
        "privacy settings",
    ),
    (
        BleakBluetoothNotAvailableError("no", Reason.DENIED_BY_SYSTEM),
        "group bluetooth",
    ),
    (
        BleakDBusError("org.freedesktop.DBus.Error.ServiceUnknown", ["not provided"]),
        "systemctl start bluetooth",
    ),
    (BleakDBusError("org.freedesktop.DBus.Error.AccessDenied", ["rejected"]), "group bluetooth"),
    (BleakDBusError("org.bluez.Error.NotReady", ["Resource Not Ready"]), "the adapter is off"),
    (BleakDBusError("org.bluez.Error.InProgress", ["Operation already in progress"]), "another program"),
    (BleakError("adapter 'hci7' not found"), "bluetoothctl list"),
    (FileNotFoundError(2, "No such file or directory"), "no message bus"),
    (EOFError(), "did bluetoothd end"),
]
DEVICE = [
    BleakError("failed to discover services, device disconnected"),
    BleakDBusError("org.bluez.Error.Failed", ["le-connection-abort-by-local"]),
    BleakDeviceNotFoundError("AA", "was not found"),
]


@pytest.mark.parametrize(("error", "remedy"), ADAPTER)
def test_the_systems_adapter_comes_with_a_remedy(
    error: Exception, remedy: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Scanner:
        def __init__(self, *arguments: Any, **named: Any) -> None: ...

        async def __aenter__(self) -> None:
            raise error

        async def __aexit__(self, *arguments: Any) -> None: ...

    monkeypatch.setattr(centrals, "BleakScanner", Scanner)
    for ask in (lambda: Central(None, adapter="hci0").scan(0.1), lambda: Central(None).find(name="x")):
        with pytest.raises(BenchError) as caught:
            asyncio.run(ask())
        assert remedy in str(caught.value)
        assert "\n" not in str(caught.value)


def _client(error: Exception) -> type:
    class Client:
        def __init__(self, *arguments: Any, **named: Any) -> None: ...

        async def connect(self) -> None:
            raise error

    return Client


def _seen() -> Seen:
    from bleak.backends.device import BLEDevice

    return Seen(BLEDevice("AA:BB:CC:DD:EE:FF", "x", None), None)  # type: ignore[arg-type]


@pytest.mark.parametrize("error", [each for each, _ in ADAPTER])
def test_an_adapter_that_fails_while_connecting_is_not_laid_to_the_device(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(centrals, "BleakClient", _client(error))
    with pytest.raises(BenchError):
        asyncio.run(Central(None).connect(_seen(), attempts=1))


@pytest.mark.parametrize("error", [*DEVICE, TimeoutError()])
def test_a_device_that_refuses_is_not_laid_to_the_adapter(
    error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(centrals, "BleakClient", _client(error))
    with pytest.raises(DeviceError, match="cannot be connected to"):
        asyncio.run(Central(None).connect(_seen(), attempts=1))
    assert isinstance(error, TimeoutError) or of_system(error) is None


@pytest.mark.parametrize(
    ("transport", "error", "remedy"),
    [
        ("usb:0", ImportError("libusb-1.0 not found"), "apt install libusb"),
        ("usb:0", OSError("LIBUSB_ERROR_ACCESS [-3]"), "udev rule SUBSYSTEM"),
        ("usb:0", OSError("LIBUSB_ERROR_BUSY [-6]"), "rmmod btusb"),
        ("usb:2fe3:0004", OSError("device not found"), "usb:VENDOR:PRODUCT"),
        ("usb:0", OSError("no compatible interface found for device"), "no HCI controller"),
        (
            "serial:/dev/x,1000000",
            OSError("[Errno 13] Permission denied: '/dev/x'"),
            "group that owns the port",
        ),
        (
            "serial:/dev/x,1000000",
            OSError("[Errno 16] Device or resource busy"),
            "another program has the port",
        ),
    ],
)
def test_a_dongle_that_does_not_open_comes_with_a_remedy(
    transport: str, error: Exception, remedy: str
) -> None:
    text = of_dongle(transport, error)
    assert remedy in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("transport", "what"),
    [
        ("serial:/dev/does-not-exist,1000000", "ls /dev/serial/by-id"),
        ("tcp-client:127.0.0.1:1", "nothing listens there"),
        ("nonsense:1", r"expected usb:0, usb:VENDOR:PRODUCT"),
        ("serial:/dev/null,1000000", "that is no serial port"),
    ],
)
def test_places_where_there_is_no_controller(transport: str, what: str) -> None:
    with pytest.raises(BenchError, match=f"BLE adapter {transport}: cannot be opened: .*{what}"):
        asyncio.run(Radio.open(transport))


@pytest.mark.parametrize("said", [b"", b"\x00\xff\x13garbage" * 50, b"\x04\x0e\x04\x01\x99\x99\x00" * 20])
def test_a_serial_port_that_is_no_controller_is_told_in_time(
    said: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(radios, "POWER_ON_TIMEOUT_S", 1.0)
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    os.write(ours, said)
    try:
        with pytest.raises(BenchError, match=r"no answer to HCI Reset|BLE adapter"):
            asyncio.run(asyncio.wait_for(Radio.open(f"serial:{os.ttyname(theirs)},1000000"), 15.0))
    finally:
        os.close(ours)
        os.close(theirs)
