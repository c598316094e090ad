"""The policy of a release gate: what a run must show before its firmware is released."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from hil import bundled, tomlfile
from hil.errors import InputError

Pattern = Annotated[str, Field(min_length=1, max_length=200)]


class Table(BaseModel):
    """A table of a policy: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Require(Table):
    """[[require]]: cases that must have passed, named by pattern or by what they are evidence towards."""

    cases: list[Pattern] = Field(default_factory=list, description='case ids or patterns, such as "AUTH-*"')
    requirements: list[Pattern] = Field(
        default_factory=list,
        description="requirement ids or patterns: each needs a case, and all of its cases must hold",
    )
    bench: Literal["any", "real", "virtual"] = Field(
        default="any", description="results of another bench kind do not count"
    )

    @model_validator(mode="after")
    def _names_something(self) -> Require:
        if not self.cases and not self.requirements:
            raise ValueError("require: give cases or requirements")
        return self


class AllowSkip(Table):
    """[[allow_skip]]: a case that may be skipped."""

    cases: list[Pattern] = Field(min_length=1, description="case ids or patterns")
    reason: str = Field(min_length=1, max_length=500, description="why that is accepted")
    until: datetime.date | None = Field(default=None, description="the last day on which it is")


class FigureLimit(Table):
    """[[figure]]: bounds of a figure."""

    cases: list[Pattern] = Field(min_length=1, description="case ids or patterns")
    name: str = Field(min_length=1, description="the figure's name")
    unit: str | None = Field(default=None, description="its unit; another one fails the gate")
    minimum: float | None = Field(default=None, allow_inf_nan=False, description="least value allowed")
    maximum: float | None = Field(default=None, allow_inf_nan=False, description="greatest value allowed")

    @model_validator(mode="after")
    def _bounds(self) -> FigureLimit:
        if self.minimum is None and self.maximum is None:
            raise ValueError(f"figure {self.name}: give minimum or maximum")
        if self.minimum is not None and self.maximum is not None and self.minimum > self.maximum:
            raise ValueError(f"figure {self.name}: minimum is above maximum")
        return self


class Regressions(Table):
    """[regressions]: figures that got worse, by the history's statistics (hil.history.statistics)."""

    check: bool = Field(default=True, description="whether a figure that got worse fails the gate")
    needs_history: bool = Field(
        default=False, description="whether a history too short to judge by fails the gate as well"
    )
    ignore: list[Pattern] = Field(default_factory=list, description="cases whose figures may get worse")


class SweepLimit(Table):
    """[[sweep]]: a power-fail sweep that must be closed: every point held."""

    scenario: str = Field(min_length=1, description="what was cut, such as swap")
    points: int = Field(default=1, ge=1, description="least number of points")
    phases: list[Literal["before", "during", "after"]] = Field(
        default_factory=list, description="phases that must be among them"
    )


class Policy(Table):
    """A whole policy."""

    schema_version: Literal[1] = Field(alias="schema", description="version of this schema: 1")
    name: str = Field(min_length=1, max_length=64, description="the policy's name in verdicts")
    require: list[Require] = Field(min_length=1, description="what must have passed")
    allow_skip: list[AllowSkip] = Field(default_factory=list, description="what may be skipped")
    figure: list[FigureLimit] = Field(default_factory=list, description="bounds of figures")
    regressions: Regressions = Field(default_factory=Regressions, description="figures that got worse")
    sweep: list[SweepLimit] = Field(default_factory=list, description="sweeps that must be closed")
    controls: list[Pattern] = Field(
        default_factory=list,
        description="cases that must have been seen failing on defective firmware (hil run --controls)",
    )
    max_bench_faults: int = Field(default=0, ge=0, description="cases that the bench may have failed")
    allow_unmodelled: bool = Field(
        default=True, description="whether firmware may have touched what the virtual bench does not model"
    )
    allow_weaker_policy: bool = Field(
        default=False, description="whether a device may take versions that the brief's strict rule refuses"
    )
    max_age_hours: float | None = Field(
        default=None, gt=0, le=24 * 3650, description="a run that began earlier does not count"
    )


def load(path: Path | None = None) -> Policy:
    """Read a policy; the bundled one by default. Raises InputError with a line for each mistake."""
    chosen = path or bundled.testplans() / "policies" / "release.toml"
    if path is not None and not path.is_file():
        raise InputError(f"{path}: no such policy file")
    return tomlfile.load(chosen, Policy)
