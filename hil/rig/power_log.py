"""Writes down what a case did to the device's power, as the power trace of its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from hil.supply.base import Supply


class LoggedSupply:
    """A supply whose every command is noted with the bench's time in a CSV file: time_s, action, volts, amperes."""

    def __init__(self, supply: Supply, clock: Callable[[], float], path: Path | None) -> None:
        self._supply = supply
        self._clock = clock
        self._path = path
        self._rows = ["time_s,action,volts,amperes"]

    @property
    def max_volts(self) -> float:
        return self._supply.max_volts

    @property
    def max_amperes(self) -> float:
        return self._supply.max_amperes

    def identity(self) -> str:
        return self._supply.identity()

    def set_volts(self, volts: float) -> None:
        self._supply.set_volts(volts)
        self._note("set", volts)

    def set_current_limit(self, amperes: float) -> None:
        self._supply.set_current_limit(amperes)
        self._note("limit", None, amperes)

    def on(self) -> None:
        self._supply.on()
        self._note("on")

    def off(self) -> None:
        self._supply.off()
        self._note("off", 0.0)

    def ramp(self, start: float, stop: float, seconds: float) -> None:
        begun = self._clock()
        self._supply.ramp(start, stop, seconds)
        self._note("ramp from", start, when=begun)
        self._note("ramp to", stop, when=begun + seconds)

    def cut(self) -> None:
        self._supply.cut()
        self._note("cut", 0.0)

    def restore(self) -> None:
        self._supply.restore()
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
