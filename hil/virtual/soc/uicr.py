"""UICR: user configuration that the hardware itself reads (nRF52840 Product Specification, UICR)."""

from __future__ import annotations

import struct

PSELRESET0, PSELRESET1, APPROTECT, REGOUT0 = 0x200, 0x204, 0x208, 0x304
RESET_PIN = 18
HW_DISABLED = 0x5A


class Uicr:
    """Reads the UICR page; writing goes through the NVMC like any flash."""

    def __init__(self, memory: memoryview) -> None:
        self._memory = memory

    def word(self, offset: int) -> int:
        """The word at ``offset`` into UICR."""
        return int(struct.unpack_from("<I", self._memory, offset)[0])

    @property
    def reset_pin_enabled(self) -> bool:
        """The nRESET function: both PSELRESET registers must name P0.18, connected."""
        return all(self.word(offset) & 0x8000_003F == RESET_PIN for offset in (PSELRESET0, PSELRESET1))

    def approtect_opens(self, hardened: bool) -> bool:
        """Whether UICR leaves the access port open: on hardened chips only HwDisabled (0x5A) does, on others all
        but Enabled (0); values besides those and Disabled (0xFF) are not specified.
        """
        value = self.word(APPROTECT) & 0xFF
        return value == HW_DISABLED if hardened else value != 0

    @property
    def vdd_from_high_voltage(self) -> float:
        """Output of REG0 in volts, for a chip supplied on VDDH."""
        level = self.word(REGOUT0) & 7
        return {0: 1.8, 1: 2.1, 2: 2.4, 3: 2.7, 4: 3.0, 5: 3.3}.get(level, 1.8)
