"""`hil history`: results and figures over nights."""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from hil.errors import InputError

if TYPE_CHECKING:
    from hil.history.store import History

DatabaseOption = Annotated[
    Path | None,
    typer.Option(
        "--db", metavar="FILE", help="The history.  [default: reports/history.sqlite]", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command and `hil history add`."""
    history = typer.Typer(
        help="Results and figures over nights.", invoke_without_command=True, rich_markup_mode=None
    )
    history.callback()(show)
    history.command("add")(add)
    app.add_typer(history, name="history")


def show(
    context: typer.Context,
    case: Annotated[
        str | None, typer.Option("--case", metavar="ID", help="One case, or one instance of it.")
    ] = None,
    figure: Annotated[
        str | None, typer.Option("--figure", metavar="NAME", help="Only figures with this name.")
    ] = None,
    changed: Annotated[bool, typer.Option("--changed", help="Only figures that changed last.")] = False,
    flaky: Annotated[
        bool, typer.Option("--flaky", help="Cases that are flaky, or broken, and since when.")
    ] = False,
    rig: Annotated[str | None, typer.Option("--rig", metavar="NAME", help="Only runs on this rig.")] = None,
    limit: Annotated[
        int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="Runs to list.")
    ] = 20,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print each value of each figure as CSV.")] = False,
    db: DatabaseOption = None,
) -> None:
    """List the last runs; with --case, --figure, --changed or --flaky what became of cases and figures."""
    if context.invoked_subcommand is not None:
        return
    with _open(db, create=False) as history:
        if as_csv:
            _print_csv(history, case, figure, rig)
        elif flaky:
            _print_health(history, case, rig, as_json)
        elif case is not None or figure is not None or changed:
            _print_trends(history, case, figure, rig, changed, as_json)
        else:
            _print_runs(history, limit, as_json)


def add(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Run folders.")],
    db: DatabaseOption = None,
) -> None:
    """Add run folders; one that is there already is brought up to date."""
    from hil.report.run_folder import RunRecord

    with _open(db) as history:
        for run in runs:
            number = history.add(RunRecord.load(run))
            typer.echo(f"{run}: {number} results")


def _open(db: Path | None, *, create: bool = True) -> History:
    from hil import bundled
    from hil.history.store import History, default_path

    return History(db or default_path(bundled.reports()), create=create)


def _print_runs(history: History, limit: int, as_json: bool) -> None:
    rows = history.runs(limit)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    for row in rows:
        counts = row["counts"]
        told = ", ".join(
            f"{counts[name]} {name}" for name in ("passed", "failed", "error", "skipped") if name in counts
        )
        defect = f"  defect {row['defect']}" if row["defect"] else ""
        typer.echo(
            f"{row['started'][:19].replace('T', ' ')}  {row['id']}  {row['rig']} ({row['bench']})  {told}{defect}"
        )
    typer.echo(f"{len(rows)} runs")


def _print_trends(
    history: History, case: str | None, figure: str | None, rig: str | None, changed: bool, as_json: bool
) -> None:
    from hil.history.statistics import LEAST_RUNS, sparkline
    from hil.history.trends import health, trends

    found = [trend for trend in trends(history.figures(case, rig)) if figure in (None, trend.name)]
    if changed:
        found = [trend for trend in found if trend.change.verdict in ("better", "worse", "changed")]
    if as_json:
        rows = [
            {
                "instance": trend.instance,
                "figure": trend.name,
                "unit": trend.unit,
                "values": list(trend.values),
                "verdict": trend.change.verdict,
                "median": trend.change.median,
                "percent": round(trend.change.percent, 3),
            }
            for trend in found
        ]
        typer.echo(json.dumps(rows, indent=2))
        return
    if case is not None:
        states = health(history.results(case, rig))
        if not states:
            raise InputError(f'--case "{case}": the history has no result of it')
        for state in states:
            typer.echo(f"{state.instance}: {state.text}")
    for trend in found:
        last = trend.change
        if last.verdict == "too short":
            told = f"{len(trend.values)} values, {LEAST_RUNS + 1} are needed to judge"
        elif last.verdict == "steady":
            told = "steady"
        else:
            told = f"{last.verdict} by {last.percent:+.1f} % (median before {last.median:g}, in {trend.run})"
        typer.echo(
            f"{trend.instance}  {trend.name}: {last.value:g} {trend.unit}  {sparkline(trend.values)}  {told}"
        )
    if not found:
        typer.echo("no figure changed" if changed else "no figures")


def _print_health(history: History, case: str | None, rig: str | None, as_json: bool) -> None:
    from hil.history.trends import health

    found = [
        each for each in health(history.results(case, rig)) if each.state in ("flaky", "broken", "bench")
    ]
    if as_json:
        typer.echo(json.dumps([vars(each) for each in found], indent=2))
        return
    for each in found:
        typer.echo(f"{each.state:7} {each.instance}: {each.text}")
    if not found:
        typer.echo("no case is flaky or broken")


def _print_csv(history: History, case: str | None, figure: str | None, rig: str | None) -> None:
    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(["run", "started", "instance", "figure", "unit", "value"])
    for point in history.figures(case, rig):
        if figure in (None, point.name):
            writer.writerow([point.run, point.started, point.instance, point.name, point.unit, point.value])
