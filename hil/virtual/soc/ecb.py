"""ECB: AES-128 encryption of one block (nRF52840 Product Specification, ECB).

The ECB data structure at ECBDATAPTR holds key, clear text and cipher text, 16 bytes each. The time of a block is
assumed, no source found.
"""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.aes import BLOCK, AesModule, encrypt_block
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

ENCRYPTION = 72 * TICKS_PER_US // 10


class Ecb(Peripheral):
    STATE = ("_event",)

    def __init__(self, aes: AesModule, dma: EasyDma, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("ECB", 0x4000_E000, 14, kernel, bus, lines)
        self._aes = aes
        self._dma = dma
        self._event: Event | None = None
        aes.on_conflict = self._stop
        self.task(0x000, self._start)
        self.task(0x004, self._stop)
        self.ENDECB = self.event(0x100)
        self.ERRORECB = self.event(0x104)
        self.interrupts()
        self.ECBDATAPTR = self.register(0x504)

    def on_reset(self, cause: ResetCause) -> None:
        self.kernel.cancel(self._event)
        self._event = None

    def _start(self) -> None:
        if self._event is not None:
            return
        if self._aes.busy:
            self.fire(self.ERRORECB)
            return
        self._event = self.kernel.after(ENCRYPTION, self._finish)

    def _stop(self) -> None:
        """STOPECB, or CCM or AAR took the AES module: what was under way ends with ERRORECB."""
        if self._event is not None:
            self.kernel.cancel(self._event)
            self._event = None
            self.fire(self.ERRORECB)

    def _finish(self) -> None:
        self._event = None
        pointer = self.values[self.ECBDATAPTR]
        data = self._dma.read(pointer, 2 * BLOCK, self.name)
        self._dma.write(pointer + 2 * BLOCK, encrypt_block(data[:BLOCK], data[BLOCK:]), self.name)
        self.fire(self.ENDECB)
