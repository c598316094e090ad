"""Builds the bundled firmware for a run, and tells of it while it takes long."""

from __future__ import annotations

from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from hil.toolchain.builder import FirmwareBuild
from hil.toolchain.builder import build as build_firmware


def build(
    stream: TextIO, *, defect: str | None = None, variant: str = "p256", out: Path | None = None
) -> FirmwareBuild:
    """The bundled firmware, built unless it is in the cache already; copied to `out` if that is given.

    Raises InputError and BenchError.
    """
    console = Console(file=stream)
    columns = (
        TextColumn("building the firmware"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[what]}"),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("", total=None, what="")
        told = False

        def step(what: str, done: int, total: int) -> None:
            nonlocal told
            if not told and not console.is_terminal:
                console.print(
                    "building the firmware from source, which takes a minute the first time", soft_wrap=True
                )
            told = True
            bar.update(task, completed=done, total=total, what=what)

        return build_firmware(variant, defect=defect, out=out, progress=step)
