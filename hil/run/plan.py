"""Plans: which cases run, with which parameters, how often, and from which seed."""

from __future__ import annotations

import fnmatch
from typing import Literal

from pydantic import Field

from hil import bundled, tomlfile
from hil.errors import InputError
from hil.rig.files import find_toml
from hil.rig.schema import ShortName, Table

DEFAULT = "smoke"

Value = str | int | float | bool


class Limits(Table):
    """[limits]: when a run gives up."""

    stop_after: int = Field(default=0, ge=0, description="end the run after this many failed cases; 0: never")


class Plan(Table):
    """A whole plan file."""

    schema_version: Literal[1] = Field(alias="schema", description="version of this schema: 1")
    name: ShortName = Field(description="the plan's name in reports")
    description: str = Field(default="", max_length=500, description="one sentence for people")
    cases: list[str] = Field(
        default_factory=list, description='case ids or patterns, e.g. "XFER-03" or "XFER-*"'
    )
    exclude: list[str] = Field(default_factory=list, description="case ids or patterns that are left out")
    marker: str = Field(default="", description="pytest marker expression that the cases must meet as well")
    parameters: dict[str, dict[str, list[Value]]] = Field(
        default_factory=dict,
        description="case id -> argument -> the values in place of those in the test module",
    )
    repeats: int = Field(
        default=1, ge=1, le=10_000, description="how often each case runs, each time from another seed"
    )
    seed: int = Field(
        default=1, ge=0, lt=2**48, description="seed of the run unless the command line names one"
    )
    workers: int = Field(
        default=1, ge=1, le=64, description="cases that run side by side (virtual benches only)"
    )
    fail_unmodelled: bool = Field(
        default=False,
        description="fail a case whose firmware touches what the virtual bench does not model",
    )
    limits: Limits = Field(default_factory=Limits, description="when a run gives up")

    def includes(self, case_id: str) -> bool:
        """Whether this plan runs the case."""
        wanted = any(_matches(pattern, case_id) for pattern in self.cases)
        return wanted and not any(_matches(pattern, case_id) for pattern in self.exclude)

    def values_for(self, case_id: str, argument: str) -> list[Value] | None:
        """The values that this plan gives `argument` of the case, or None: those of the test module."""
        return self.parameters.get(case_id, {}).get(argument)

    def check(self, known: list[str]) -> None:
        """Raises InputError when the plan names a case that is not among `known`, or none at all."""
        unknown = [pattern for pattern in self.cases if not any(_matches(pattern, each) for each in known)]
        if unknown:
            raise InputError(f'plan {self.name}: cases: "{unknown[0]}" matches no case')
        stray = [case_id for case_id in self.parameters if case_id not in known]
        if stray:
            raise InputError(f'plan {self.name}: parameters: "{stray[0]}" is no case')
        if not any(self.includes(each) for each in known):
            raise InputError(f"plan {self.name}: names no case; list ids or patterns under the key cases")


def _matches(pattern: str, case_id: str) -> bool:
    return pattern == case_id or fnmatch.fnmatchcase(case_id, pattern)


def load(name_or_path: str = DEFAULT) -> Plan:
    """Read and check a plan, given the name of a bundled one or a path. Raises InputError."""
    return tomlfile.load(find_toml(name_or_path, bundled.testplans(), "plan"), Plan)
