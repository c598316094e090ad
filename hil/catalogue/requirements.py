"""The requirements that cases can be evidence towards: testplans/requirements.toml."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from hil import bundled, tomlfile

FILE = "requirements.toml"


def _id(text: str) -> str:
    if not text or not text[0].isupper() or not all(each.isalnum() or each in "-." for each in text):
        raise ValueError(f'expected letters, digits, "-" and ".", such as CRA-I.2.c, got "{text}"')
    return text


RequirementId = Annotated[str, AfterValidator(_id)]


class Table(BaseModel):
    """A table of a catalogue file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


class Source(Table):
    """A document that requirements come from."""

    title: str = Field(min_length=1, description="its title")
    citation: str = Field(min_length=1, description="where in it, exactly enough to find it")
    url: str | None = Field(default=None, description="where it can be had")


class Requirement(Table):
    """One requirement, in words of our own; the clause is what counts."""

    id: RequirementId = Field(description="SOURCE-clause")
    clause: str = Field(min_length=1, description="where the source says it")
    wording: str = Field(
        min_length=1, max_length=300, description="what it asks, in one short sentence of our own"
    )

    @property
    def source(self) -> str:
        """The name of the source: what stands before the first dash."""
        return self.id.partition("-")[0]


class Catalogue(Table):
    """All requirements, by their sources."""

    schema_version: Literal[1] = Field(alias="schema", description="version of this schema: 1")
    sources: dict[str, Source] = Field(description="the documents, by short name")
    requirements: list[Requirement] = Field(description="the requirements")

    @model_validator(mode="after")
    def _consistent(self) -> Catalogue:
        seen: set[str] = set()
        for requirement in self.requirements:
            if requirement.id in seen:
                raise ValueError(f"requirements: {requirement.id} is there twice")
            if requirement.source not in self.sources:
                raise ValueError(
                    f"requirements: {requirement.id} belongs to no source: add [sources.{requirement.source}]"
                )
            seen.add(requirement.id)
        return self

    def by_id(self) -> dict[str, Requirement]:
        """The requirements by id, in the order of the file."""
        return {requirement.id: requirement for requirement in self.requirements}

    def of(self, source: str) -> list[Requirement]:
        """The requirements of one source, in the order of the file."""
        return [requirement for requirement in self.requirements if requirement.source == source]


def load(path: Path | None = None) -> Catalogue:
    """Read a catalogue; the bundled one by default. Raises InputError with a line for each mistake."""
    return tomlfile.load(path or bundled.testplans() / FILE, Catalogue)
