"""What a power supply can do for a test, and the limits that no test can talk it out of."""

from __future__ import annotations

import math
from typing import Protocol, runtime_checkable

from hil.errors import InputError


@runtime_checkable
class Supply(Protocol):
    """A one-channel supply that feeds the device. Volts, amperes, seconds of the bench's time.

    Every method raises BenchError, naming the instrument and the command, when the instrument does not answer,
    refuses or answers nonsense; and InputError, before anything is sent, for a value that is not finite, is
    negative or is above the rig's limit.
    """

    @property
    def max_volts(self) -> float:
        """The rig's limit; no method ever asks the instrument for more."""

    @property
    def max_amperes(self) -> float:
        """The rig's limit of the current limit."""

    def identity(self) -> str:
        """Who the instrument says it is: maker, model, serial number, firmware."""

    def set_volts(self, volts: float) -> None:
        """Set the output voltage, at full speed, whether the output is on or not."""

    def set_current_limit(self, amperes: float) -> None:
        """Set the current limit."""

    def on(self) -> None:
        """Switch the output on at the voltage set last."""

    def off(self) -> None:
        """Switch the output off."""

    def ramp(self, start: float, stop: float, seconds: float) -> None:
        """Begin a straight line from `start` to `stop` volts that takes `seconds`; returns when it has begun.

        The output must be on. `set_volts`, `cut` or another ramp ends it.
        """

    def cut(self) -> None:
        """Take the power away as fast as the instrument can; returns when it confirmed."""

    def restore(self) -> None:
        """Give the power back at the voltage of the last `set_volts`, at full speed."""

    def measure_volts(self) -> float:
        """Voltage at the terminals."""

    def measure_amperes(self) -> float:
        """Current out of the terminals."""

    def safe_off(self) -> None:
        """Output off, whatever state the driver or the instrument is in; tries more than once before it raises."""

    def close(self) -> None:
        """Let go of the instrument; does not change its output. A second call does nothing."""


class Limits:
    """The hard limits of a rig: every voltage and current on its way to an instrument passes here."""

    def __init__(self, max_volts: float, max_amperes: float) -> None:
        for name, value in (("max_volts", max_volts), ("max_amperes", max_amperes)):
            if not math.isfinite(value) or value <= 0:
                raise InputError(f"supply: {name} must be above 0, got {value!r}")
        self.max_volts = float(max_volts)
        self.max_amperes = float(max_amperes)

    def volts(self, value: float) -> float:
        """`value` in whole millivolts, rounded down so that rounding never exceeds the limit; InputError beyond it."""
        return self._checked(value, self.max_volts, "V", 1e3)

    def amperes(self, value: float) -> float:
        """`value` in whole tenths of a milliampere, rounded down; InputError beyond the limit."""
        return self._checked(value, self.max_amperes, "A", 1e4)

    @staticmethod
    def seconds(value: float) -> float:
        """A finite duration above zero; InputError otherwise."""
        if not math.isfinite(value) or value <= 0:
            raise InputError(f"supply: a ramp needs a duration above 0 s, got {value!r}")
        return float(value)

    @staticmethod
    def _checked(value: float, limit: float, unit: str, steps: float) -> float:
        if not math.isfinite(value) or value < 0:
            raise InputError(f"supply: {value!r} {unit} is not a value to set")
        if value > limit:
            raise InputError(f"supply: {value:g} {unit} is above the rig's limit of {limit:g} {unit}")
        whole = math.floor(value * steps + 1e-6)
        if whole / steps > limit:  # the tolerance for binary fractions may not cross the limit either
            whole -= 1
        return whole / steps
