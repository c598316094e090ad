"""CLOCK: oscillators and their start-up times (nRF52840 Product Specification, CLOCK).

The CPU always has a high-frequency clock (HFINT or HFXO); only what software can see is modelled: start
tasks, started events after the typical start-up times, and the status registers. RTC and WDT count LFCLK
periods.

Start-up and calibration times are typical values; assumed, no source found for those of the nRF52840 (LFXO
and LFRC of the nRF5340: 0.31 s, 500 us).
"""

from __future__ import annotations

from collections.abc import Callable

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

HFXO_START = 360 * TICKS_PER_US
"""With the debounce time that HFXODEBOUNCE has from reset on: assumed."""
DEBOUNCE = 16 * TICKS_PER_US
DEBOUNCE_RESET = 0x10
LFRC_START = 600 * TICKS_PER_US
LFXO_START = 250 * TICKS_PER_MS
CALIBRATION = 16 * TICKS_PER_MS
CALIBRATION_TIMER_STEP = 250 * TICKS_PER_MS

LFRC, LFXO, LFSYNTH = 0, 1, 2
RUNNING = 1 << 16


class Clock(Peripheral):
    """``lfclk_running`` says whether RTCs count; ``on_lfclk`` are called when it changes, before it does."""

    STATE = (
        *("hfxo", "lfclk_source", "lfclk_running"),
        *("_hfxo_event", "_lfclk_event", "_calibration", "_calibration_timer"),
    )

    def __init__(self, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("CLOCK", 0x4000_0000, 0, kernel, bus, lines)
        self.hfxo = False
        self.lfclk_source = LFRC
        self.lfclk_running = False
        self.on_lfclk: list[Callable[[], None]] = []
        self._hfxo_event: Event | None = None
        self._lfclk_event: Event | None = None
        self._calibration: Event | None = None
        self._calibration_timer: Event | None = None
        self.task(0x000, self._start_hfxo)
        self.task(0x004, self._stop_hfxo)
        self.task(0x008, self._start_lfclk)
        self.task(0x00C, self._stop_lfclk)
        self.task(0x010, self._calibrate)
        self.task(0x014, self._start_calibration_timer)
        self.task(0x018, self._stop_calibration_timer)
        self.HFCLKSTARTED = self.event(0x100)
        self.LFCLKSTARTED = self.event(0x104)
        self.DONE = self.event(0x10C)
        self.CTTO = self.event(0x110)
        self.CTSTARTED = self.event(0x128)
        self.CTSTOPPED = self.event(0x12C)
        self.HFCLKRUN = self.register(0x408, read_only=True)
        self.register(0x40C, read=self._hfclkstat, read_only=True)
        self.LFCLKRUN = self.register(0x414, read_only=True)
        self.register(0x418, read=self._lfclkstat, read_only=True)
        self.LFCLKSRCCOPY = self.register(0x41C, read_only=True)
        self.LFCLKSRC = self.register(0x518, mask=0x0003_0003)
        self.HFXODEBOUNCE = self.register(0x528, reset=DEBOUNCE_RESET, mask=0xFF)
        self.CTIV = self.register(0x538, mask=0x7F)
        self.register(0x55C, mask=0x0003_0003)  # TRACECONFIG
        self.LFRCMODE = self.register(0x5B4, write=self._write_lfrc_mode)

    def on_reset(self, cause: ResetCause) -> None:
        for event in (self._hfxo_event, self._lfclk_event, self._calibration, self._calibration_timer):
            self.kernel.cancel(event)
        self.hfxo = False
        self._run_lfclk(False, LFRC)

    def _start_hfxo(self) -> None:
        self.values[self.HFCLKRUN] = 1
        self.kernel.cancel(self._hfxo_event)
        debounce = (max(1, self.values[self.HFXODEBOUNCE]) - DEBOUNCE_RESET) * DEBOUNCE
        self._hfxo_event = self.kernel.after(1 if self.hfxo else HFXO_START + debounce, self._hfxo_started)

    def _hfxo_started(self) -> None:
        self.hfxo = True
        self.fire(self.HFCLKSTARTED)

    def _stop_hfxo(self) -> None:
        self.kernel.cancel(self._hfxo_event)
        self.values[self.HFCLKRUN] = 0
        self.hfxo = False

    def _hfclkstat(self) -> int:
        return RUNNING | self.hfxo

    def _start_lfclk(self) -> None:
        source = self.values[self.LFCLKSRC] & 3
        self.values[self.LFCLKRUN] = 1
        self.values[self.LFCLKSRCCOPY] = source
        self.kernel.cancel(self._lfclk_event)
        # A crystal takes a quarter of a second; LFCLK runs from LFRC meanwhile.
        if self.lfclk_running and self.lfclk_source == source:
            delay = 1
        elif source == LFXO:
            delay = LFXO_START
        else:
            delay = LFRC_START
        if source == LFXO and not self.lfclk_running:
            self._run_lfclk(True, LFRC)
        self._lfclk_event = self.kernel.after(delay, self._lfclk_started, source)

    def _lfclk_started(self, source: int) -> None:
        self._run_lfclk(True, source)
        self.fire(self.LFCLKSTARTED)

    def _stop_lfclk(self) -> None:
        self.kernel.cancel(self._lfclk_event)
        self.values[self.LFCLKRUN] = 0
        self._run_lfclk(False, self.lfclk_source)

    def _run_lfclk(self, running: bool, source: int) -> None:
        if running != self.lfclk_running:
            for listener in self.on_lfclk:
                listener()
            self.lfclk_running = running
            for listener in self.on_lfclk:
                listener()
        self.lfclk_source = source

    def _lfclkstat(self) -> int:
        return (RUNNING | self.lfclk_source) if self.lfclk_running else self.lfclk_source

    def _write_lfrc_mode(self, value: int) -> None:
        """MODE, the ultra-low power mode of LFRC; STATUS, that it is in it, follows at once."""
        self.values[self.LFRCMODE] = (value & 1) * 0x1_0001

    def _calibrate(self) -> None:
        """CAL: LFRC against HFXO; what there is to calibrate is not modelled, LFRC is exact."""
        self.kernel.cancel(self._calibration)
        self._calibration = self.kernel.after(CALIBRATION, self.fire, self.DONE)

    def _start_calibration_timer(self) -> None:
        self.fire(self.CTSTARTED)
        self.kernel.cancel(self._calibration_timer)
        self._calibration_timer = self.kernel.after(
            self.values[self.CTIV] * CALIBRATION_TIMER_STEP, self.fire, self.CTTO
        )

    def _stop_calibration_timer(self) -> None:
        self.kernel.cancel(self._calibration_timer)
        self.fire(self.CTSTOPPED)
