"""The page docs/coverage.md: cases, requirements and the brief, each with the others."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from hil.catalogue.brief import Brief
from hil.catalogue.requirements import Catalogue

if TYPE_CHECKING:
    from hil.run.known import KnownCase

HEAD = """# What is shown, and by which case

Made by `hil cases --markdown`; do not edit. Cases are evidence **towards** requirements: that a case holds does not say
that a requirement is met. The clause of the source counts, not our wording. Results of a virtual bench are no evidence
about hardware.
"""


def markdown(cases: Sequence[KnownCase], catalogue: Catalogue, brief: Brief) -> str:
    """The whole page."""
    return "\n".join([HEAD, *_cases(cases), *_requirements(cases, catalogue), *_brief(cases, brief)])


def _cases(cases: Sequence[KnownCase]) -> list[str]:
    lines = ["## Cases", ""]
    module = ""
    for case in cases:
        if case.module != module:
            module = case.module
            lines += [] if lines[-1] == "" else [""]
            lines += [f"### `testplans/{module}`", ""]
            lines += ["| case | what holds when it passes | evidence towards | needs | stages | fails on |"]
            lines += ["|---|---|---|---|---|---|"]
        several = f" ({len(case.instances)} instances)" if len(case.instances) > 1 else ""
        controls = ", ".join(sorted({control.defect for control in case.info.controls}))
        cells = [
            case.info.id,
            case.info.sentence + several,
            ", ".join(case.info.evidence_for),
            ", ".join(case.info.needs),
            ", ".join(case.stages),
            controls,
        ]
        lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
    return [*lines, ""]


def _requirements(cases: Sequence[KnownCase], catalogue: Catalogue) -> list[str]:
    lines = ["## Requirements", ""]
    for name, source in catalogue.sources.items():
        lines += [
            f"### {source.title}",
            "",
            f"{source.citation}." + (f" <{source.url}>" if source.url else ""),
            "",
        ]
        lines += ["| requirement | clause | in our words | cases |", "|---|---|---|---|"]
        for requirement in catalogue.of(name):
            cells = [
                requirement.id,
                requirement.clause,
                requirement.wording,
                _citing(cases, requirement.id) or "none",
            ]
            lines.append("| " + " | ".join(_cell(cell) for cell in cells) + " |")
        lines.append("")
    return lines


def _brief(cases: Sequence[KnownCase], brief: Brief) -> list[str]:
    lines = [
        "## The brief, line by line",
        "",
        f"{brief.title}, {brief.lines} lines, SHA-256 `{brief.sha256}`. Sentences of one line are numbered.",
        "",
        "| line | what it says, in our words | belongs to | cases, or why none |",
        "|---|---|---|---|",
    ]
    rows: list[tuple[int, str]] = []
    for sentence in brief.sentences:
        cited = sorted({case for each in sentence.requirements for case in _citing_ids(cases, each)})
        shown = ", ".join(cited) if sentence.requirements else f"excluded: {sentence.excluded}"
        cells = [sentence.at, sentence.about, ", ".join(sentence.requirements), shown]
        rows.append((sentence.line, "| " + " | ".join(_cell(cell) for cell in cells) + " |"))
    for other in brief.other:
        rows.append((other.numbers()[0], f"| {other.lines} | not normative: {_cell(other.why)} | | |"))
    return [*lines, *(row for _, row in sorted(rows, key=lambda each: each[0])), ""]


def _citing_ids(cases: Sequence[KnownCase], requirement: str) -> list[str]:
    return [case.info.id for case in cases if requirement in case.info.evidence_for]


def _citing(cases: Sequence[KnownCase], requirement: str) -> str:
    return ", ".join(_citing_ids(cases, requirement))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")
