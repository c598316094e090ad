"""GPIO: ports P0 and P1 (nRF52840 Product Specification, GPIO)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

PIN_CNF = 0x700
PIN_CNF_RESET = 2  # input buffer disconnected
PULL_DOWN, PULL_UP = 1, 3
SENSE_HIGH, SENSE_LOW = 2, 3


class Gpio(Peripheral):
    """One port. Outside the chip ``drive`` puts a level on a pin (None lets it float); ``level`` reads a pin.

    ``on_change(pin)`` is called when the level of a pin may have changed, ``on_detect`` when the port's
    DETECT rises.
    """

    STATE = ("_out", "_dir", "_latch", "_driven", "_detect", "_taken")

    def __init__(self, port: int, pins: int, kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        # P1 shares the page of P0: its registers follow at 0x300.
        super().__init__(f"P{port}", 0x5000_0000 + 0x300 * port, None, kernel, bus, lines)
        self.port = port
        self.pins = pins
        self.on_change: list[Callable[[int, int], None]] = []
        self.on_detect: list[Callable[[], None]] = []
        self._mask = (1 << pins) - 1
        self._out = 0
        self._dir = 0
        self._latch = 0
        self._detect = False
        self._driven: dict[int, bool] = {}
        self._taken: dict[int, bool] = {}
        """Levels of the pins that GPIOTE drives: OUT and DIR do not count for these."""
        register = bus.register
        register(self.base + 0x504, lambda: self._out, self.write_out)
        register(self.base + 0x508, lambda: self._out, lambda value: self.write_out(self._out | value))
        register(self.base + 0x50C, lambda: self._out, lambda value: self.write_out(self._out & ~value))
        register(self.base + 0x510, self._read_in, None)
        register(self.base + 0x514, lambda: self._dir, self._write_dir)
        register(self.base + 0x518, lambda: self._dir, lambda value: self._write_dir(self._dir | value))
        register(self.base + 0x51C, lambda: self._dir, lambda value: self._write_dir(self._dir & ~value))
        register(self.base + 0x520, lambda: self._latch, self._clear_latch)
        self.DETECTMODE = self.register(0x524, write=self._write_detect_mode)
        self.PIN_CNF = [
            self.register(PIN_CNF + 4 * n, reset=PIN_CNF_RESET, write=partial(self._write_pin_cnf, n))
            for n in range(pins)
        ]

    def drive(self, pin: int, level: bool | None) -> None:
        """Put a level on a pin from outside; None disconnects."""
        if level is None:
            self._driven.pop(pin, None)
        else:
            self._driven[pin] = level
        self._moved(pin)

    def level(self, pin: int) -> bool:
        """Level of the pin as a probe on it would see; a floating pin is low."""
        if pin in self._taken:
            return self._taken[pin]
        if self._dir >> pin & 1:
            return bool(self._out >> pin & 1)
        if pin in self._driven:
            return self._driven[pin]
        return self.values[self.PIN_CNF[pin]] >> 2 & 3 == PULL_UP

    def write_out(self, value: int) -> None:
        changed = (self._out ^ value) & self._mask
        self._out = value & self._mask
        self._moved_all(changed & self._dir)

    def is_output(self, pin: int) -> bool:
        """Whether the chip drives the pin."""
        return pin in self._taken or bool(self._dir >> pin & 1)

    def take(self, pin: int, level: bool | None) -> None:
        """GPIOTE drives the pin to ``level``; None gives it back to OUT and DIR."""
        if level is None:
            if self._taken.pop(pin, None) is not None:
                self._moved(pin)
        elif self._taken.get(pin) is not level:
            self._taken[pin] = level
            self._moved(pin)

    def reset(self, cause: ResetCause) -> None:
        # Pins hold through System OFF and the reset that ends it, those of GPIOTE as if they were the port's.
        if cause is not ResetCause.SYSTEM_OFF:
            super().reset(cause)
            return
        for pin, level in self._taken.items():
            self._dir |= 1 << pin
            self._out = self._out | 1 << pin if level else self._out & ~(1 << pin)
        self._taken = {}

    def on_reset(self, cause: ResetCause) -> None:
        changed = self._dir | sum(1 << pin for pin in self._taken)
        self._taken = {}
        self._out = self._dir = self._latch = 0
        self._detect = False
        self._moved_all(changed)

    def _read_in(self) -> int:
        value = 0
        for pin, offset in enumerate(self.PIN_CNF):
            if not self.values[offset] & 2 and self.level(pin):
                value |= 1 << pin
        return value

    def _write_dir(self, value: int) -> None:
        changed = (self._dir ^ value) & self._mask
        self._dir = value & self._mask
        for pin, offset in enumerate(self.PIN_CNF):
            self.values[offset] = self.values[offset] & ~1 | self._dir >> pin & 1
        self._moved_all(changed)

    def _write_pin_cnf(self, pin: int, value: int) -> None:
        self.values[self.PIN_CNF[pin]] = value & 0x0003_070F
        self._dir = self._dir & ~(1 << pin) | (value & 1) << pin
        self._moved(pin)

    def _write_detect_mode(self, value: int) -> None:
        self.values[self.DETECTMODE] = value & 1
        self._update_detect()

    def _clear_latch(self, value: int) -> None:
        self._latch &= ~value
        for pin in range(self.pins):
            self._sense(pin)
        if self.values[self.DETECTMODE] and value:
            self._detect = False  # LDETECT goes low for a moment, and high again if LATCH still has a bit
        self._update_detect()

    def _moved_all(self, pins: int) -> None:
        for pin in range(self.pins):
            if pins >> pin & 1:
                self._moved(pin)

    def _moved(self, pin: int) -> None:
        self._sense(pin)
        self._update_detect()
        for listener in self.on_change:
            listener(self.port, pin)

    def _sensed(self, pin: int) -> bool:
        sense = self.values[self.PIN_CNF[pin]] >> 16 & 3
        return sense == (SENSE_HIGH if self.level(pin) else SENSE_LOW)

    def _sense(self, pin: int) -> None:
        if self._sensed(pin):
            self._latch |= 1 << pin

    def _update_detect(self) -> None:
        if self.values[self.DETECTMODE]:
            detect = self._latch != 0
        else:
            detect = any(self._sensed(pin) for pin in range(self.pins))
        rose = detect and not self._detect
        self._detect = detect
        if rose:
            for listener in self.on_detect:
                listener()
