"""What can only switch the device's power: a relay, a port of a USB hub. Its voltage is that of whatever feeds it."""

from __future__ import annotations

import math
from typing import NoReturn

from hil.errors import BenchError
from hil.supply.base import Limits, Ramp

OFF_ATTEMPTS = 3


class Switch:
    """A supply that has one voltage; see `Supply` for the methods. A driver fills in `_turn` and `_release`.

    Setting the voltage that it has does nothing; any other voltage, a ramp, a current limit and a measurement raise
    BenchError, with the capability that a case should ask for.
    """

    def __init__(self, name: str, nominal_volts: float, max_volts: float) -> None:
        self._name = name
        self._limits = Limits(max_volts, math.inf)
        self._nominal = self._limits.volts(nominal_volts)
        self._closed = False

    @property
    def max_volts(self) -> float:
        return self._limits.max_volts

    @property
    def max_amperes(self) -> float:
        return self._limits.max_amperes

    def set_volts(self, volts: float) -> None:
        if self._limits.volts(volts) != self._nominal:
            self._cannot(f"set {volts:g} V: it switches {self._nominal:g} V", "supply.volts")

    def set_current_limit(self, amperes: float) -> None:
        self._limits.amperes(amperes)
        self._cannot("limit the current", "supply.volts")

    def ramp(self, start: float, stop: float, seconds: float) -> Ramp:
        for volts in (start, stop):
            self._limits.volts(volts)
        self._limits.seconds(seconds)
        self._cannot("ramp", "supply.ramp")

    def measure_volts(self) -> float:
        self._cannot("measure volts", "supply.measure")

    def measure_amperes(self) -> float:
        self._cannot("measure amperes", "supply.measure")

    def on(self) -> None:
        self._switch(True)

    def off(self) -> None:
        self._switch(False)

    def cut(self) -> None:
        self.off()

    def restore(self) -> None:
        self.on()

    def safe_off(self) -> None:
        for attempt in range(1, OFF_ATTEMPTS + 1):
            try:
                self._again(attempt)
                self._switch(False)
                return
            except BenchError:
                if attempt == OFF_ATTEMPTS:
                    raise

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._release()

    def _switch(self, on: bool) -> None:
        if self._closed:
            raise BenchError(f"supply {self._name}: {'on' if on else 'off'} after the supply was closed")
        self._turn(on)

    def _turn(self, on: bool) -> None:
        """Switch; BenchError when that failed."""
        raise NotImplementedError

    def _again(self, attempt: int) -> None:
        """Called before each attempt to switch off; may open anew what has gone."""

    def _release(self) -> None:
        """Let go of what the switch is reached by."""

    def _cannot(self, what: str, capability: str) -> NoReturn:
        raise BenchError(
            f'supply {self._name}: it cannot {what}; a case that does so says needs=["{capability}"]'
        )
