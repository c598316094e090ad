"""pyserial looks for a handler of `hil://` under this module name; see `serial.py`."""

from hil.virtual.wire.serial import VirtualSerial as Serial

__all__ = ["Serial"]
