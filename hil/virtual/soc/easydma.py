"""EasyDMA: peripherals reach RAM only (nRF52840 Product Specification, EasyDMA).

EasyDMA cannot reach flash, so ACL has nothing to do with it. A pointer outside RAM "may result in a HardFault or
RAM corruption": such a transfer is refused here, the peripheral carries on without touching memory, and the
transfer is logged.
"""

from __future__ import annotations

import logging

log = logging.getLogger(__name__)

RAM_BASE = 0x2000_0000


class EasyDma:
    """Access of the bus masters other than the CPU to the 256 KiB of RAM."""

    def __init__(self, ram: memoryview) -> None:
        self._ram = ram

    def read(self, address: int, count: int, master: str) -> bytes:
        """``count`` bytes from RAM; zeros, and a warning, when the range is not in RAM."""
        start = address - RAM_BASE
        if not self._inside(start, count, address, master):
            return bytes(count)
        return bytes(self._ram[start : start + count])

    def write(self, address: int, data: bytes | bytearray | memoryview, master: str) -> bool:
        """Put ``data`` into RAM; False, and a warning, when the range is not in RAM."""
        start = address - RAM_BASE
        if not self._inside(start, len(data), address, master):
            return False
        self._ram[start : start + len(data)] = data
        return True

    def _inside(self, start: int, count: int, address: int, master: str) -> bool:
        if start >= 0 and start + count <= len(self._ram):
            return True
        log.warning("%s: EasyDMA of %d bytes at 0x%08x is not in RAM, refused", master, count, address)
        return False
