"""Which requirements the results of a run are evidence towards, and how they came out, apart by bench kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from hil.catalogue.requirements import Catalogue, Requirement

Row = dict[str, Any]
State = Literal["held", "failed", "open", "none"]

STATE_WORDS: dict[State, str] = {
    "held": "every case held",
    "failed": "a case failed",
    "open": "not all cases could be run",
    "none": "no case was run",
}


@dataclass(frozen=True)
class Covered:
    """One requirement with the results that bear on it."""

    requirement: Requirement
    results: list[Row] = field(default_factory=list)

    @property
    def counts(self) -> Counter[str]:
        """How many results came out how."""
        return Counter(str(result["outcome"]) for result in self.results)

    @property
    def state(self) -> State:
        """`failed` if the device broke it in any case; `held` if cases passed and every other was passed or skipped;
        `open` where the bench failed or all were skipped; `none` without a result.
        """
        counts = self.counts
        if not counts:
            return "none"
        if counts["failed"]:
            return "failed"
        if counts["error"] or not counts["passed"]:
            return "open"
        return "held"

    def on(self, bench: str) -> Covered:
        """The same, by results of one bench kind only: virtual, real or replayed."""
        return Covered(self.requirement, [row for row in self.results if row.get("bench") == bench])

    @property
    def cases(self) -> list[str]:
        """The ids of the cases, without parameters, sorted."""
        return sorted({str(result["case"]) for result in self.results})


def covered(catalogue: Catalogue, results: Iterable[Row]) -> list[Covered]:
    """Each requirement of the catalogue, in its order, with the results that cite it."""
    by_requirement: dict[str, list[Row]] = {}
    for result in results:
        for cited in result.get("evidence_for", []):
            by_requirement.setdefault(str(cited), []).append(result)
    return [Covered(each, by_requirement.get(each.id, [])) for each in catalogue.requirements]


def unknown(catalogue: Catalogue, results: Iterable[Row]) -> Sequence[str]:
    """The requirements that results cite and the catalogue does not have, sorted."""
    known = catalogue.by_id()
    return sorted({str(cited) for row in results for cited in row.get("evidence_for", [])} - known.keys())
