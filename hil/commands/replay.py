"""`hil replay`: the cases of a recorded run, with its wire logs in the place of the bench."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("replay", short_help="Replay a recorded run, with no hardware, to the first difference.")(
        replay
    )


def replay(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder of a run that was recorded.")],
    case: Annotated[
        list[str] | None, typer.Option("--case", metavar="ID", help="Replay only this case; repeatable.")
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Make the new run folder in DIR.  [default: reports]"),
    ] = None,
    workers: Annotated[
        int, typer.Option("--workers", "-n", metavar="N", min=1, max=64, help="Cases side by side.")
    ] = 1,
) -> None:
    """Run the cases again with the code as it is now, against what crossed the wires of the bench then.

    A case stops where it first sends something else than in the recording. The results are marked as replayed.
    Exit code: 0 all did the same and ended the same, 1 one did not, 2 the input is wrong, 3 the record cannot be
    written, 130 interrupted.
    """
    from hil.run.replay import replay as again

    code, folder = again(run, tuple(case or ()), out, workers)
    typer.echo(folder)
    raise typer.Exit(code)
