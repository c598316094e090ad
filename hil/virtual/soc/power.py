"""POWER: reset reasons, power-fail comparator, System OFF (nRF52840 Product Specification, POWER).

RESETREAS collects reasons until software clears them by writing ones; power-on and brown-out clear it,
which is how software tells them. GPREGRET survives soft and lockup resets and System OFF, not pin, watchdog
(Nordic DevZone, case 51958) and power resets.

The comparator watches VDD in normal voltage mode: POFCON.THRESHOLD counts; THRESHOLDVDDH, of a chip supplied
on VDDH, is stored only. While it is on and VDD below the threshold it keeps the NVMC from writing. On the chip
it is "not active in System OFF or in System ON when HFCLK is not running"; here a sleeping CPU is warned too,
whether or not a peripheral keeps HFCLK. Not modelled: anomaly 136, bits in RESETREAS that should not be set;
the wake-up reasons of LPCOMP, NFC, VBUS and the debug interface; an access to a RAM section that is off (it only
loses its content).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

from hil.virtual.kernel import Kernel
from hil.virtual.native.core import Latch
from hil.virtual.power.rail import Rail, Watch
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.memory import RAM_BASE
from hil.virtual.soc.peripheral import INTENCLR, INTENSET, InterruptLines, Peripheral, ResetCause

RESETPIN, DOG, SREQ, LOCKUP, OFF = 1, 2, 4, 8, 1 << 16
REASONS = {
    ResetCause.PIN: RESETPIN,
    ResetCause.WATCHDOG: DOG,
    ResetCause.SOFT: SREQ,
    ResetCause.LOCKUP: LOCKUP,
    ResetCause.DEBUG: SREQ,
    ResetCause.SYSTEM_OFF: OFF,
}
"""CTRL-AP resets as software does: assumed of SREQ, no source found."""
KEEPS_RETAINED = (ResetCause.SOFT, ResetCause.LOCKUP, ResetCause.DEBUG, ResetCause.SYSTEM_OFF)
POFCON_RESET = 0
SECTIONS = (2,) * 8 + (6,)
"""RAM sections of each block, RAM0 to RAM8 (nRF52840 Product Specification, Memory, RAM)."""
HIGHEST_THRESHOLD = 2.8
"""Volts: the highest setting of POFCON.THRESHOLD."""
POF_HYSTERESIS = 0.05
"""VPOFHYST in volts, typical. Taken from Nordic's later chips (nRF54L: 40 to 55 mV); the nRF52840's is assumed."""


class Power(Peripheral):
    """``pof_warning`` is true while POFCON is on and VDD is below its threshold: NVMC operations are
    prevented.
    """

    STATE = ("_watch",)

    def __init__(
        self, rail: Rail, kernel: Kernel, bus: Bus, lines: InterruptLines, on_system_off: Callable[[], None]
    ) -> None:
        super().__init__("POWER", 0x4000_0000, 0, kernel, bus, lines)
        self._rail = rail
        self._watch: Watch | None = None
        self.on_pof_change: Callable[[], None] = _mode
        """Called when ``pof_warning`` may have changed."""
        self.on_ram_off: Callable[[int, int], None] = _keep
        """Called with block and section of a RAM section that software switches off."""
        self.task(0x078, _mode)
        self.task(0x07C, _mode)
        self.POFWARN = self.event(0x108)
        self.SLEEPENTER = self.event(0x114)
        self.SLEEPEXIT = self.event(0x118)
        # USBDETECTED, USBREMOVED and USBPWRRDY never come: this bench has no USB supply.
        for offset in (0x11C, 0x120, 0x124):
            self.event(offset)
        self.RESETREAS = self.register(0x400, write=self._clear_reasons)
        self.register(0x428, read_only=True)  # RAMSTATUS
        self.register(0x438, read_only=True)  # USBREGSTATUS
        self.register(0x500, read=_nothing, write=partial(_system_off, on_system_off))
        self.pofcon = Latch(self.base + 0x510, 0xF1F, POFCON_RESET)
        """POFCON. Direct while nothing can come of the comparator."""
        self.POFCON = self.register(0x510, read=self._read_pofcon, write=self._write_pofcon)
        self.GPREGRET = self.register(0x51C, mask=0xFF)
        self.GPREGRET2 = self.register(0x520, mask=0xFF)
        self.DCDCEN = self.register(0x578, mask=1)
        self.register(0x580, mask=1)  # DCDCEN0
        self.register(0x640, read_only=True)  # MAINREGSTATUS: normal voltage mode, supplied on VDD
        self.RAM = [self._ram_block(block) for block in range(len(SECTIONS))]

    @property
    def pof_warning(self) -> bool:
        return self._watch is not None and self._watch.below

    def reset(self, cause: ResetCause) -> None:
        reasons = self.values[self.RESETREAS]
        retained = self.values[self.GPREGRET], self.values[self.GPREGRET2]
        super().reset(cause)
        if cause not in (ResetCause.POWER_ON, ResetCause.BROWN_OUT):
            self.values[self.RESETREAS] = reasons | REASONS[cause]
        if cause in KEEPS_RETAINED:
            self.values[self.GPREGRET], self.values[self.GPREGRET2] = retained

    def on_reset(self, cause: ResetCause) -> None:
        self.pofcon.value = POFCON_RESET
        self._compare()

    def ram_retained(self, block: int, section: int) -> bool:
        """Whether a RAM section keeps its content in System OFF (RAM[n].POWER, SnRETENTION)."""
        return bool(self.values[self.RAM[block]] >> (16 + section) & 1)

    def sections(self) -> Iterator[tuple[int, int]]:
        """Block and section numbers of all RAM sections."""
        for block in range(len(self.RAM)):
            for section in range(SECTIONS[block]):
                yield block, section

    def section(self, block: int, section: int) -> tuple[int, int]:
        """Address and size of a RAM section: RAM0 to RAM7 have two of 4 KiB, RAM8 has six of 32 KiB."""
        if block < 8:
            return RAM_BASE + 0x2000 * block + 0x1000 * section, 0x1000
        return RAM_BASE + 0x1_0000 + 0x8000 * section, 0x8000

    def _ram_block(self, block: int) -> int:
        offset = 0x900 + 0x10 * block
        self.register(offset, reset=0x0000_FFFF, write=partial(self._write_ram, block))
        self.bus.register(self.base + offset + 4, _nothing, partial(self._set_ram, block))
        self.bus.register(self.base + offset + 8, _nothing, partial(self._clear_ram, block))
        return offset

    def _write_ram(self, block: int, value: int) -> None:
        before = self.values[self.RAM[block]]
        self.values[self.RAM[block]] = value
        for section in range(SECTIONS[block]):
            if before & ~value & 1 << section:
                self.on_ram_off(block, section)

    def _set_ram(self, block: int, value: int) -> None:
        self._write_ram(block, self.values[self.RAM[block]] | value)

    def _clear_ram(self, block: int, value: int) -> None:
        self._write_ram(block, self.values[self.RAM[block]] & ~value)

    def _clear_reasons(self, value: int) -> None:
        self.values[self.RESETREAS] &= ~value

    def _write_pofcon(self, value: int) -> None:
        self.pofcon.value = value & self.pofcon.mask
        if not self.pofcon.direct:
            self._compare()

    def _read_pofcon(self) -> int:
        return int(self.pofcon.value)

    def leave_comparator(self, idle: bool) -> None:
        """Take the comparator away while VDD stays above every threshold; put it back where it then is."""
        if idle == bool(self.pofcon.direct):
            return
        self.pofcon.direct = idle
        if idle:
            self._unwatch()
        elif self.pofcon.value & 1:
            watch = self._rail.watch(self._threshold(), self._pof_crossed, POF_HYSTERESIS, below=False)
            if self.pofcon.direct:
                # The rail has told of the new watch meanwhile, and VDD is high enough to do without.
                self._rail.unwatch(watch)
            else:
                self._watch = watch

    def save(self) -> object:
        return super().save(), self.pofcon.value

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        shared, self.pofcon.value = state
        super().restore(shared)
        self.pofcon.direct = 0

    def _unwatch(self) -> None:
        if self._watch is not None:
            self._rail.unwatch(self._watch)
            self._watch = None

    def _threshold(self) -> float:
        # Values below 4 (1.7 V) "should not be used", brown-out comes first; taken here as 1.7 V.
        return 1.7 + 0.1 * (max(int(self.pofcon.value) >> 1 & 0xF, 4) - 4)

    def _compare(self) -> None:
        self._unwatch()
        if self.pofcon.value & 1:
            self._watch = self._rail.watch(self._threshold(), self._pof_crossed, POF_HYSTERESIS)
            if self._watch.below:
                self.fire(self.POFWARN)
        self.on_pof_change()

    def _pof_crossed(self, below: bool) -> None:
        if below:
            self.fire(self.POFWARN)
        self.on_pof_change()


def share_interrupt_registers(bus: Bus, first: Peripheral, second: Peripheral) -> None:
    """POWER and CLOCK are one block: a write to INTENSET or INTENCLR reaches both, each takes its own
    bits.
    """

    def read() -> int:
        return first.inten | second.inten

    def enable(value: int) -> None:
        first.set_interrupts(first.inten | value)
        second.set_interrupts(second.inten | value)

    def disable(value: int) -> None:
        first.set_interrupts(first.inten & ~value)
        second.set_interrupts(second.inten & ~value)

    bus.register(first.base + INTENSET, read, enable)
    bus.register(first.base + INTENCLR, read, disable)


def _keep(block: int, section: int) -> None:
    """Nobody has the cells."""


def _mode() -> None:
    """Constant latency and low power differ in wake-up times only, which are not modelled."""


def _nothing() -> int:
    return 0


def _system_off(on_system_off: Callable[[], None], value: int) -> None:
    if value & 1:
        on_system_off()
