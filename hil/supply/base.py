"""What a power supply can do for a test, and the limits that no test can talk it out of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable

from hil.errors import InputError


@dataclass(frozen=True)
class Ramp:
    """How a ramp goes on, or went.

    An instrument that has a slew rate draws the line by itself: `left_seconds` is the time that it still takes. Where
    there is none the driver plays the line in steps and returns at its end: `left_seconds` is 0, and the steps are
    told, so that a record shows how near a straight line it was.
    """

    left_seconds: float
    step_volts: float = 0.0
    """The widest step, V; 0 where the instrument draws the line."""
    step_seconds: float = 0.0
    """The longest time between two steps, s."""


@runtime_checkable
class Supply(Protocol):
    """A one-channel supply that feeds the device. Volts, amperes, seconds of the bench's time.

    Every method raises BenchError, naming the instrument and the command, when the instrument does not answer,
    refuses, answers nonsense or cannot do that at all; and InputError, before anything is sent, for a value that is
    not finite, is negative or is above the rig's limit.
    """

    @property
    def max_volts(self) -> float:
        """The rig's limit; no method ever asks the instrument for more."""

    @property
    def max_amperes(self) -> float:
        """The rig's limit of the current limit; infinite for a switch, which limits no current."""

    def identity(self) -> str:
        """Who the instrument says it is: maker, model, serial number, firmware."""

    def set_volts(self, volts: float) -> None:
        """Set the output voltage, at full speed, whether the output is on or not.

        With the output on, returns when the voltage reads back as set, or the instrument's settling time has passed.
        """

    def set_current_limit(self, amperes: float) -> None:
        """Set the current limit."""

    def on(self) -> None:
        """Switch the output on at the voltage set last."""

    def off(self) -> None:
        """Switch the output off."""

    def ramp(self, start: float, stop: float, seconds: float) -> Ramp:
        """Go in a straight line from `start` to `stop` volts that takes `seconds`. The output must be on.

        An instrument with a slew rate has begun when this returns, and `set_volts`, `cut` or another ramp ends it. For
        any other the line is played in steps, and this returns at its end. Whoever wants the end waits for
        `left_seconds` of what is returned.
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
    """The hard limits of a rig: every voltage and current on its way to an instrument passes here.

    Values are rounded down to the instrument's own resolution, given in decimals, so that neither our rounding nor
    the instrument's goes above the limit.
    """

    def __init__(
        self, max_volts: float, max_amperes: float, *, volts_digits: int = 3, amperes_digits: int = 4
    ) -> None:
        for name, value in (("max_volts", max_volts), ("max_amperes", max_amperes)):
            if math.isnan(value) or value <= 0 or (math.isinf(value) and name == "max_volts"):
                raise InputError(f"supply: {name} must be above 0, got {value!r}")
        self._max_volts = float(max_volts)
        self._max_amperes = float(max_amperes)
        self._volts_digits = volts_digits
        self._amperes_digits = amperes_digits

    @property
    def max_volts(self) -> float:
        return self._max_volts

    @property
    def max_amperes(self) -> float:
        return self._max_amperes

    def volts(self, value: float) -> float:
        """`value` rounded down to the resolution; InputError beyond the limit."""
        return float(self.volts_text(value))

    def amperes(self, value: float) -> float:
        """`value` rounded down to the resolution; InputError beyond the limit."""
        return float(self.amperes_text(value))

    def volts_text(self, value: float) -> str:
        """The same in the digits that are sent: what is read from them is never above the limit."""
        return _checked(value, self._max_volts, "V", self._volts_digits)

    def amperes_text(self, value: float) -> str:
        """The same in the digits that are sent."""
        return _checked(value, self._max_amperes, "A", self._amperes_digits)

    @staticmethod
    def seconds(value: float) -> float:
        """A finite duration above zero; InputError otherwise."""
        if not math.isfinite(value) or value <= 0:
            raise InputError(f"supply: a ramp needs a duration above 0 s, got {value!r}")
        return float(value)


def _checked(value: float, limit: float, unit: str, digits: int) -> str:
    if not math.isfinite(value) or value < 0:
        raise InputError(f"supply: {value!r} {unit} is not a value to set")
    if value > limit:
        raise InputError(f"supply: {value:g} {unit} is above the rig's limit of {limit:g} {unit}")
    whole = math.floor(value * 10**digits + 1e-6)
    text = _digits(whole, digits)
    if float(text) > limit:  # the tolerance for binary fractions may not cross the limit either
        text = _digits(whole - 1, digits)
    return text


def _digits(whole: int, digits: int) -> str:
    return f"{Decimal(whole).scaleb(-digits):.{digits}f}"
