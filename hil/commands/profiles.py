"""`hil profiles`: how phones and computers behave as the central of an update, and how that is known."""

from __future__ import annotations

from typing import Annotated

import typer

profiles_app = typer.Typer(
    help="Host profiles: how phones and computers behave.", no_args_is_help=True, rich_markup_mode=None
)


def register(app: typer.Typer) -> None:
    """Add `hil profiles` to the command line."""
    app.add_typer(profiles_app, name="profiles")


@profiles_app.command("list")
def profiles_list() -> None:
    """List the host profiles, and how many figures of each are assumed."""
    from hil.hosts import profile as profiles

    for name in profiles.names():
        profile = profiles.named(name)
        figures = list(profile.figures())
        assumed = sum(figure.is_assumed for _, figure in figures)
        typer.echo(f"{name:16} {assumed} of {len(figures)} assumed   {profile.description}")


@profiles_app.command("show")
def profiles_show(name: Annotated[str, typer.Argument(metavar="NAME")]) -> None:
    """Show each figure of a host profile, with its source and what that says."""
    from hil.hosts import profile as profiles

    profile = profiles.named(name)
    typer.echo(f"{name}: {profile.description}")
    for key, figure in profile.figures():
        says = f" ({figure.says})" if figure.says else ""
        typer.echo(f"{key:18} {figure.value!s:>6}  {figure.source}{says}")
