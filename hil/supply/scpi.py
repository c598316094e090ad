"""A supply reached through PyVISA (USB, LAN, GPIB, serial, `hil://`), spoken to as its maker's profile says."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import Callable
from types import TracebackType

from hil.errors import BenchError
from hil.supply import profile as profiles
from hil.supply.base import Limits, Ramp
from hil.supply.profile import Profile
from hil.supply.steps import play_steps
from hil.supply.visa import DEFAULT_BAUD, Instrument, NoAnswer
from hil.wire import DIRECT, Wires

OFF_ATTEMPTS = 3
"""How often `safe_off` tries, each time on a resource opened anew."""
QUERY_ATTEMPTS = 2
"""How often a query that changes nothing is sent before its time-out is taken for an answer."""
COARSE = 0.0101
"""V or A; some models of a family round to 10 mV and 10 mA, and what they read back differs by that."""
_MAX_ERRORS = 32
_STALE_ANSWERS = 8
_POLL_S = 0.01
_ERROR = re.compile(r'([+-]?\d{1,5})(?:\s*,\s*"?|\s+|$)(.*?)"?')
_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(E[+-]?\d{1,2})?\s*[VA]?", re.IGNORECASE)
_ON_WORDS = {"1": True, "ON": True, "0": False, "OFF": False}

log = logging.getLogger(__name__)


class ScpiSupply:
    """A programmable supply; see `Supply` for the methods and what they raise.

    `max_volts` and `max_amperes` are the rig's hard limits. `profile` is what the instrument is spoken to by; None
    finds the one that its identity fits. `clock` and `sleep` are the bench's time, s.

    Opening asks for the identity, empties the error queue, switches the output off if it stands above `max_volts`,
    sets the current limit to `max_amperes`, and arms over-voltage protection where the instrument has one: at
    `max_volts` and the profile's margin, since at the limit itself it would trip on the overshoot of a good setting.
    Every write is followed by a look at the instrument's errors, and with `read_back` in the profile every setting and
    switching is read back: a voltage that reads back above the limit switches the output off.
    """

    def __init__(
        self,
        resource: str,
        *,
        max_volts: float,
        max_amperes: float,
        channel: int = 1,
        timeout_s: float = 2.0,
        baud: int | None = None,
        profile: Profile | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        library: str = "@py",
        wires: Wires = DIRECT,
    ) -> None:
        Limits(max_volts, max_amperes)  # refused before anything is opened
        line = profile.line if profile is not None else profiles.Line()
        self._clock = clock
        self._sleep = sleep
        self._instrument = Instrument(
            resource,
            timeout_s=timeout_s,
            baud=baud or line.baud or DEFAULT_BAUD,
            write_end=line.write_end,
            read_end=line.read_end,
            gap_s=line.gap_seconds,
            clock=clock,
            sleep=sleep,
            library=library,
            wires=wires,
        )
        self._closed = False
        self._volts = 0.0
        self._slew = ""
        self._channel = channel
        self._timeout_s = timeout_s
        self._identity = ""
        try:
            self._instrument.discard_input()
            self._identity = self._asked("*IDN?")
            self._profile = self._fitting(profile)
            self._limits = Limits(
                max_volts,
                max_amperes,
                volts_digits=self._profile.volts_digits,
                amperes_digits=self._profile.amperes_digits,
            )
            self._forget_errors()
            self._adopt()
        except BaseException:
            self._instrument.close()
            raise

    def _fitting(self, profile: Profile | None) -> Profile:
        name = self._instrument.name
        if profile is None:
            found = profiles.fitting(self._identity)
            if found is None:
                raise BenchError(
                    f"supply {name}: no profile fits {self._identity[:80]!r}; name one by the key profile: "
                    f"{', '.join(profiles.names())}, or a file of your own"
                )
            log.debug("%s: profile %s", name, found[0])
            profile = found[1]
        elif re.search(profile.identity, self._identity) is None:
            raise BenchError(
                f"supply {name}: '*IDN?' was answered by {self._identity[:80]!r}; expected {profile.maker} "
                f"{profile.models} (/{profile.identity}/)"
            )
        if self._channel > profile.channels:
            raise BenchError(
                f"supply {name}: it has no channel {self._channel}: {profile.maker} {profile.models} has "
                f"{profile.channels}"
            )
        return profile

    def _adopt(self) -> None:
        """Take over the instrument as it is found, but inside the rig's limits."""
        commands = self._profile.commands
        present = self._number(commands.ask_volts, self._set_length, self._profile.answers.before_volts)
        if not 0 <= present <= self._limits.max_volts:
            self._write_all(commands.off)
            self._set(self._limits.volts_text(0.0))
            present = 0.0
        self._volts = self._limits.volts(present)
        self.set_current_limit(self._limits.max_amperes)
        # Not a setting: the output never goes there. It is what stops a supply that does not do as it was told.
        level = self._limits.max_volts + self._profile.protect_margin
        text = self._padded(Limits(level, 1.0, volts_digits=self._profile.volts_digits).volts_text(level))
        for command in commands.protect:
            self._write(command, volts=text)

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
        text = self._limits.volts_text(volts)
        self._set_slew(self._profile.commands.full_slew)
        self._set(text)
        self._volts = float(text)
        self._settle()

    def set_current_limit(self, amperes: float) -> None:
        text = self._limits.amperes_text(amperes)
        self._write(self._profile.commands.set_amperes, amperes=text)
        if self._profile.read_back:
            answers = self._profile.answers
            taken = self._number(self._profile.commands.ask_amperes, self._set_length, answers.before_amperes)
            self._compare(taken, float(text), self._limits.max_amperes, "A")

    def on(self) -> None:
        text = self._limits.volts_text(self._volts)
        self._set(text)
        self._write_all(self._profile.commands.on)
        if self._profile.read_back:
            if not self._output():
                raise BenchError(
                    f"supply {self._instrument.name}: the output stays off after {self._profile.commands.on[-1]!r}"
                )
            self._settle()

    def off(self) -> None:
        self._write_all(self._profile.commands.off)
        if self._profile.read_back and self._output():
            raise BenchError(
                f"supply {self._instrument.name}: the output stays on after {self._off_words()}; "
                "switch it off by hand"
            )

    def ramp(self, start: float, stop: float, seconds: float) -> Ramp:
        first, last = self._limits.volts(start), self._limits.volts(stop)
        duration = self._limits.seconds(seconds)
        if not self._profile.ramps:
            played = play_steps(
                lambda volts: self._set(self._limits.volts_text(volts)),
                self._limits,
                (first, last, duration),
                self._profile.step_seconds,
                self._clock,
                self._sleep,
            )
            log.info("%s: ramp played in steps: %s", self._instrument.name, played)
            return played
        self._set_slew(self._profile.commands.full_slew)
        self._set(self._limits.volts_text(first))
        if first != last:
            self._set_slew(f"{abs(last - first) / duration:.6g}")
            self._set(self._limits.volts_text(last))
        return Ramp(duration)

    def cut(self) -> None:
        self.off()

    def restore(self) -> None:
        self._set_slew(self._profile.commands.full_slew)
        self.on()

    def measure_volts(self) -> float:
        return self._number(self._profile.commands.measure_volts, self._measured_length)

    def measure_amperes(self) -> float:
        return self._number(self._profile.commands.measure_amperes, self._measured_length)

    def safe_off(self) -> None:
        for attempt in range(1, OFF_ATTEMPTS + 1):
            try:
                if attempt > 1:
                    self._instrument.reopen()  # what was pulled out and put back has another handle
                self._instrument.discard_input()
                for command in self._profile.commands.off:
                    self._write(command, check=False)
                if not self._output():
                    return
            except BenchError:
                if attempt == OFF_ATTEMPTS:
                    raise
        raise BenchError(
            f"supply {self._instrument.name}: the output stays on after {self._off_words()}; switch it off by hand"
        )

    def close(self) -> None:
        if not self._closed:
            self._closed = True
            self._instrument.close()

    # ---- Messages ----

    def _set(self, text: str) -> None:
        """Send a voltage that the limits have passed, and see what the instrument made of it."""
        self._write(self._profile.commands.set_volts, volts=self._padded(text))
        if self._profile.read_back:
            answers = self._profile.answers
            taken = self._number(self._profile.commands.ask_volts, self._set_length, answers.before_volts)
            self._compare(taken, float(text), self._limits.max_volts, "V")

    def _compare(self, taken: float, sent: float, limit: float, unit: str) -> None:
        told = f"supply {self._instrument.name}: {sent:g} {unit} was set and {taken:g} {unit} reads back"
        if taken > limit:
            for command in self._profile.commands.off:
                self._write(command, check=False)
            # An instrument that does not set what it is told may not switch off either.
            done = (
                f"its output stays on after {self._off_words()}; switch it off by hand"
                if self._output()
                else "its output was switched off"
            )
            raise BenchError(f"{told}, above the rig's limit of {limit:g} {unit}; {done}")
        if abs(taken - sent) > COARSE:
            raise BenchError(told)

    def _settle(self) -> None:
        """Wait until the output is where it was set, if it is on, or until it has had its time."""
        patience = self._profile.settle_seconds
        if patience <= 0 or not self._output():
            return
        begun = self._clock()
        while True:
            measured = self.measure_volts()
            if abs(measured - self._volts) <= self._profile.settle_volts:
                return
            before = self._clock()
            if before - begun >= patience:
                if measured > self._limits.max_volts + self._profile.protect_margin:
                    self.off()
                    raise BenchError(
                        f"supply {self._instrument.name}: {self._volts:g} V was set and {measured:g} V stands at the "
                        f"terminals, above the rig's limit of {self._limits.max_volts:g} V; its output was switched off"
                    )
                return  # a current limit at work, or a slow discharge: both may be wanted
            self._sleep(_POLL_S)
            if self._clock() <= before:
                return

    def _set_slew(self, rate: str) -> None:
        """Set the slew rate in V/s, or full speed, unless the instrument has it already."""
        command = self._profile.commands.slew
        if command is not None and rate != self._slew:
            self._slew = ""
            self._write(command, rate=rate)
            self._slew = rate

    def _output(self) -> bool:
        """Whether the output is on, as the instrument says."""
        answers = self._profile.answers
        command = self._filled(self._profile.commands.ask_output)
        self._must_be_open(command)
        self._select()
        if answers.output == "byte":
            raw = self._asked_bytes(command)
            return bool(raw[0] >> answers.output_bits[self._channel - 1] & 1)
        answer = self._asked(command)
        if answers.output == "hex" and re.fullmatch(r"(0[xX])?[0-9a-fA-F]{1,8}", answer):
            return bool(int(answer, 16) >> answers.output_bits[self._channel - 1] & 1)
        if answers.output == "word" and answer.upper() in _ON_WORDS:
            return _ON_WORDS[answer.upper()]
        raise BenchError(
            f"supply {self._instrument.name}: {command!r} was answered by {answer[:60]!r}, neither on nor off"
        )

    def _write_all(self, commands: list[str]) -> None:
        for command in commands:
            self._write(command)

    def _write(self, command: str, *, check: bool = True, **values: str) -> None:
        command = self._filled(command, **values)
        self._must_be_open(command)
        self._select()
        self._instrument.write(command)
        if check:
            self._check_errors(command)

    def _select(self) -> None:
        """Choose the output before each command: the instrument's front panel can choose another one in between."""
        select = self._profile.commands.select
        if select is not None and (self._profile.select_first or self._channel != 1):
            self._instrument.write(self._filled(select))

    def _filled(self, command: str, **values: str) -> str:
        for name, value in {"channel": str(self._channel), **values}.items():
            command = command.replace(f"{{{name}}}", value)
        return command

    def _padded(self, text: str) -> str:
        digits = self._profile.volts_whole_digits
        whole, point, rest = text.partition(".")
        return whole.zfill(digits) + point + rest

    def _forget_errors(self) -> None:
        """Begin without the errors of whoever used the instrument before."""
        if self._profile.commands.clear is not None:
            self._write(self._profile.commands.clear, check=False)
            return
        for _ in range(_MAX_ERRORS):
            if not self._errors("opening"):
                return
        raise BenchError(
            f"supply {self._instrument.name}: {self._profile.errors.ask[0]!r} still tells of errors after "
            f"{_MAX_ERRORS} answers"
        )

    def _check_errors(self, command: str) -> None:
        errors: list[str] = []
        while len(errors) < _MAX_ERRORS and (found := self._errors(command)):
            errors += found
            if self._profile.errors.kind == "registers":
                break
        if errors:
            raise BenchError(
                f"supply {self._instrument.name}: {command!r} was refused: {'; '.join(errors[:3])}"
            )

    def _errors(self, command: str) -> list[str]:
        """The next errors that the instrument tells of; never asked twice, since asking takes them out."""
        found: list[str] = []
        for ask in self._profile.errors.ask:
            answer = self._instrument.query(ask)
            match = _ERROR.fullmatch(answer)
            if match is None:
                raise BenchError(
                    f"supply {self._instrument.name}: {ask!r} was answered by {answer[:60]!r} after {command!r}"
                )
            if int(match.group(1)) != 0:
                found.append(f"{match.group(1)} {match.group(2)[:80]}".strip())
        return found

    def _number(self, command: str, length: int | None = None, before: str | None = None) -> float:
        command = self._filled(command)
        self._must_be_open(command)
        self._select()
        answer = self._asked(command, length)
        text = answer.removeprefix(self._filled(before)) if before is not None else answer
        if _NUMBER.fullmatch(text) is None:
            raise BenchError(
                f"supply {self._instrument.name}: {command!r} was answered by {answer[:60]!r}, not a number"
            )
        value = float(text.rstrip("VAva "))
        if not math.isfinite(value) or abs(value) > 1e6:  # 9.9E37 is SCPI's "not a number"
            raise BenchError(f"supply {self._instrument.name}: {command!r} was answered by {answer[:60]!r}")
        return value

    def _asked(self, command: str, length: int | None = None) -> str:
        """The answer to a query that changes nothing, which is sent once more if there is none."""
        for _ in range(QUERY_ATTEMPTS - 1):
            try:
                return self._instrument.query(command, length)
            except NoAnswer as error:
                self._find_the_way_back(error)
        return self._instrument.query(command, length)

    def _asked_bytes(self, command: str) -> bytes:
        length = self._profile.lengths.output if self._profile.lengths is not None else None
        try:
            return self._instrument.query_bytes(command, length)
        except NoAnswer as error:
            self._find_the_way_back(error)
            return self._instrument.query_bytes(command, length)

    def _find_the_way_back(self, missed: NoAnswer) -> None:
        """After a time-out: let the late answer come and go, so that it is not taken for the next one's.

        The identity is known and like no other answer: once it comes, all that was asked before has been answered.
        Raises what was `missed` when it does not come.
        """
        log.info("%s; asked again", missed)
        if not self._identity:
            return
        if self._profile.line.read_end == "":
            self._sleep(self._timeout_s)
            self._instrument.discard_input()
            return
        try:
            if self._instrument.query("*IDN?") == self._identity:
                return
            for _ in range(_STALE_ANSWERS):
                if self._instrument.read_line("*IDN?") == self._identity:
                    return
        except BenchError:
            raise missed from None
        raise missed

    @property
    def _set_length(self) -> int | None:
        return self._profile.lengths.set_value if self._profile.lengths is not None else None

    @property
    def _measured_length(self) -> int | None:
        return self._profile.lengths.measured if self._profile.lengths is not None else None

    def _off_words(self) -> str:
        return " and ".join(repr(self._filled(command)) for command in self._profile.commands.off)

    def _must_be_open(self, command: str) -> None:
        if self._closed:
            raise BenchError(f"supply {self._instrument.name}: {command!r} after the supply was closed")
