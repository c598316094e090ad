"""Writes down what a case did to the device's power, as the power trace of its folder."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from pathlib import Path

from hil.supply.base import Limits, Ramp, Supply
from hil.supply.shape import play


class LoggedSupply:
    """A supply whose every command is noted with the bench's time in a CSV file: time_s, action, volts, amperes.

    The limits of the rig file hold here, whatever the driver does: InputError beyond them.
    """

    def __init__(
        self,
        supply: Supply,
        clock: Callable[[], float],
        path: Path | None,
        *,
        sleep: Callable[[float], None],
        max_volts: float,
        max_amperes: float | None,
    ) -> None:
        self._supply = supply
        self._clock = clock
        self._path = path
        self._sleep = sleep
        # The driver holds the same limits. Here they hold for a driver that does not, too.
        self._limits = Limits(max_volts, math.inf if max_amperes is None else max_amperes)
        self._rows = ["time_s,action,volts,amperes"]
        self.feeds = False
        """The output was switched on last, and not cut since."""
        self.volts = 0.0
        """What was set last, V."""

    @property
    def max_volts(self) -> float:
        return self._limits.max_volts

    @property
    def max_amperes(self) -> float:
        return self._limits.max_amperes

    def identity(self) -> str:
        return self._supply.identity()

    def set_volts(self, volts: float) -> None:
        self._limits.volts(volts)
        self._supply.set_volts(volts)
        self.volts = volts
        self._note("set", volts)

    def set_current_limit(self, amperes: float) -> None:
        self._limits.amperes(amperes)
        self._supply.set_current_limit(amperes)
        self._note("limit", None, amperes)

    def on(self) -> None:
        self._supply.on()
        self.feeds = True
        self._note("on")

    def off(self) -> None:
        self.feeds = False
        self._supply.off()
        self._note("off", 0.0)

    def ramp(self, start: float, stop: float, seconds: float) -> Ramp:
        for volts in (start, stop):
            self._limits.volts(volts)
        begun = self._clock()
        played = self._supply.ramp(start, stop, seconds)
        self.volts = stop
        self._note("ramp from", start, when=begun)
        if played.step_volts > 0:
            self._note("ramp in steps of at most", played.step_volts, when=begun)
        self._note("ramp to", stop, when=begun + seconds)
        return played

    def shape(self, start: float, points: Sequence[tuple[float, float]]) -> None:
        """Go from `start` volts through `points`, each (seconds, volts), in straight lines; a time of 0 is a step.

        Returns at the end. All points are checked before the first is played: InputError for one beyond the limits.
        """
        play(self, start, points, self._sleep)

    def cut(self) -> None:
        self.feeds = False
        self._supply.cut()
        self._note("cut", 0.0)

    def restore(self) -> None:
        self._supply.restore()
        self.feeds = True
        self._note("restore")

    def measure_volts(self) -> float:
        volts = self._supply.measure_volts()
        self._note("measured", volts)
        return volts

    def measure_amperes(self) -> float:
        amperes = self._supply.measure_amperes()
        self._note("measured", None, amperes)
        return amperes

    def safe_off(self) -> None:
        self.feeds = False
        self._supply.safe_off()
        self._note("safe off", 0.0)

    def close(self) -> None:
        self._supply.close()

    def save(self) -> None:
        """Write the trace, if it was given a path."""
        if self._path is not None:
            self._path.write_text("\n".join(self._rows) + "\n", encoding="utf-8")

    def _note(
        self, action: str, volts: float | None = None, amperes: float | None = None, when: float | None = None
    ) -> None:
        moment = self._clock() if when is None else when
        voltage = "" if volts is None else f"{volts:.4f}"
        current = "" if amperes is None else f"{amperes:.6f}"
        self._rows.append(f"{moment:.6f},{action},{voltage},{current}")
