"""GPIOTE: pins as events and tasks (nRF52840 Product Specification, GPIOTE).

A pin in task mode is GPIOTE's: its level starts at OUTINIT, and OUT and DIR of the port do not reach it until the
channel lets go of it. Assumed, no source found: a CONFIG written again in task mode, for the same pin, leaves its
level alone.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

CHANNELS = 8
PIN = 0x3F00
"""CONFIG.PSEL and PORT."""
EVENT_MODE, TASK_MODE = 1, 3
LOW_TO_HIGH, HIGH_TO_LOW, TOGGLE = 1, 2, 3


class Gpiote(Peripheral):
    STATE = ("_levels",)

    def __init__(self, ports: Sequence[Gpio], kernel: Kernel, bus: Bus, lines: InterruptLines) -> None:
        super().__init__("GPIOTE", 0x4000_6000, 6, kernel, bus, lines)
        self._ports = ports
        self._levels: dict[int, bool] = {}
        for n in range(CHANNELS):
            self.task(0x000 + 4 * n, self._out, n)
            self.task(0x030 + 4 * n, self._drive, n, True)
            self.task(0x060 + 4 * n, self._drive, n, False)
        self.IN = [self.event(0x100 + 4 * n) for n in range(CHANNELS)]
        self.PORT = self.event(0x17C)
        self.interrupts()
        self.CONFIG = [
            self.register(0x510 + 4 * n, write=partial(self._configure, n)) for n in range(CHANNELS)
        ]
        for port in ports:
            port.on_change.append(self._pin_changed)
            port.on_detect.append(self._detected)

    def _detected(self) -> None:
        self.fire(self.PORT)

    def on_reset(self, cause: ResetCause) -> None:
        self._levels = {}

    def _configure(self, channel: int, value: int) -> None:
        before = self.values[self.CONFIG[channel]]
        if before & 3 == TASK_MODE:
            port, pin = self._pin(channel)
            if value & 3 != TASK_MODE or (before ^ value) & PIN:
                port.take(pin, None)
        self.values[self.CONFIG[channel]] = value & 0x0013_3F03
        port, pin = self._pin(channel)
        if value & 3 == TASK_MODE and (before & 3 != TASK_MODE or (before ^ value) & PIN):
            port.take(pin, bool(value >> 20 & 1))
        self._levels[channel] = port.level(pin)

    def _pin(self, channel: int) -> tuple[Gpio, int]:
        config = self.values[self.CONFIG[channel]]
        port = self._ports[config >> 13 & 1]
        return port, min(config >> 8 & 31, port.pins - 1)

    def _pin_changed(self, port: int, pin: int) -> None:
        for channel in range(CHANNELS):
            config = self.values[self.CONFIG[channel]]
            if config & 3 != EVENT_MODE or config >> 8 & 0x3F != pin | port << 5:
                continue
            level = self._ports[port].level(pin)
            before = self._levels.get(channel, level)
            self._levels[channel] = level
            edge = 0 if level == before else LOW_TO_HIGH if level else HIGH_TO_LOW
            if edge & (config >> 16 & 3):
                self.fire(self.IN[channel])

    def _out(self, channel: int) -> None:
        config = self.values[self.CONFIG[channel]]
        polarity = config >> 16 & 3
        port, pin = self._pin(channel)
        if polarity:
            self._drive(channel, not port.level(pin) if polarity == TOGGLE else polarity == LOW_TO_HIGH)

    def _drive(self, channel: int, level: bool) -> None:
        if self.values[self.CONFIG[channel]] & 3 == TASK_MODE:
            port, pin = self._pin(channel)
            port.take(pin, level)
