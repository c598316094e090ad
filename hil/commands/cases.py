"""`hil cases`: the catalogue of cases and requirements."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated

import typer

from hil.errors import InputError

if TYPE_CHECKING:
    from hil.catalogue.requirements import Catalogue
    from hil.run.known import KnownCase


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("cases", short_help="List the cases and the requirements they are evidence towards.")(cases)


def cases(
    plan: Annotated[
        str, typer.Option("--plan", metavar="NAME|FILE", help="The plan whose cases are listed.")
    ] = "nightly",
    requirement: Annotated[
        str | None, typer.Option("--requirement", metavar="ID", help="Only cases for this requirement.")
    ] = None,
    coverage: Annotated[
        bool, typer.Option("--coverage", help="List the requirements with their cases instead.")
    ] = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the page docs/coverage.md.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the cases of a plan: id, sentence, requirements, needs, stages and instances. Nothing is run."""
    from hil.catalogue import brief, page, requirements
    from hil.run.known import known

    catalogue = requirements.load()
    if requirement is not None and requirement not in catalogue.by_id():
        raise InputError(f'--requirement "{requirement}": unknown; `hil cases --coverage` lists them all')
    _, found = known(plan)
    if requirement is not None:
        found = [case for case in found if requirement in case.info.evidence_for]
    if markdown:
        typer.echo(page.markdown(found, catalogue, brief.load()), nl=False)
    elif coverage:
        _print_coverage(catalogue, found, as_json)
    elif as_json:
        typer.echo(json.dumps([case.as_row() for case in found], indent=2))
    else:
        _print_cases(found)


def _print_cases(found: list[KnownCase]) -> None:
    for case in found:
        number = len(case.instances)
        typer.echo(f"{case.info.id}  {case.info.sentence}")
        for name, parts in (
            ("evidence towards", case.info.evidence_for),
            ("needs", case.info.needs),
            ("stages", case.stages),
            ("fails on", [f"{each.defect} ({each.instance(case.info.id)})" for each in case.info.controls]),
        ):
            if parts:
                typer.echo(f"    {name}: {', '.join(parts)}")
        if number > 1:
            typer.echo(f"    instances: {number}, such as {case.instances[0]}")
    total = sum(len(case.instances) for case in found)
    typer.echo(f"{len(found)} cases, {total} instances")


def _print_coverage(catalogue: Catalogue, found: list[KnownCase], as_json: bool) -> None:
    rows = [
        {
            "requirement": requirement.id,
            "clause": requirement.clause,
            "wording": requirement.wording,
            "cases": [case.info.id for case in found if requirement.id in case.info.evidence_for],
        }
        for requirement in catalogue.requirements
    ]
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        typer.echo(f"{row['requirement']}  {row['wording']} ({row['clause']})")
        typer.echo(f"    {', '.join(row['cases']) or 'no case in this plan'}")
    bare = sum(not row["cases"] for row in rows)
    typer.echo(f"{len(rows)} requirements, {bare} of them without a case in this plan")
