"""`hil gate`: whether a run allows a release."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Literal

import typer

from hil.errors import InputError

Format = Literal["text", "json", "junit", "github", "vsa"]


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("gate", short_help="Say whether a run allows a release, and why not.")(gate)


def gate(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    policy: Annotated[
        Path | None, typer.Option("--policy", metavar="FILE", help="The policy.  [default: the bundled one]")
    ] = None,
    db: Annotated[
        Path | None,
        typer.Option("--db", metavar="FILE", help="History to judge figures by.  [default: beside the run]"),
    ] = None,
    output: Annotated[
        str, typer.Option("--format", metavar="FORMAT", help="text, json, junit, github or vsa.")
    ] = "text",
    out: Annotated[
        Path | None, typer.Option("--out", metavar="FILE", help="Write there, and the text to the screen.")
    ] = None,
) -> None:
    """Hold a run to a policy. Exit code: 0 passed, 1 not passed, 2 the input is wrong."""
    from hil import bundled
    from hil.catalogue import requirements
    from hil.history.store import History, default_path
    from hil.history.trends import trends
    from hil.release import gate_output
    from hil.release import policy as policies
    from hil.release.gate import judge
    from hil.report.run_folder import RunRecord

    if output not in ("text", "json", "junit", "github", "vsa"):
        raise InputError(f'--format "{output}": expected text, json, junit, github or vsa')
    file = policy or bundled.testplans() / "policies" / "release.toml"
    asked = policies.load(policy)
    record = RunRecord.load(run)
    history = db or default_path(record.path.resolve().parent)
    found = None
    if db is not None or history.is_file():
        with History(history, create=False) as opened:
            found = trends(opened.figures(rig=str(record.run.get("rig"))), until=record.name)
    now = datetime.now(UTC)
    verdict = judge(record, asked, requirements.load(), now, found)
    if output == "vsa":
        told = gate_output.vsa(
            verdict, record, file, now.isoformat(timespec="seconds").replace("+00:00", "Z")
        )
    else:
        told = {
            "text": gate_output.text,
            "json": gate_output.as_json,
            "junit": gate_output.junit,
            "github": gate_output.github,
        }[output](verdict)
    if out is None:
        typer.echo(told, nl=False)
    else:
        try:
            out.write_text(told, encoding="utf-8")
        except OSError as error:
            raise InputError(f"{out}: cannot be written: {error.strerror}") from None
        typer.echo(gate_output.text(verdict), nl=False)
    if not verdict.passed:
        raise typer.Exit(1)
