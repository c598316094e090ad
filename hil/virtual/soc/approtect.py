"""APPROTECT: access port protection (nRF52840 Product Specification, Debug and trace, Access port protection).

Build codes Dx0 and earlier: the port closes with the first reset, of any kind, that finds UICR.APPROTECT
Enabled. Build codes Fx0 and later: it is closed unless UICR.APPROTECT was HwDisabled at the last reset and
software has written SwDisable to APPROTECT.DISABLE; that register keeps its value over a soft and a lockup
reset. FORCEPROTECT, which every reset clears, keeps software from opening the port.

CTRL-AP ERASEALL opens the port of either. On Fx0 it stays open until DISABLE is reset; the watchdog is said to
close it outside debug interface mode only, which is not told apart here.
"""

from __future__ import annotations

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.uicr import Uicr

SW_DISABLE = 0x5A
FORCE = 0x00
KEEPS_DISABLE = (ResetCause.SOFT, ResetCause.LOCKUP, ResetCause.DEBUG)
"""CTRL-AP resets as software does."""


class Approtect(Peripheral):
    """``closed`` says whether the debugger is kept out."""

    STATE = ("_opened_by_erase", "_opened_by_uicr", "_forced")

    def __init__(self, uicr: Uicr, hardened: bool, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("APPROTECT", 0x4000_0000, None, kernel, bus, lines)
        self._uicr = uicr
        self._hardened = hardened
        self._opened_by_erase = False
        self._opened_by_uicr = False
        self._forced = False
        # The other chips have nothing at these addresses, and software for all of them writes there.
        self.FORCEPROTECT = self.register(0x550, reset=0xFFFF_FFFF, write=self._force)
        self.DISABLE = self.register(0x558, mask=0xFF)

    @property
    def closed(self) -> bool:
        if self._opened_by_erase:
            return False
        if not self._opened_by_uicr:
            return True
        return self._hardened and (self._forced or self.values[self.DISABLE] != SW_DISABLE)

    def erased(self) -> None:
        """CTRL-AP ERASEALL has run."""
        self._opened_by_erase = self._hardened
        self._opened_by_uicr = self._uicr.approtect_opens(self._hardened)

    def reset(self, cause: ResetCause) -> None:
        disable = self.values[self.DISABLE]
        super().reset(cause)
        if cause in KEEPS_DISABLE:
            self.values[self.DISABLE] = disable

    def on_reset(self, cause: ResetCause) -> None:
        self._forced = False
        self._opened_by_uicr = self._uicr.approtect_opens(self._hardened)
        if cause not in KEEPS_DISABLE:
            self._opened_by_erase = False

    def _force(self, value: int) -> None:
        if not self._forced and value & 0xFF == FORCE:
            self._forced = True
            self.values[self.FORCEPROTECT] = value
