"""SAADC: successive approximation ADC with EasyDMA (nRF52840 Product Specification, SAADC).

RESULT = (V(P) - V(N)) * GAIN / REFERENCE * 2^(RESOLUTION - m),  m = 1 for differential, 0 for single ended

A conversion takes the acquisition time plus tCONV. Noise and the time of a calibration are assumed, no source
found.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.virtual.kernel import TICKS_PER_US, Event, Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

CHANNELS = 8
GAINS = (1 / 6, 1 / 5, 1 / 4, 1 / 3, 1 / 2, 1.0, 2.0, 4.0)
ACQUISITION_US = (3, 5, 10, 15, 20, 40, 40, 40)
CONVERSION_US = 2
"""tCONV is "below 2 us"."""
INTERNAL_REFERENCE = 0.6
PSEL_VDD, PSEL_VDDHDIV5 = 9, 0xD
NOISE_LSB = 1.0
"""Standard deviation of one 12-bit conversion; the others scale with their LSB."""


class Saadc(Peripheral):
    """``supply`` gives VDD in volts; ``inputs`` the volts on AIN0..AIN7 (1..8), 0 V where absent."""

    STATE = ("_started", "_event", "_queue", "_sums", "_counts", "_amount", "inputs", "_pointer", "_capacity")

    def __init__(
        self,
        kit: str,
        supply: Callable[[], float],
        dma: EasyDma,
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__("SAADC", 0x4000_7000, 7, kernel, bus, lines)
        self._random = kernel.random(f"{kit}/saadc")
        self._supply = supply
        self._dma = dma
        self.inputs: dict[int, float] = {}
        self._started = False
        self._event: Event | None = None
        self._queue: list[int] = []
        self._sums: dict[int, int] = {}
        self._counts: dict[int, int] = {}
        self._amount = self._pointer = self._capacity = 0
        self.task(0x000, self._start)
        self.task(0x004, self._sample)
        self.task(0x008, self._stop)
        self.task(0x00C, self._calibrate)
        self.STARTED = self.event(0x100)
        self.END = self.event(0x104)
        self.DONE = self.event(0x108)
        self.RESULTDONE = self.event(0x10C)
        self.CALIBRATEDONE = self.event(0x110)
        self.STOPPED = self.event(0x114)
        self.LIMITH = [self.event(0x118 + 8 * n) for n in range(CHANNELS)]
        self.LIMITL = [self.event(0x11C + 8 * n) for n in range(CHANNELS)]
        self.interrupts(inten=True)
        self.register(0x400, read=self._status, read_only=True)
        self.ENABLE = self.register(0x500, mask=1)
        self.PSELP = [self.register(0x510 + 16 * n, mask=0x1F) for n in range(CHANNELS)]
        self.PSELN = [self.register(0x514 + 16 * n, mask=0x1F) for n in range(CHANNELS)]
        self.CONFIG = [
            self.register(0x518 + 16 * n, reset=0x0002_0000, mask=0x0117_1733) for n in range(CHANNELS)
        ]
        self.LIMIT = [self.register(0x51C + 16 * n, reset=0x7FFF_8000) for n in range(CHANNELS)]
        self.RESOLUTION = self.register(0x5F0, reset=1, mask=7)
        self.OVERSAMPLE = self.register(0x5F4, mask=0xF)
        self.SAMPLERATE = self.register(0x5F8, mask=0x17FF)
        self.PTR = self.register(0x62C)
        self.MAXCNT = self.register(0x630, mask=0x7FFF)
        self.register(0x634, read=self._read_amount, read_only=True)
        # Not in the specification: Nordic's driver switches the block off and on by it, for anomaly 212.
        bus.register(self.base + 0xFFC, _one, self._switch)

    def on_reset(self, cause: ResetCause) -> None:
        self.kernel.cancel(self._event)
        self._event = None
        self._started = False
        self._queue = []
        self._sums, self._counts = {}, {}
        self._amount = 0

    def _switch(self, value: int) -> None:
        if not value & 1:
            self.reset(ResetCause.SOFT)

    def _read_amount(self) -> int:
        return self._amount

    def _status(self) -> int:
        return int(self._event is not None)

    def _start(self) -> None:
        if not self.values[self.ENABLE]:
            return
        self._started = True
        self._pointer, self._capacity = self.values[self.PTR], self.values[self.MAXCNT]
        self._amount = 0
        self.fire(self.STARTED)

    def _stop(self) -> None:
        self.kernel.cancel(self._event)
        self._event = None
        self._queue = []
        self._started = False
        self.fire(self.STOPPED)

    def _calibrate(self) -> None:
        if self.values[self.ENABLE] and self._event is None:
            self._event = self.kernel.after(
                2 * (max(ACQUISITION_US) + CONVERSION_US) * TICKS_PER_US, self._calibrated
            )

    def _calibrated(self) -> None:
        self._event = None
        self.fire(self.CALIBRATEDONE)

    def _sample(self) -> None:
        if not self._started or self._event is not None:
            return
        self._queue = [n for n in range(CHANNELS) if self.values[self.PSELP[n]]]
        self._convert_next()

    def _convert_next(self) -> None:
        if not self._queue:
            self._event = None
            if self._started and self.values[self.SAMPLERATE] & 0x1000:
                period = max(self.values[self.SAMPLERATE] & 0x7FF, 80) * TICKS_PER_US // 16
                self._event = self.kernel.after(period, self._sample_again)
            return
        channel = self._queue[0]
        config = self.values[self.CONFIG[channel]]
        time = (ACQUISITION_US[config >> 16 & 7] + CONVERSION_US) * TICKS_PER_US
        repeats = self._averaged if config >> 24 & 1 else 1
        self._event = self.kernel.after(time * repeats, self._converted, channel, repeats)

    def _sample_again(self) -> None:
        self._event = None
        self._sample()

    @property
    def _averaged(self) -> int:
        return 1 << min(self.values[self.OVERSAMPLE], 8)

    def _converted(self, channel: int, repeats: int) -> None:
        self._event = None
        self._queue.pop(0)
        for _ in range(repeats):
            self._sums[channel] = self._sums.get(channel, 0) + self._convert(channel)
        count = self._counts.get(channel, 0) + repeats
        self._counts[channel] = count
        self.fire(self.DONE)
        if count >= self._averaged:
            result = round(self._sums.pop(channel) / count)
            self._counts[channel] = 0
            self._store_result(channel, result)
        if self._started and self._event is None:
            self._convert_next()

    def _convert(self, channel: int) -> int:
        config = self.values[self.CONFIG[channel]]
        bits = 8 + 2 * min(self.values[self.RESOLUTION], 3)
        volts = self._volts(self.values[self.PSELP[channel]])
        differential = bool(config >> 20 & 1)
        if differential:
            volts -= self._volts(self.values[self.PSELN[channel]])
        reference = self._supply() / 4 if config >> 12 & 1 else INTERNAL_REFERENCE
        if reference <= 0:
            return 0
        scale = float(1 << (bits - differential))
        code = volts * GAINS[config >> 8 & 7] / reference * scale
        code += self._random.gauss(0.0, NOISE_LSB * 2.0 ** (bits - 12))
        full = (1 << (bits - differential)) - 1
        # Single ended results may come out slightly negative, as on the chip.
        return max(-full - 1, min(full, round(code)))

    def _volts(self, selection: int) -> float:
        if selection == PSEL_VDD:
            return self._supply()
        if selection == PSEL_VDDHDIV5:
            return self._supply() / 5
        return self.inputs.get(selection, 0.0)

    def _store_result(self, channel: int, result: int) -> None:
        self.fire(self.RESULTDONE)
        if self._amount < self._capacity:
            data = (result & 0xFFFF).to_bytes(2, "little")
            self._dma.write(self._pointer + 2 * self._amount, data, self.name)
            self._amount += 1
        self._check_limits(channel, result)
        if self._amount >= self._capacity and self._started:
            self._started = False
            self.fire(self.END)

    def _check_limits(self, channel: int, result: int) -> None:
        limits = self.values[self.LIMIT[channel]]
        if result > _signed(limits >> 16):
            self.fire(self.LIMITH[channel])
        if result < _signed(limits & 0xFFFF):
            self.fire(self.LIMITL[channel])


def _one() -> int:
    return 1


def _signed(value: int) -> int:
    return value - 0x1_0000 if value & 0x8000 else value
