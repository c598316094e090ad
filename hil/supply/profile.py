"""How a maker's supplies are spoken to, as data: one TOML file for each family, in `profiles/` or beside a rig file."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hil.errors import InputError
from hil.tomlfile import Mistake, load

PROFILES = Path(__file__).parent / "profiles"
"""The profiles that come with hil."""

AUTO = "auto"
"""Not a profile, but the word for: the one whose identity pattern fits what the instrument says it is."""

_PLACES = re.compile(r"\{([^{}]*)\}")
_KNOWN_PLACES = {"channel", "volts", "amperes", "rate"}
_ALLOWED: dict[str, set[str]] = {
    "set_volts": {"volts"},
    "set_amperes": {"amperes"},
    "slew": {"rate"},
    "protect": {"volts"},
    **{key: set() for key in ("select", "clear", "on", "off", "ask_volts", "ask_amperes", "ask_output")},
    **{key: set() for key in ("measure_volts", "measure_amperes")},
}
"""What may be filled into a command, besides the channel."""


def _command(text: str) -> str:
    if not text.isascii() or not text.isprintable():
        raise ValueError("expected a command of printable ASCII characters")
    if unknown := [name for name in _PLACES.findall(text) if name not in _KNOWN_PLACES]:
        raise ValueError(f"expected {{channel}}, {{volts}}, {{amperes}} or {{rate}}, got {{{unknown[0]}}}")
    return text


def _pattern(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"expected a regular expression: {error}") from None
    return text


Command = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_command)]
Pattern = Annotated[str, Field(min_length=1, max_length=120), AfterValidator(_pattern)]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Line(_Part):
    """[line]: how a message ends, and how fast they may follow each other."""

    write_end: Literal["\n", "\r\n", "\r", ""] = Field(default="\n", description="what ends a command")
    read_end: Literal["\n", ""] = Field(
        default="\n", description="what ends an answer; empty: nothing does, its length is in [lengths]"
    )
    baud: int | None = Field(default=None, ge=300, le=4_000_000, description="bit rate of its serial port")
    gap_seconds: float = Field(default=0.0, ge=0, le=5, description="least time between two messages, s")


class Commands(_Part):
    """[commands]: the words. {channel}, {volts}, {amperes} and {rate} stand for what is filled in."""

    select: Command | None = Field(
        default=None, description="makes an output the one that the other commands mean"
    )
    clear: Command | None = Field(default=None, description="empties the error queue")
    set_volts: Command
    set_amperes: Command
    on: list[Command] = Field(min_length=1, max_length=3)
    off: list[Command] = Field(min_length=1, max_length=3)
    ask_volts: Command
    ask_amperes: Command
    ask_output: Command
    measure_volts: Command
    measure_amperes: Command
    protect: list[Command] = Field(
        default_factory=list, max_length=4, description="sets and arms over-voltage protection at {volts}"
    )
    slew: Command | None = Field(
        default=None, description="sets the slew rate to {rate} V/s; absent: it has none"
    )
    full_slew: str = Field(default="MAX", pattern="^[A-Z0-9.]{1,12}$", description="{rate} for full speed")

    @model_validator(mode="after")
    def _filled_in(self) -> Commands:
        for key, place in (("set_volts", "volts"), ("set_amperes", "amperes"), ("slew", "rate")):
            command = getattr(self, key)
            if command is not None and _PLACES.findall(command).count(place) != 1:
                raise Mistake(f"expected {{{place}}} once in {command!r}", key)
        for key, allowed in _ALLOWED.items():
            value = getattr(self, key)
            for command in value if isinstance(value, list) else [value or ""]:
                if set(_PLACES.findall(command)) - {"channel", *allowed}:
                    raise Mistake(f"{command!r} holds a value that this command has not", key)
        return self


class Answers(_Part):
    """[answers]: what answers look like."""

    before_volts: Command | None = Field(default=None, description="what stands before set volts in answers")
    before_amperes: Command | None = Field(
        default=None, description="what stands before the set current in answers"
    )
    output: Literal["word", "hex", "byte"] = Field(
        default="word", description="how ask_output is answered: a word, hexadecimal bits, a byte of bits"
    )
    output_bits: list[int] = Field(
        default_factory=list,
        max_length=8,
        description="for bits: which one is the output, channel by channel",
    )

    @model_validator(mode="after")
    def _bits(self) -> Answers:
        if (self.output == "word") == bool(self.output_bits):
            raise Mistake("output_bits go with output hex or byte, and only with those", "output_bits")
        if any(not 0 <= bit < 32 for bit in self.output_bits):
            raise Mistake("expected bits from 0 to 31", "output_bits")
        return self


class Lengths(_Part):
    """[lengths]: bytes of each answer, for instruments that end theirs by nothing."""

    set_value: int = Field(ge=1, le=32)
    measured: int = Field(ge=1, le=32)
    output: int = Field(ge=1, le=32)


class Errors(_Part):
    """[errors]: how the instrument says that it refused a command."""

    kind: Literal["queue", "registers", "none"] = Field(
        description="queue: one entry a query, until it says none; registers: a number each, 0 is none; none: it does "
        "not say, and what was set is read back instead"
    )
    ask: list[Command] = Field(default_factory=list, max_length=4)

    @model_validator(mode="after")
    def _asked(self) -> Errors:
        if (self.kind == "none") != (not self.ask) or (self.kind == "queue" and len(self.ask) != 1):
            raise Mistake("expected one query for a queue, at least one for registers, none for none", "ask")
        return self


class Profile(_Part):
    """How one family of supplies is spoken to."""

    maker: str = Field(min_length=1, max_length=60)
    models: str = Field(min_length=1, max_length=200, description="which models it is for")
    identity: Pattern = Field(description="regular expression that *IDN? of these models is found by")
    automatic: bool = Field(default=True, description='whether `profile = "auto"` may choose it')
    channels: int = Field(ge=1, le=8, description="outputs; more than there are is refused")
    select_first: bool = Field(
        default=True, description="whether `select` is sent for channel 1, too, before each command"
    )
    volts_digits: int = Field(ge=0, le=6, description="decimals of a voltage; its resolution")
    amperes_digits: int = Field(ge=0, le=6, description="decimals of a current; its resolution")
    volts_whole_digits: int = Field(
        default=1, ge=1, le=3, description="digits of a voltage before the decimal point, at least"
    )
    read_back: bool = Field(
        description="whether each setting and each switching is read back and compared; no only where it is known "
        "not to be needed, since it costs time"
    )
    settle_seconds: float = Field(ge=0, le=30, description="how long the output may take to follow, s")
    settle_volts: float = Field(default=0.05, gt=0, le=1, description="how near it must come meanwhile, V")
    step_seconds: float = Field(
        default=0.05, ge=0.001, le=10, description="time between two steps of a ramp played in steps, s"
    )
    protect_margin: float = Field(
        default=0.5, gt=0, le=2, description="over-voltage protection is set this far above max_volts, V"
    )
    line: Line = Field(default_factory=Line)
    commands: Commands
    answers: Answers = Field(default_factory=Answers)
    lengths: Lengths | None = None
    errors: Errors
    quirks: list[str] = Field(default_factory=list, description="what a user should know")
    sources: dict[str, str] = Field(
        description="for each table: the manual and the section it is from; `assumed` where none was found"
    )

    @model_validator(mode="after")
    def _agrees(self) -> Profile:
        if (self.lengths is None) != (self.line.read_end != ""):
            raise Mistake(
                "lengths are for instruments whose answers have no end, and needed for them", "lengths"
            )
        if self.answers.output_bits and len(self.answers.output_bits) != self.channels:
            raise Mistake(f"expected a bit for each of {self.channels} channels", "answers", "output_bits")
        if self.automatic and (self.line.write_end, self.line.read_end) != ("\n", "\n"):
            raise Mistake(
                "to be found automatically an instrument must end its lines by a line feed", "automatic"
            )
        if self.errors.kind == "none" and not self.read_back:
            raise Mistake("an instrument that does not say what it refused must be read back", "read_back")
        return self

    @property
    def ramps(self) -> bool:
        """Whether the instrument moves its output along a straight line by itself."""
        return self.commands.slew is not None


def names() -> list[str]:
    """The profiles that come with hil, sorted."""
    return sorted(path.stem for path in PROFILES.glob("*.toml"))


@functools.cache
def bundled() -> Mapping[str, Profile]:
    """The profiles that come with hil, by name."""
    return {name: load(PROFILES / f"{name}.toml", Profile) for name in names()}


def named(name: str, path: Path | None = None) -> Profile:
    """The profile called `name`, or the one in the file `path`. Raises InputError."""
    if path is not None:
        return load(path, Profile)
    if name not in names():
        known = ", ".join(names())
        raise InputError(
            f'supply: no profile called "{name}"; known: {AUTO}, {known}; or give the path of a .toml file'
        )
    return bundled()[name]


def fitting(identity: str) -> tuple[str, Profile] | None:
    """The name and the profile that an instrument of this identity is spoken to by; None when there is none."""
    for name, profile in bundled().items():
        if profile.automatic and re.search(profile.identity, identity):
            return name, profile
    return None
