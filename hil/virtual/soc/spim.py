"""SPIM: SPI master with EasyDMA (nRF52840 Product Specification, SPIM).

START sends TXD.MAXCNT bytes and receives RXD.MAXCNT; the shorter of the two is filled up, with ORC or by dropping.
ENDTX and ENDRX come when each buffer is done, END with the later one. Nothing is connected to the wires: see
spi_bus.py. Not modelled: the levels of SCK, MOSI, CSN and DCX on their pins.

STOP comes to rest after the byte on the wire, and generates ENDTX and ENDRX if they have not come.

Assumed, no source found: a buffer of no bytes ends at START; END does not come with STOP.
"""

from __future__ import annotations

from collections.abc import Sequence

from hil.virtual.kernel import Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.spi_bus import byte_ticks, idle_byte

ENABLED = 7
PIN = 0x8000_003F


class Spim(Peripheral):
    STATE = ("_total", "_done", "_since", "_suspended", "_event", "_open")

    def __init__(
        self,
        index: int,
        base: int,
        irq: int,
        ports: Sequence[Gpio],
        dma: EasyDma,
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__(f"SPIM{index}", base, irq, kernel, bus, lines)
        self._ports = ports
        self._dma = dma
        self._total: int | None = None
        """Bytes of the transfer under way."""
        self._done = 0
        """Bytes exchanged up to the tick ``_since``."""
        self._since = 0
        self._suspended = False
        self._open: list[int] = []
        """Which of ENDRX and ENDTX is still to come."""
        self._event: Event | None = None
        self.task(0x010, self._start)
        self.task(0x014, self._stop)
        self.task(0x01C, self._suspend)
        self.task(0x020, self._resume)
        self.STOPPED = self.event(0x104)
        self.ENDRX = self.event(0x110)
        self.END = self.event(0x118)
        self.ENDTX = self.event(0x120)
        self.STARTED = self.event(0x14C)
        self.interrupts()
        self.shortcuts({17: (self.END, self._start)})
        self.STALLSTAT = self.register(0x400, mask=3)
        self.ENABLE = self.register(0x500, mask=0xF, write=self._write_enable)
        self.PSEL_SCK = self.register(0x508, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_MOSI = self.register(0x50C, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_MISO = self.register(0x510, reset=0xFFFF_FFFF, mask=PIN)
        self.PSEL_CSN = self.register(0x514, reset=0xFFFF_FFFF, mask=PIN)
        self.FREQUENCY = self.register(0x524, reset=0x0400_0000)
        self.RXD_PTR = self.register(0x534)
        self.RXD_MAXCNT = self.register(0x538, mask=0xFFFF)
        self.RXD_AMOUNT = self.register(0x53C, read_only=True)
        self.RXD_LIST = self.register(0x540, mask=3)
        self.TXD_PTR = self.register(0x544)
        self.TXD_MAXCNT = self.register(0x548, mask=0xFFFF)
        self.TXD_AMOUNT = self.register(0x54C, read_only=True)
        self.TXD_LIST = self.register(0x550, mask=3)
        self.CONFIG = self.register(0x554, mask=7)
        self.RXDELAY = self.register(0x560, reset=2, mask=7)
        self.CSNDUR = self.register(0x564, reset=2, mask=0xFF)
        self.CSNPOL = self.register(0x568, mask=1)
        self.PSELDCX = self.register(0x56C, reset=0xFFFF_FFFF, mask=PIN)
        self.DCXCNT = self.register(0x570, mask=0xF)
        self.ORC = self.register(0x5C0, mask=0xFF)

    def on_reset(self, cause: ResetCause) -> None:
        self._abandon()
        self._open = []

    def _abandon(self) -> None:
        self.kernel.cancel(self._event)
        self._event = self._total = None
        self._suspended = False

    def _write_enable(self, value: int) -> None:
        self.values[self.ENABLE] = value & 0xF
        if self.values[self.ENABLE] != ENABLED:
            self._abandon()
            self._open = []

    def _start(self) -> None:
        if self.values[self.ENABLE] != ENABLED or self._total is not None:
            return
        self.kernel.cancel(self._event)  # a stop that has not ended yet: the transfer begins all the same
        self._event = None
        self._total = max(self.values[self.RXD_MAXCNT], self.values[self.TXD_MAXCNT])
        self._done = 0
        self._since = self.kernel.now
        self._suspended = False
        self._open = [self.ENDRX, self.ENDTX]
        self.values[self.RXD_AMOUNT] = self.values[self.TXD_AMOUNT] = 0
        self.fire(self.STARTED)
        self._reach()

    def _suspend(self) -> None:
        """SUSPEND: the byte on the wire is finished."""
        if self._total is None or self._suspended:
            return
        self._settle(whole=True)
        self._suspended = True
        self.kernel.cancel(self._event)
        self._event = None

    def _resume(self) -> None:
        if self._total is not None and self._suspended:
            self._suspended = False
            self._since = max(self._since, self.kernel.now)
            self._plan()

    def _stop(self) -> None:
        if self.values[self.ENABLE] != ENABLED:
            return
        delay = 0
        if self._total is not None:
            if not self._suspended:
                self._settle(whole=True)
            delay = max(0, self._since - self.kernel.now)
            self._move()
        self._abandon()
        self._event = self.kernel.after(delay, self._stopped)

    def _stopped(self) -> None:
        self._event = None
        still, self._open = self._open, []
        for event in still:
            self.fire(event)
        self.fire(self.STOPPED)

    def _settle(self, *, whole: bool = False) -> None:
        """Bring the count of bytes up to now; ``whole`` counts the byte on the wire as well."""
        ticks = byte_ticks(self.values[self.FREQUENCY])
        passed = self.kernel.now - self._since
        count = -(-passed // ticks) if whole else passed // ticks
        count = min(count, (self._total or 0) - self._done)
        self._done += count
        self._since += count * ticks

    def _move(self) -> None:
        """Tell how much of each buffer is through, and put what came in into RAM."""
        received = min(self._done, self.values[self.RXD_MAXCNT])
        before = self.values[self.RXD_AMOUNT]
        if received > before:
            data = bytes([idle_byte(self._ports, self.values[self.PSEL_MISO])]) * (received - before)
            self._dma.write(self.values[self.RXD_PTR] + before, data, self.name)
        sent = min(self._done, self.values[self.TXD_MAXCNT])
        if sent > self.values[self.TXD_AMOUNT]:
            # Nobody listens; reading tells of a buffer that EasyDMA cannot reach.
            self._dma.read(self.values[self.TXD_PTR], sent, self.name)
        self.values[self.RXD_AMOUNT], self.values[self.TXD_AMOUNT] = received, sent

    def _plan(self) -> None:
        assert self._total is not None
        ends = (self.values[self.RXD_MAXCNT], self.values[self.TXD_MAXCNT])
        following = min((end for end in ends if end > self._done), default=self._total)
        ticks = byte_ticks(self.values[self.FREQUENCY])
        self._event = self.kernel.at(self._since + (following - self._done) * ticks, self._reach)

    def _reach(self) -> None:
        """One of the buffers is through, or both."""
        self._event = None
        self._settle()
        self._move()
        for end, event in ((self.RXD_MAXCNT, self.ENDRX), (self.TXD_MAXCNT, self.ENDTX)):
            if self.values[end] <= self._done and event in self._open:
                self._open.remove(event)
                self.fire(event)
        if self._total is None:
            return  # a shortcut or PPI task stopped it
        if self._done < self._total:
            if not self._suspended:
                self._plan()
            return
        self._total = None
        for pointer, end, mode in (
            (self.RXD_PTR, self.RXD_MAXCNT, self.RXD_LIST),
            (self.TXD_PTR, self.TXD_MAXCNT, self.TXD_LIST),
        ):
            if self.values[mode] & 1:  # ArrayList
                self.values[pointer] = (self.values[pointer] + self.values[end]) & 0xFFFF_FFFF
        self.fire(self.END)
