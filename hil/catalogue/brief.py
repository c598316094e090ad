"""The domain brief line by line: which requirement each of its sentences belongs to, or why none."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, model_validator

from hil import bundled, tomlfile
from hil.catalogue.requirements import RequirementId, Table

FILE = "brief.toml"

At = Annotated[str, Field(pattern=r"^[1-9][0-9]*(\.[1-9][0-9]*)?$")]
Lines = Annotated[str, Field(pattern=r"^[1-9][0-9]*(-[1-9][0-9]*)?$")]


class Sentence(Table):
    """A sentence that asks for something, or gives a figure that can be checked."""

    at: At = Field(description="line, or line.number where a line has several sentences")
    about: str = Field(min_length=1, max_length=300, description="what it says, in words of our own")
    requirements: list[RequirementId] = Field(default_factory=list, description="what it belongs to")
    excluded: str | None = Field(default=None, min_length=1, description="why no case shows it")

    @property
    def line(self) -> int:
        """The line of the brief, the first is 1."""
        return int(self.at.partition(".")[0])

    @model_validator(mode="after")
    def _either(self) -> Sentence:
        if bool(self.requirements) == (self.excluded is not None):
            raise ValueError(f"sentence {self.at}: give either requirements or excluded, with the reason")
        return self


class Other(Table):
    """Lines without such a sentence."""

    lines: Lines = Field(description="a line or a range of lines")
    why: str = Field(min_length=1, description="what they are")

    def numbers(self) -> range:
        """The lines meant."""
        first, _, last = self.lines.partition("-")
        return range(int(first), int(last or first) + 1)


class Brief(Table):
    """The whole brief, every line accounted for once."""

    schema_version: Literal[1] = Field(alias="schema", description="version of this schema: 1")
    title: str = Field(min_length=1, description="what the brief is called")
    lines: int = Field(gt=0, description="how many lines it has")
    sha256: str = Field(
        pattern=r"^[0-9a-f]{64}$", description="SHA-256 of the text that the numbers refer to"
    )
    sentences: list[Sentence] = Field(description="what it asks, in the order of its lines")
    other: list[Other] = Field(default_factory=list, description="lines with nothing of that kind")

    @model_validator(mode="after")
    def _every_line_once(self) -> Brief:
        told: dict[int, str] = {}
        for other in self.other:
            for line in other.numbers():
                if line in told:
                    raise ValueError(f"other: line {line} is accounted for twice")
                told[line] = "other"
        places: set[str] = set()
        before = (0, 0)
        for sentence in self.sentences:
            first, _, second = sentence.at.partition(".")
            place = (int(first), int(second or 0))
            if sentence.at in places or told.get(sentence.line) == "other":
                raise ValueError(f"sentences: {sentence.at} is accounted for twice")
            if place < before:
                raise ValueError(f"sentences: {sentence.at} stands after {before[0]}.{before[1]}")
            before = place
            places.add(sentence.at)
            told[sentence.line] = "sentence"
        missing = sorted(set(range(1, self.lines + 1)) - told.keys())
        beyond = sorted(told.keys() - set(range(1, self.lines + 1)))
        if missing:
            raise ValueError(f"line {missing[0]} is not accounted for")
        if beyond:
            raise ValueError(f"line {beyond[0]} is beyond the end, the brief has {self.lines} lines")
        return self


def load(path: Path | None = None) -> Brief:
    """Read the table; the bundled one by default. Raises InputError with a line for each mistake."""
    return tomlfile.load(path or bundled.testplans() / FILE, Brief)
