"""`hil rigs`: what benches there are, what they consist of, and whether they are in order."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from hil.commands import rigs_new
from hil.errors import BenchError, InputError

rigs_app = typer.Typer(
    help="Rig files: what a bench consists of.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add `hil rigs` to the command line."""
    rigs_new.register(rigs_app)
    app.add_typer(rigs_app, name="rigs")


@rigs_app.command("list")
def rigs_list() -> None:
    """List the rig files that can be given by name."""
    from hil.rig import files

    wrong = []
    for name in files.names():
        try:
            rig = files.load(name, check_paths=False)
        except InputError as error:
            # One file with a mistake must not hide the others.
            wrong.append(str(error))
            continue
        kind = "example, needs hardware" if rig.bench == "real" else "needs no hardware"
        typer.echo(f"{name:20} {kind:24} {rig.description}")
    if wrong:
        raise InputError("\n".join(wrong))


@rigs_app.command("show")
def rigs_show(
    rig: Annotated[str, typer.Argument(metavar="NAME|FILE")] = "virtual",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Show a rig file as it is understood, with every default."""
    from hil.rig import files

    opened = files.load(rig, check_paths=False)
    if as_json:
        typer.echo(json.dumps(opened.record(), indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    console.print(f"[bold]{escape(opened.name)}[/] ({opened.bench} bench)  {escape(opened.description)}")
    console.print(f"files: {escape(', '.join(map(str, opened.files)))}")
    console.print(f"can: {', '.join(sorted(opened.capabilities()))}")
    slots = Table("image", "role", "start", "size")
    for slot in opened.device.slots:
        slots.add_row(str(slot.image), slot.role, f"0x{slot.start:05x}", f"0x{slot.size:05x}")
    console.print(slots)
    console.print_json(json.dumps(_without_nothing(opened.record())))


def _without_nothing(value: Any) -> Any:
    """JSON without the keys that say nothing."""
    if isinstance(value, dict):
        return {key: _without_nothing(inner) for key, inner in value.items() if inner is not None}
    return [_without_nothing(inner) for inner in value] if isinstance(value, list) else value


@rigs_app.command("schema")
def rigs_schema() -> None:
    """Print the JSON schema of rig files, for editors."""
    from hil.rig import editor_schema

    typer.echo(editor_schema.text(), nl=False)


@rigs_app.command("keys")
def rigs_keys() -> None:
    """Describe every key of a rig file, as Markdown."""
    from hil.rig import reference

    typer.echo(reference.markdown(), nl=False)


@rigs_app.command("check", short_help="Say what is connected, what is wrong, and how to mend it.")
def rigs_check(
    rig: Annotated[str, typer.Argument(metavar="NAME|FILE")] = "virtual",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    cuts: Annotated[
        int, typer.Option("--cuts", metavar="N", min=0, max=1000, help="Cuts to measure their delay by.")
    ] = 10,
) -> None:
    """Try what each instrument has to do, prove that a cut of the power is one, and measure how long it takes.

    Leaves the supply off. Exit code: 0 all is well, 2 the rig file is wrong, 3 something is not in order.
    """
    from hil.rig import check, checked, files

    file = files.load(rig)
    console = Console(highlight=False, stderr=True)
    with console.status("") as status:
        found = check.check(file, cuts=cuts, begin=lambda name: status.update(f"{name} ..."))
    where = checked.save(file, found)
    if as_json:
        typer.echo(json.dumps([vars(each) for each in found], indent=2))
    else:
        table = Table("instrument", "step", "", "says", "took", show_lines=False)
        for each in found:
            table.add_row(
                each.instrument,
                each.step,
                "ok" if each.ok else each.outcome.upper(),
                escape(each.text),
                f"{each.wall_seconds:.2f} s",
            )
        Console(highlight=False).print(table)
        if where is not None:
            typer.echo(f"runs on this rig tell of this check: {where}")
    if not all(each.ok for each in found):
        raise typer.Exit(BenchError.exit_code)
