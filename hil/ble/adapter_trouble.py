"""What is wrong with a Bluetooth adapter, in a line that says what to do: the operating system's, and dongles
of our own.

An adapter that is switched off or was pulled out is the bench's fault; it must not be laid to the device.
Sources: bleak 2 (`exc.py`), the D-Bus API of BlueZ (doc/adapter-api), libusb's error codes.
"""

from __future__ import annotations

from bleak.exc import BleakBluetoothNotAvailableError, BleakDBusError, BleakError
from bleak.exc import BleakBluetoothNotAvailableReason as Reason

_POWER = "switch it on (Linux: bluetoothctl power on; rfkill list shows a block)"
_REASONS = {
    Reason.NO_BLUETOOTH: "plug an adapter in, or see what `bluetoothctl list` shows",
    Reason.NO_BLE_CENTRAL_ROLE: "this adapter knows no Bluetooth LE, or not as a central: take another",
    Reason.POWERED_OFF: _POWER,
    Reason.DENIED_BY_USER: "allow this program to use Bluetooth in the system's privacy settings",
    Reason.DENIED_BY_SYSTEM: "the system forbids it: on Linux add yourself to the group bluetooth, and log in again",
    Reason.DENIED_BY_UNKNOWN: "the system forbids it, and does not say why",
}
_DBUS = {
    "org.freedesktop.DBus.Error.ServiceUnknown": "bluetoothd does not run: sudo systemctl start bluetooth",
    "org.freedesktop.DBus.Error.NameHasNoOwner": "bluetoothd does not run: sudo systemctl start bluetooth",
    "org.freedesktop.DBus.Error.Disconnected": "the system's message bus is gone: is D-Bus running?",
    "org.freedesktop.DBus.Error.NoReply": "bluetoothd does not answer: sudo systemctl restart bluetooth",
    "org.freedesktop.DBus.Error.AccessDenied": "not allowed: add yourself to the group bluetooth, and log in again",
    "org.freedesktop.DBus.Error.UnknownObject": "the adapter is gone: is it unplugged, or was bluetoothd restarted?",
    "org.freedesktop.DBus.Error.UnknownMethod": "the adapter is gone: is it unplugged, or was bluetoothd restarted?",
    "org.bluez.Error.NotReady": f"the adapter is off: {_POWER}",
    "org.bluez.Error.NotAvailable": f"the adapter is off or gone: {_POWER}",
    "org.bluez.Error.NotAuthorized": "not allowed: add yourself to the group bluetooth, and log in again",
    "org.bluez.Error.InProgress": "another program is using the adapter: close it, or wait",
}


def of_system(error: BaseException) -> str | None:
    """What is wrong with the operating system's adapter, and the remedy; None where the error is about
    something else, such as the device.
    """
    if isinstance(error, BleakBluetoothNotAvailableError):
        remedy = _REASONS.get(error.reason)
        return f"{error.args[0]}: {remedy}" if remedy else str(error.args[0])
    if isinstance(error, BleakDBusError):
        remedy = _DBUS.get(error.dbus_error)
        return f"{error}: {remedy}" if remedy else None
    if isinstance(error, BleakError):
        text = str(error)
        if text.startswith("adapter '") and text.endswith("not found"):
            return f"{text}: `bluetoothctl list` shows which there are"
        if "turned off" in text.lower():
            return f"{text}: {_POWER}"
        return None
    if isinstance(error, FileNotFoundError | ConnectionRefusedError):
        return "the system has no message bus (D-Bus), and so no BlueZ: is it running, and in this container?"
    if isinstance(error, PermissionError):
        return "the system's message bus may not be used by this user"
    if isinstance(error, EOFError | ConnectionError | OSError):
        return (
            f"the system's Bluetooth service hung up ({error or type(error).__name__}): did bluetoothd end?"
        )
    return None


_UDEV = (
    'allow it by the udev rule SUBSYSTEM=="usb", ATTRS{idVendor}=="VVVV", MODE="0660", TAG+="uaccess" in '
    "/etc/udev/rules.d/60-hil.rules, with the vendor that lsusb shows, and plug it in again"
)


def of_dongle(transport: str, error: BaseException) -> str:
    """What is wrong with an HCI controller that could not be opened, and the remedy."""
    text = " ".join(str(error).split())[:300] or type(error).__name__
    low = text.lower()
    remedy = ""
    if transport.startswith(("usb:", "pyusb:")):
        if isinstance(error, ImportError) or ("libusb" in low and "not found" in low):
            remedy = "libusb is missing: install it (Debian: apt install libusb-1.0-0)"
        elif "access" in low or "-3" in low:
            remedy = _UDEV
        elif "busy" in low or "-6" in low:
            remedy = "the system's own driver or another program has it: sudo rmmod btusb, or stop bluetoothd"
        elif "device not found" in low:
            remedy = "plug it in, or name it as lsusb shows it: usb:VENDOR:PRODUCT"
        elif "no compatible interface" in low:
            remedy = "this device is no HCI controller: does it run HCI firmware?"
        elif "-99" in low or "other" in low:
            remedy = "libusb finds no USB here: is it a container without /dev/bus/usb?"
    elif transport.startswith("serial:"):
        if "no such file" in low or "filenotfound" in low:
            remedy = "plug it in, or name it as it is: ls /dev/serial/by-id"
        elif "permission denied" in low:
            remedy = "add yourself to the group that owns the port (Debian: dialout), and log in again"
        elif "busy" in low or "exclusive" in low:
            remedy = "another program has the port"
        elif "inappropriate ioctl" in low:
            remedy = "that is no serial port"
    elif "unknown transport" in low:
        remedy = "expected usb:0, usb:VENDOR:PRODUCT, serial:PORT,BAUD, tcp-client:HOST:PORT or hil:NAME"
    elif "connect call failed" in low or "refused" in low:
        remedy = "nothing listens there"
    return f"cannot be opened: {text}" + (f"; {remedy}" if remedy else "")
