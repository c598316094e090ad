"""AAR: which device a resolvable private address belongs to (nRF52840 Product Specification, AAR).

The address follows the three bytes of the packet head at ADDRPTR: hash in its first three bytes, prand in its last
three, least significant byte first. It resolves with a key if hash = ah(IRK, prand) (Bluetooth Core Specification,
Vol 3, Part H, Random address hash function ah). The IRKs lie at IRKPTR, most significant byte first (Zephyr's
controller: "AAR requires big-endian IRKs").

The time for n keys is 1 us + n * tAAR; tAAR is taken from the nRF5340. Assumed, no source found: it is that of the
keys tried, up to the one that fits; STOP gives no event; the upper two bits of prand are not looked at.
SCRATCHPTR is stored only.
"""

from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.aes import BLOCK, AesModule, encrypt_block
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

ENABLED = 3
MOST_KEYS = 16
HEAD = 3
START = TICKS_PER_US
KEY = 61 * TICKS_PER_US // 10


class Aar(Peripheral):
    STATE = ("_event",)

    def __init__(self, aes: AesModule, dma: EasyDma, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("AAR", 0x4000_F000, 15, kernel, bus, lines)
        self._aes = aes
        self._dma = dma
        self._event: Event | None = None
        aes.users.append(self._uses_aes)
        self.task(0x000, self._start)
        self.task(0x008, self._stop)
        self.END = self.event(0x100)
        self.RESOLVED = self.event(0x104)
        self.NOTRESOLVED = self.event(0x108)
        self.interrupts()
        self.STATUS = self.register(0x400, read_only=True)
        self.ENABLE = self.register(0x500, mask=3, write=self._write_enable)
        self.NIRK = self.register(0x504, reset=1, mask=0x1F)
        self.IRKPTR = self.register(0x508)
        self.ADDRPTR = self.register(0x510)
        self.SCRATCHPTR = self.register(0x514)

    def on_reset(self, cause: ResetCause) -> None:
        self._stop()

    def _uses_aes(self) -> bool:
        return self._event is not None

    def _write_enable(self, value: int) -> None:
        self.values[self.ENABLE] = value & 3
        if self.values[self.ENABLE] != ENABLED:
            self._stop()

    def _start(self) -> None:
        if self.values[self.ENABLE] != ENABLED or self._event is not None:
            return
        self._aes.take()
        fits = self._find()
        tried = min(self.values[self.NIRK], MOST_KEYS) if fits is None else fits + 1
        self._event = self.kernel.after(START + tried * KEY, self._finish, fits)

    def _stop(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None

    def _find(self) -> int | None:
        """Index of the first key that the address resolves with."""
        address = self._dma.read(self.values[self.ADDRPTR] + HEAD, 6, self.name)
        keys = self._dma.read(
            self.values[self.IRKPTR], BLOCK * min(self.values[self.NIRK], MOST_KEYS), self.name
        )
        padded = bytes(13) + address[:2:-1]
        for index in range(len(keys) // BLOCK):
            key = keys[BLOCK * index : BLOCK * (index + 1)]
            if encrypt_block(key, padded)[:-4:-1] == address[:3]:
                return index
        return None

    def _finish(self, fits: int | None) -> None:
        self._event = None
        if fits is not None:
            self.values[self.STATUS] = fits
        self.fire(self.END)
        self.fire(self.NOTRESOLVED if fits is None else self.RESOLVED)
