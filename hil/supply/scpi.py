"""A supply that speaks SCPI, through PyVISA: VISA resources over USB, LAN, GPIB and serial, and `hil://`."""

from __future__ import annotations

import re
from types import TracebackType

from hil.errors import BenchError
from hil.supply.base import Limits
from hil.supply.visa import DEFAULT_BAUD, Instrument
from hil.wire import DIRECT, Wires

FULL_SLEW = "MAX"
_MAX_ERRORS = 32
_ERROR = re.compile(r'([+-]?\d{1,5})\s*,\s*"?(.*?)"?')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d{1,2})?\s*[VA]?", re.IGNORECASE)


class ScpiSupply:
    """A SCPI supply; see `Supply` for the methods and what they raise.

    `max_volts` and `max_amperes` are the rig's hard limits. Opening asks for the identity, empties the error queue,
    sets the current limit to `max_amperes`, and switches the output off if it stands above `max_volts`.
    Every write is followed by a look at the instrument's error queue.
    """

    def __init__(
        self,
        resource: str,
        *,
        max_volts: float,
        max_amperes: float,
        channel: int = 1,
        timeout_s: float = 2.0,
        baud: int = DEFAULT_BAUD,
        wires: Wires = DIRECT,
    ) -> None:
        self._limits = Limits(max_volts, max_amperes)
        self._instrument = Instrument(resource, timeout_s=timeout_s, baud=baud, wires=wires)
        self._closed = False
        self._volts = 0.0
        self._slew = ""
        try:
            self._instrument.discard_input()
            self._identity = self._instrument.query("*IDN?")
            self._write("*CLS", check=False)
            if channel != 1:
                self._write(f"INST:NSEL {channel}")
            self._adopt()
        except BaseException:
            self._instrument.close()
            raise

    def _adopt(self) -> None:
        """Take over the instrument as it is found, but inside the rig's limits."""
        present = self._number("VOLT?")
        if present > self._limits.max_volts:
            self._write("OUTP OFF")
            self._write("VOLT 0")
            present = 0.0
        self._volts = self._limits.volts(present)
        self.set_current_limit(self._limits.max_amperes)

    def __enter__(self) -> ScpiSupply:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def max_volts(self) -> float:
        return self._limits.max_volts

    @property
    def max_amperes(self) -> float:
        return self._limits.max_amperes

    def identity(self) -> str:
        return self._identity

    def set_volts(self, volts: float) -> None:
        checked = self._limits.volts(volts)
        self._set_slew(FULL_SLEW)
        self._write(f"VOLT {checked:.3f}")
        self._volts = checked

    def set_current_limit(self, amperes: float) -> None:
        self._write(f"CURR {self._limits.amperes(amperes):.4f}")

    def on(self) -> None:
        self._write(f"VOLT {self._volts:.3f}")
        self._write("OUTP ON")

    def off(self) -> None:
        self._write("OUTP OFF")

    def ramp(self, start: float, stop: float, seconds: float) -> None:
        first, last = self._limits.volts(start), self._limits.volts(stop)
        duration = self._limits.seconds(seconds)
        self._set_slew(FULL_SLEW)
        self._write(f"VOLT {first:.3f}")
        if first != last:
            self._set_slew(f"{abs(last - first) / duration:.6g}")
            self._write(f"VOLT {last:.3f}")

    def cut(self) -> None:
        self.off()

    def restore(self) -> None:
        self._set_slew(FULL_SLEW)
        self.on()

    def measure_volts(self) -> float:
        return self._number("MEAS:VOLT?")

    def measure_amperes(self) -> float:
        return self._number("MEAS:CURR?")

    def safe_off(self) -> None:
        for attempt in (1, 2, 3):
            try:
                self._instrument.discard_input()
                self._write("OUTP OFF", check=False)
                if self._number("OUTP?") == 0:
                    return
            except BenchError:
                if attempt == 3:
                    raise
        raise BenchError(
            f"supply {self._instrument.name}: the output stays on after 'OUTP OFF'; switch it off by hand"
        )

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._instrument.close()

    def _set_slew(self, rate: str) -> None:
        """Set the slew rate in V/s, or FULL_SLEW, unless the instrument has it already."""
        if rate != self._slew:
            self._slew = ""
            self._write(f"VOLT:SLEW {rate}")
            self._slew = rate

    def _write(self, command: str, *, check: bool = True) -> None:
        if self._closed:
            raise BenchError(f"supply {self._instrument.name}: {command!r} after the supply was closed")
        self._instrument.write(command)
        if check:
            self._check_errors(command)

    def _check_errors(self, command: str) -> None:
        errors: list[str] = []
        while len(errors) < _MAX_ERRORS:
            answer = self._instrument.query("SYST:ERR?")
            match = _ERROR.fullmatch(answer)
            if match is None:
                raise BenchError(
                    f"supply {self._instrument.name}: 'SYST:ERR?' was answered by {answer[:60]!r}"
                )
            if int(match.group(1)) == 0:
                break
            errors.append(f"{match.group(1)} {match.group(2)[:80]}")
        if errors:
            raise BenchError(
                f"supply {self._instrument.name}: {command!r} was refused: {'; '.join(errors[:3])}"
            )

    def _number(self, command: str) -> float:
        if self._closed:
            raise BenchError(f"supply {self._instrument.name}: {command!r} after the supply was closed")
        answer = self._instrument.query(command)
        if _NUMBER.fullmatch(answer) is None:
            raise BenchError(
                f"supply {self._instrument.name}: {command!r} was answered by {answer[:60]!r}, not a number"
            )
        value = float(answer.rstrip("VAva "))
        if abs(value) > 1e6:  # 9.9E37 is SCPI's "not a number"
            raise BenchError(f"supply {self._instrument.name}: {command!r} was answered by {answer[:60]!r}")
        return value
