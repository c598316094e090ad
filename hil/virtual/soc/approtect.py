"""APPROTECT: access port protection of chips with build code Fx0 and later (nRF52840 PS v1.8, 4.8 Debug)."""

from __future__ import annotations

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.uicr import Uicr

SW_DISABLE = 0x5A


class Approtect(Peripheral):
    """``closed`` says whether the debugger is kept out."""

    STATE = ("_opened_by_erase",)

    def __init__(self, uicr: Uicr, hardened: bool, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("APPROTECT", 0x4000_0000, None, kernel, bus, lines)
        self._uicr = uicr
        self._hardened = hardened
        self._opened_by_erase = False
        # The other chips have nothing at these addresses, and software for all of them writes there.
        self.FORCEPROTECT = self.register(0x550, reset=0xFF)
        self.DISABLE = self.register(0x558)

    @property
    def closed(self) -> bool:
        if self._opened_by_erase:
            return False
        if not self._uicr.approtect_opens(self._hardened):
            return True
        return self._hardened and self.values[self.DISABLE] & 0xFF != SW_DISABLE

    def erased(self) -> None:
        """CTRL-AP ERASEALL has run: the port stays open until the next pin or power reset."""
        self._opened_by_erase = True

    def on_reset(self, cause: ResetCause) -> None:
        if cause in (ResetCause.POWER_ON, ResetCause.BROWN_OUT, ResetCause.PIN):
            self._opened_by_erase = False
