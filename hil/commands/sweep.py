"""`hil sweep`: power is cut at every flash operation, and at every operation of every recovery."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.live import Live
from rich.markup import escape

from hil.errors import InputError

RESULT = "sweep.json"
PAGE = "sweep.html"


sweep_app = typer.Typer(rich_markup_mode=None, invoke_without_command=True)


def register(app: typer.Typer) -> None:
    """Add the command."""
    words = "Cut the power at every flash operation, and look what becomes of it."
    app.add_typer(sweep_app, name="sweep", short_help=words)


@sweep_app.callback()
def sweep(
    context: typer.Context,
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME", help="What is interrupted; `list` names them all.")
    ] = "upgrade",
    rig: Annotated[str, typer.Option("--rig", metavar="NAME|FILE", help="A virtual bench.")] = "virtual",
    out: Annotated[
        Path | None,
        typer.Option("--out", metavar="DIR", help="Make the sweep's folder in DIR.  [default: reports]"),
    ] = None,
    budget: Annotated[
        str | None,
        typer.Option(
            "--budget", metavar="TIME", help="Stop after this time, e.g. 60s, 10m.  [default: never]"
        ),
    ] = None,
    cuts: Annotated[
        int | None,
        typer.Option(
            "--cuts", metavar="N", min=1, max=1000, help="At most so many cuts in a row.  [default: any]"
        ),
    ] = None,
    size: Annotated[
        int | None,
        typer.Option("--size", metavar="BYTES", min=1024, help="Pad the application to this size."),
    ] = None,
    check: Annotated[
        float,
        typer.Option(
            "--check",
            metavar="SHARE",
            min=0.0,
            max=1.0,
            help="Share of the states decided by reasoning to start too.",
        ),
    ] = 0.05,
    remember_crypto: Annotated[
        bool,
        typer.Option(
            "--remember-crypto",
            help="Execute hash and signature check once for each input, and one repetition in a hundred to compare.",
        ),
    ] = False,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of the torn cells.")] = 0,
    defect: Annotated[str | None, typer.Option("--defect", hidden=True)] = None,
) -> None:
    """Cut the power at every flash operation of a scenario, and at every one of every recovery, until nothing
    new comes.

    The result is a statement about any number of power failures at the modelled points, under the tear model
    that is printed with it. Writes sweep.json and sweep.html. Exit code: 0 every invariant held, 1 one was
    broken, 2 the input is wrong, 3 the bench failed.
    """
    if context.invoked_subcommand is not None:
        return
    from hil import bundled
    from hil.report.sweep_page import page
    from hil.rig import files
    from hil.run.folder import check_parent
    from hil.sweep import run, scenarios

    file = files.load(rig)
    if scenario == "list":
        for name, sentence in scenarios.names(file).items():
            typer.echo(f"{name:12} {sentence}")
        return
    seconds = _seconds(budget) if budget is not None else None
    parent = out or bundled.reports()
    check_parent(parent)
    chosen = scenarios.of(file, scenario, size=size, defect=defect)
    console = Console(highlight=False, soft_wrap=True)
    with Live(console=console, refresh_per_second=4, transient=True, redirect_stderr=False) as live:
        found = run.sweep(
            file,
            chosen,
            check=check,
            seed=seed,
            budget_s=seconds,
            most_cuts=cuts,
            size=size,
            remember_crypto=remember_crypto,
            watch=lambda explorer, passed: live.update(_progress(explorer, passed)),
        )
    folder = parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-sweep-{scenario}"
    _write(folder, found, page(found))
    _tell(console, found)
    typer.echo(folder)
    if found["violations_found"]:
        raise typer.Exit(1)


@sweep_app.command(short_help="Repeat what leads to a violation, cut by cut.")
def replay(
    result: Annotated[Path, typer.Argument(metavar="FILE", help="The sweep.json of a sweep.")],
    number: Annotated[int, typer.Argument(metavar="[N]", min=1, help="Which violation.")] = 1,
    rig: Annotated[str, typer.Option("--rig", metavar="NAME|FILE", help="A virtual bench.")] = "virtual",
    state: Annotated[
        Path | None,
        typer.Option(
            "--state", metavar="FILE", help="Write the kit as the last cut leaves it, for hil serve."
        ),
    ] = None,
    defect: Annotated[str | None, typer.Option("--defect", hidden=True)] = None,
) -> None:
    """Repeat what leads to a violation: each start with its console, what its cut changed, and the code around it.

    With --state the kit is written as it is after the last cut; `hil serve --state FILE` starts it from there, with a
    debug port for `pyocd gdbserver`.
    """
    from hil.rig import files
    from hil.sweep import replay as replays
    from hil.sweep import scenarios

    try:
        found = json.loads(result.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"{result}: cannot be read: {error.strerror}") from None
    except ValueError:
        raise InputError(f"{result}: not JSON; expected the sweep.json of a sweep") from None
    path = replays.path_of(found, number)
    file = files.load(rig)
    settings = found.get("settings") or {}
    chosen = scenarios.of(file, str(found.get("scenario")), size=settings.get("size"), defect=defect)
    replays.check_same(found, chosen)
    console = Console(highlight=False, soft_wrap=True)
    last: Any = None
    for step in replays.replay(file, chosen, path, int(settings.get("seed", 0))):
        _tell_step(console, step, chosen)
        if step.cut is not None:
            last = step.content
    if state is not None:
        from hil.rig.machine import write_state

        write_state(state, last.flash if last else chosen.flash, last.uicr if last else chosen.uicr)
        typer.echo(f"{state}: the kit after the last cut; go on with: hil serve --state {state}")


def _tell_step(console: Console, step: Any, scenario: Any) -> None:
    console.print(f"[bold]start {step.number}[/]")
    for line in step.console.splitlines():
        console.print(f"    {escape(line)}", style="dim")
    if step.operation is not None:
        where = scenario.function_at(step.operation.pc)
        console.print(
            f"  power fails {escape(str(step.cut))} {step.operation.kind} at 0x{step.operation.address:05x}"
            + (f", in {where}" if where else "")
        )
    elif step.settled is not None:
        console.print(
            f"  it {step.settled.kind} at 0x{step.settled.pc:05x} after {step.settled.seconds:.2f} s"
        )
    for address, before, now in step.changed[:16]:
        console.print(f"    0x{address:05x}  {before.hex(' ', 4)}  ->  {now.hex(' ', 4)}")
    if len(step.changed) > 16:
        console.print("    ... and more")
    for line in step.code:
        console.print(f"    {escape(line)}")


def _progress(explorer: Any, passed: float) -> str:
    counts = explorer.counts
    rate = counts.points / passed if passed else 0
    return (
        f"{passed:5.0f} s  {counts.points:9,} points  {len(explorer.nodes):8,} states  {counts.booted:7,} starts  "
        f"{explorer.open:5} open  {rate:6,.0f} points/s"
    )


def _tell(console: Console, found: dict[str, Any]) -> None:
    counts, speed = found["counts"], found["speed"]
    console.print(f"[bold]{escape(found['verdict'])}[/]")
    console.print(
        f"{counts['points']:,} points in {speed['seconds']:g} s ({speed['points_per_second']:,} a second): "
        f"{counts['same_state']:,} led to a known state, {counts['same_cause']:,} readings of new ones were decided by "
        f"what the device reads, and it was started {counts['booted']:,} times "
        f"({speed['booted_per_second']:g} a second), {counts['checked']:,} of them to check such a decision"
    )
    for each in found["violations"][:10]:
        console.print(f"[red]{escape(each['invariant'])}[/]: {escape(each['text'])}")
        for number, step in enumerate(each["path"], start=1):
            console.print(f"    {number}. {escape(step['words'])}")


def _write(folder: Path, found: dict[str, Any], text: str) -> None:
    try:
        folder.mkdir(parents=True)
        (folder / RESULT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
        (folder / PAGE).write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"{folder}: cannot be written: {error.strerror}") from None


def _seconds(text: str) -> float:
    found = re.fullmatch(r"(\d{1,6}(?:\.\d{1,3})?)\s*(s|m|h)?", text)
    if found is None:
        raise InputError(f'--budget: expected a time such as 60s, 10m or 1h, got "{text}"')
    return float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2] or "s"]
