"""[sweep]: what a power-fail sweep needs to know of a device that is not ours."""

from __future__ import annotations

from pydantic import Field, model_validator

from hil.rig.schema.base import Offset, ShortName, Table, Text
from hil.tomlfile import Mistake

_LARGEST = 1 << 20


class PartFile(Table):
    """Memory that an argument of a function points to."""

    argument: int = Field(ge=0, le=7, description="number of the argument that points to it, from 0")
    size: int | None = Field(default=None, ge=1, le=_LARGEST, description="how much of it, bytes")
    size_in: int | None = Field(
        default=None, ge=0, le=7, description="or: the argument that says how many bytes"
    )

    @model_validator(mode="after")
    def _has_a_size(self) -> PartFile:
        if (self.size is None) == (self.size_in is None):
            raise ValueError("give either size or size_in")
        return self


class PureFile(Table):
    """A function of the bootloader whose outputs are up to its inputs alone: with `--remember-crypto` it is
    executed once for each input (and one repetition in a hundred to compare). Arguments are counted as the
    AAPCS passes them.
    """

    function: Text | None = Field(default=None, description="its name in `elf`")
    address: Offset | None = Field(default=None, description="or: where it begins in flash")
    reads: list[PartFile] = Field(default_factory=list, max_length=8, description="memory that it reads")
    writes: list[PartFile] = Field(default_factory=list, max_length=8, description="memory that it writes")
    values: list[int] = Field(
        default_factory=list, max_length=8, description="arguments that count by their value"
    )
    returns: bool = Field(default=True, description="whether its result, in R0, counts")

    @model_validator(mode="after")
    def _has_a_place(self) -> PureFile:
        if (self.function is None) == (self.address is None):
            raise ValueError("give either function or address")
        if any(not 0 <= number <= 7 for number in self.values):
            raise Mistake("expected numbers of arguments, 0 to 7", "values")
        return self


class ScenarioFile(Table):
    """A scenario of your own: flash content, and the programs that may run whatever the power does."""

    name: ShortName = Field(description="what `--scenario` calls it")
    sentence: Text = Field(default="as the rig file has it", description="what is interrupted, for people")
    files: list[Text] = Field(
        min_length=1,
        description="Intel HEX files laid over what [device.install] and the base image put there",
    )
    order: list[Text] = Field(
        default_factory=list,
        max_length=8,
        description="versions in the order in which they may start, a later one never followed by an earlier; "
        "leave out to hold no order",
    )


class SweepFile(Table):
    """[sweep]: what a power-fail sweep needs to know of a device that is not ours. All of it may be left out."""

    elf: Text | None = Field(
        default=None, description="the bootloader's ELF file, for the names of its functions"
    )
    pure: list[PureFile] = Field(
        default_factory=list, max_length=32, description="functions without side effects"
    )
    scenarios: list[ScenarioFile] = Field(
        default_factory=list, max_length=64, description="scenarios of your own"
    )
