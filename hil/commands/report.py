"""`hil report`: the page for people, made again from a run folder."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from hil.errors import InputError


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("report", short_help="Make the report of a run again, also of one that was killed.")(report)


def report(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="The page.  [default: RUN/report.html]")
    ] = None,
    before: Annotated[
        Path | None,
        typer.Option(
            "--before", metavar="RUN", help="Compare with this run.  [default: the last one beside it]"
        ),
    ] = None,
) -> None:
    """Make the page for people from a run folder, and junit.xml with it."""
    from hil.report import changes, junit
    from hil.report.page import NAME, page
    from hil.report.run_folder import RunRecord

    record = RunRecord.load(run)
    other = RunRecord.load(before) if before is not None else changes.before(record)
    target = out or run / NAME
    try:
        target.write_text(page(record, other), encoding="utf-8")
        if out is None:
            (run / "junit.xml").write_text(junit.suite(record.run, record.results), encoding="utf-8")
    except OSError as error:
        raise InputError(f"{target}: cannot be written: {error.strerror}") from None
    typer.echo(target)
