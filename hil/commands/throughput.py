"""`hil throughput`: the matrix of PHY, ATT MTU, data length and interval, measured and explained."""

from __future__ import annotations

import csv
import json
import os
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from hil.errors import BenchError, InputError

RESULT = "throughput.json"
TABLE = "throughput.csv"
PAGE = "throughput.html"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command(
        "throughput", short_help="Measure the link, the device and the upload per PHY, MTU, DLE and interval."
    )(throughput)


def throughput(
    matrix: Annotated[
        str,
        typer.Option(
            "--matrix", metavar="NAME|FILE", help="What is measured; `list` names the bundled ones."
        ),
    ] = "standard",
    rig: Annotated[str, typer.Option("--rig", metavar="NAME|FILE", help="The bench.")] = "virtual",
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="Make the folder of the results in DIR.  [default: reports]"
        ),
    ] = None,
    jobs: Annotated[
        int | None,
        typer.Option(
            "--jobs",
            "-n",
            metavar="N",
            min=1,
            max=64,
            help="Processes.  [default: one a core on a virtual bench]",
        ),
    ] = None,
    seed: Annotated[int, typer.Option("--seed", metavar="N", min=0, help="Seed of a virtual bench.")] = 1,
) -> None:
    """Measure every cell of a matrix and hold it against what each stage of its way can carry.

    Three columns: the air alone, a GATT service on the device without its flash, and an upload. Writes throughput.csv
    line by line, throughput.json and throughput.html. Exit code: 0 all was measured, 1 a cell failed, 2 the input is
    wrong, 3 the bench failed, 130 interrupted, with what had been measured.
    """
    from hil import bundled
    from hil.rig import files
    from hil.run.folder import check_parent
    from hil.throughput import matrix as matrices
    from hil.throughput import run as runs

    if matrix == "list":
        folder = bundled.testplans() / "matrices"
        for name in files.names(folder):
            found = matrices.load(name)
            typer.echo(f"{name:10} {len(found.work()):5} measurements. {found.description}")
        return
    chosen = matrices.load(matrix)
    file = files.load(rig)
    runs.check(file, chosen)
    parent = out or bundled.reports()
    check_parent(parent)
    folder = parent / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-throughput-{chosen.name}"
    count = jobs or ((os.cpu_count() or 1) if file.bench == "virtual" else 1)
    console = Console(stderr=True, highlight=False)
    results = _Results(folder, chosen.model_dump(mode="json", by_alias=True), file.name, seed)
    began = time.monotonic()
    code = 0
    with _bar(console) as bar:
        task = bar.add_task(chosen.name, total=len(chosen.work()), now="")

        def watch(place: int, line: dict[str, Any]) -> None:
            results.add(place, line)
            bar.update(task, advance=1, now=_short(line))

        try:
            runs.run(rig, chosen, jobs=count, seed=seed, watch=watch, folder=folder)
        except KeyboardInterrupt:
            code = 130
        except BenchError:
            results.close(complete=False)
            console.print(f"what was measured until then: {folder}")
            raise
    results.close(complete=code == 0)
    console.print(results.summary(time.monotonic() - began))
    typer.echo(folder)
    if code or results.failed:
        raise typer.Exit(code or 1)


def _bar(console: Console) -> Progress:
    return Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[now]}"),
        console=console,
        transient=True,
    )


def _short(line: dict[str, Any]) -> str:
    told = f"{line['column']}, {line['phy']}, MTU {line['mtu']}, {line['interval_ms']:g} ms: "
    if "bytes_per_second" in line:
        return told + f"{line['bytes_per_second'] / 1000:.1f} kB/s"
    return told + ("failed" if "failed" in line else "not possible")


class _Results:
    """The folder of a matrix: each line is on the disk when it has been told."""

    def __init__(self, folder: Path, matrix: dict[str, Any], rig: str, seed: int) -> None:
        from hil.throughput.result import COLUMNS

        self._folder = folder
        self._about = {"matrix": matrix, "rig": rig, "seed": seed}
        self._rows: dict[int, dict[str, Any]] = {}
        self._closed = False
        try:
            folder.mkdir()
            self._file = (folder / TABLE).open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise InputError(f"{folder}: cannot be made: {error.strerror}") from None
        self._table = csv.DictWriter(self._file, COLUMNS, lineterminator="\n")
        self._table.writeheader()

    @property
    def failed(self) -> int:
        """Cells in which the device or the link failed."""
        return sum("failed" in line for line in self._rows.values())

    def add(self, place: int, line: dict[str, Any]) -> None:
        """Keep a line."""
        self._rows[place] = line
        try:
            self._table.writerow(line)
            self._file.flush()
        except OSError as error:
            raise BenchError(f"{self._folder / TABLE}: cannot be written: {error.strerror}") from None

    def close(self, *, complete: bool) -> None:
        """Write the result and the page; the table once more, in the order of the matrix."""
        from hil.report.throughput_page import page
        from hil.throughput.explain import explain

        if self._closed:
            return
        self._closed = True
        rows = [self._rows[place] for place in sorted(self._rows)]
        found = self._about | {"complete": complete, "rows": rows} | explain()
        try:
            self._file.seek(0)
            self._file.truncate()
            self._table.writeheader()
            self._table.writerows(rows)
            self._file.close()
            (self._folder / RESULT).write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
            (self._folder / PAGE).write_text(page(found), encoding="utf-8")
        except OSError as error:
            raise BenchError(f"{self._folder}: cannot be written: {error.strerror}") from None

    def summary(self, seconds: float) -> str:
        """One line for the end."""
        measured = [line for line in self._rows.values() if "bytes_per_second" in line]
        told = f"{len(measured)} measured, {self.failed} failed"
        impossible = len(self._rows) - len(measured) - self.failed
        if impossible:
            told += f", {impossible} not possible"
        best = max(measured, key=lambda line: line["bytes_per_second"], default=None)
        upload = max(
            (line for line in measured if line["column"] == "dfu"),
            key=lambda line: line["bytes_per_second"],
            default=None,
        )
        if upload is not None:
            told += f"; fastest upload {_short(upload).removeprefix('dfu, ')}, {upload['words']}"
        elif best is not None:
            told += f"; fastest {_short(best)}"
        return f"{told} ({seconds:.0f} s)"
