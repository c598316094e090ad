"""PPI: events wired to tasks without the CPU (nRF52840 Product Specification, PPI)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import WORD, InterruptLines, Peripheral, ResetCause

PROGRAMMABLE = 20
CHANNELS = 32
GROUPS = 6

RADIO, TIMER0, RTC0, AAR, CCM = 0x4000_1000, 0x4000_8000, 0x4000_B000, 0x4000_F000, 0x4000_F000
FIXED: tuple[tuple[int, int], ...] = (
    (TIMER0 + 0x140, RADIO + 0x000),  # 20: TIMER0 COMPARE[0] -> RADIO TXEN
    (TIMER0 + 0x140, RADIO + 0x004),  # 21: -> RADIO RXEN
    (TIMER0 + 0x144, RADIO + 0x010),  # 22: TIMER0 COMPARE[1] -> RADIO DISABLE
    (RADIO + 0x128, AAR + 0x000),  # 23: RADIO BCMATCH -> AAR START
    (RADIO + 0x100, CCM + 0x000),  # 24: RADIO READY -> CCM KSGEN
    (RADIO + 0x104, CCM + 0x004),  # 25: RADIO ADDRESS -> CCM CRYPT
    (RADIO + 0x104, TIMER0 + 0x044),  # 26: RADIO ADDRESS -> TIMER0 CAPTURE[1]
    (RADIO + 0x10C, TIMER0 + 0x048),  # 27: RADIO END -> TIMER0 CAPTURE[2]
    (RTC0 + 0x140, RADIO + 0x000),  # 28: RTC0 COMPARE[0] -> RADIO TXEN
    (RTC0 + 0x140, RADIO + 0x004),  # 29: -> RADIO RXEN
    (RTC0 + 0x140, TIMER0 + 0x00C),  # 30: -> TIMER0 CLEAR
    (RTC0 + 0x140, TIMER0 + 0x000),  # 31: -> TIMER0 START
)


class Ppi(Peripheral):
    """``on_change`` is called after the wiring changed, so that lazily computed events get scheduled."""

    STATE = ("_enabled",)

    def __init__(
        self, kernel: Kernel, bus: Bus, lines: InterruptLines, on_change: Callable[[], None]
    ) -> None:
        super().__init__("PPI", 0x4001_F000, None, kernel, bus, lines)
        self._on_change = on_change
        self._enabled = 0
        for group in range(GROUPS):
            self.task(8 * group, self._enable_group, group)
            self.task(8 * group + 4, self._disable_group, group)
        bus.register(self.base + 0x500, self._read_enabled, self._write_enabled)
        bus.register(self.base + 0x504, self._read_enabled, self._set_enabled)
        bus.register(self.base + 0x508, self._read_enabled, self._clear_enabled)
        self.EEP = [self._wired(0x510 + 8 * n) for n in range(PROGRAMMABLE)]
        self.TEP = [self._wired(0x514 + 8 * n) for n in range(PROGRAMMABLE)]
        self.CHG = [self.register(0x800 + 4 * n) for n in range(GROUPS)]
        self.FORK = [self._wired(0x910 + 4 * n) for n in range(CHANNELS)]

    def on_reset(self, cause: ResetCause) -> None:
        self._write_enabled(0)

    def restore(self, state: object) -> None:
        super().restore(state)
        self._wire()

    def _wired(self, offset: int) -> int:
        return self.register(offset, write=partial(self._write_endpoint, offset))

    def _write_endpoint(self, offset: int, value: int) -> None:
        self.values[offset] = value
        self._changed()

    def _read_enabled(self) -> int:
        return self._enabled

    def _write_enabled(self, value: int) -> None:
        self._enabled = value & WORD
        self._changed()

    def _set_enabled(self, value: int) -> None:
        self._write_enabled(self._enabled | value)

    def _clear_enabled(self, value: int) -> None:
        self._write_enabled(self._enabled & ~value)

    def _enable_group(self, group: int) -> None:
        self._set_enabled(self.values[self.CHG[group]])

    def _disable_group(self, group: int) -> None:
        self._clear_enabled(self.values[self.CHG[group]])

    def _changed(self) -> None:
        self._wire()
        self._on_change()

    def _wire(self) -> None:
        routes = self.bus.routes
        routes.clear()
        for channel in range(CHANNELS):
            if not self._enabled >> channel & 1:
                continue
            if channel < PROGRAMMABLE:
                event, task = self.values[self.EEP[channel]], self.values[self.TEP[channel]]
            else:
                event, task = FIXED[channel - PROGRAMMABLE]
            tasks = [address for address in (task, self.values[self.FORK[channel]]) if address]
            if event and tasks:
                routes.setdefault(event, []).extend(tasks)
