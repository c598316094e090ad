"""`hil verify`: whether an evidence bundle is what was signed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("verify", short_help="Verify an evidence bundle by the public key alone.")(verify)


def verify(
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="An evidence bundle.")],
    public_key: Annotated[
        Path | None, typer.Option("--public-key", metavar="PEM", help="Public key of who signed it.")
    ] = None,
    previous: Annotated[
        list[Path] | None,
        typer.Option("--previous", metavar="BUNDLE", help="A bundle before it in the chain; repeatable."),
    ] = None,
    head: Annotated[
        str | None, typer.Option("--head", metavar="SHA256", help="The digest that was published for it.")
    ] = None,
    tsa_certificate: Annotated[
        Path | None,
        typer.Option("--tsa-certificate", metavar="PEM", help="Certificate of the time-stamp authority."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Verify a bundle and its chain. Exit code: 0 verified, 1 not, 2 the input is wrong."""
    from hil.release import dsse
    from hil.release.verify import verify as look

    key = dsse.load_public(public_key) if public_key is not None else None
    report = look(bundle, key, earlier=tuple(previous or ()), published=head, authority=tsa_certificate)
    if as_json:
        body = {"verified": report.verified, "notes": [vars(note) for note in report.notes]}
        typer.echo(json.dumps(body, indent=2))
    else:
        for note in report.notes:
            subject = "".join(each if each.isprintable() else "?" for each in note.subject)
            typer.echo(f"{note.level:7}  {subject}: {note.text}")
        typer.echo("verified" if report.verified else "NOT VERIFIED")
    if not report.verified:
        raise typer.Exit(1)
