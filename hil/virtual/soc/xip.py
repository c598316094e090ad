"""XIP: the external flash in the address space of the CPU (nRF52840 Product Specification, QSPI, Execute in place).

A read gives what the memory holds at the address in the window plus XIPOFFSET. Neither a write nor a read while QSPI
is not active has an answer on the chip: both are logged and counted like an access that is not modelled. Assumed, no
source found: they read zero and do nothing else. Not modelled: the time a read takes; the CPU executes nothing there.
"""

from __future__ import annotations

from hil.virtual.soc.bus import Bus
from hil.virtual.soc.qspi import Qspi

XIP_BASE, XIP_SIZE = 0x1200_0000, 0x800_0000


class Xip:
    """The window on the bus."""

    def __init__(self, qspi: Qspi, bus: Bus) -> None:
        self._qspi = qspi
        self._bus = bus
        bus.attach(XIP_BASE, XIP_SIZE, self)

    def read(self, offset: int, size: int) -> int:
        data = self._qspi.read_in_place(offset, size)
        if data is None:
            self._bus.note(XIP_BASE + offset, "read", "read of the external flash while QSPI is not active")
            return 0
        return int.from_bytes(data, "little")

    def write(self, offset: int, size: int, value: int) -> None:
        self._bus.note(XIP_BASE + offset, "write", "write to the external flash, which XIP cannot do,")
