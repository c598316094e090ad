"""What `hil run` shows while it works, and at its end: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from typing import TextIO

import pytest
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hil.run import live
from hil.run.recorder import Progress, Row

_STYLES = {"passed": "green", "failed": "bold red", "error": "yellow", "skipped": "dim"}
_SECONDS_BETWEEN_LINES = 5.0


class Display:
    """A pytest plugin that shows where a run is.

    `stream` must not be the standard output that pytest captures. `total` is the number of cases, 0 when not known.
    """

    def __init__(self, stream: TextIO, total: int, log: Path | None = None) -> None:
        self._console = Console(file=stream, soft_wrap=True, highlight=False)
        self._total = total
        self._results: list[Row] = []
        self._folder: Path | None = None
        self._log = log
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._live: Live | None = None

    def watch(self, folder: Path) -> None:
        """Begin to show the run that writes into `folder`."""
        self._folder = folder
        if self._console.is_terminal:
            self._live = Live(self, console=self._console, refresh_per_second=5, transient=True)
            self._live.start()
        else:
            self._thread = threading.Thread(target=self._lines, name="hil-display", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Stop showing; a second call does nothing."""
        self._stop.set()
        if self._live is not None:
            self._live.stop()
            self._live = None
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def __rich__(self) -> RenderableType:
        """The lines below the results: one for each case that is running."""
        running = live.read(self._folder) if self._folder is not None else []
        done = {str(result["id"]) for result in self._results}
        table = Table.grid(padding=(0, 2))
        for progress in running:
            if progress.case not in done:
                table.add_row(
                    progress.case, progress.stage, _bar(progress), _percent(progress), _rate(progress)
                )
        counts = Counter(result["outcome"] for result in self._results)
        told = "  ".join(f"[{_STYLES[name]}]{counts[name]} {name}[/]" for name in _STYLES if counts[name])
        total = f" of {self._total}" if self._total else ""
        return Group(table, Text.from_markup(f"{len(self._results)}{total} cases  {told}"))

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Tell of a case that has ended."""
        result: Row | None = getattr(report, "hil_result", None)
        if result is None:
            return
        self._results.append(result)
        outcome = result["outcome"]
        seconds, wall = result["seconds"], result["wall"]["seconds"]
        times = f"{seconds:.1f} s on the bench, {wall:.1f} s"
        count = f"{len(self._results)}/{self._total}" if self._total else str(len(self._results))
        what = f"{escape(result['id'])}  {escape(result['sentence'])}"
        self._console.print(f"[{_STYLES[outcome]}]{outcome:8}[/]{count:>7}  {what} [dim]({times})[/]")
        if result["reason"] and outcome != "passed":
            self._console.print(f"                 {escape(result['reason'])}", style=_STYLES[outcome])

    def summary(self, record: Row) -> None:
        """Print the table at the end."""
        table = Table(
            title=f"{record['plan'] or 'cases'} on {record['rig']} ({record['bench']} bench)",
            title_justify="left",
        )
        table.add_column("case", no_wrap=True)
        table.add_column("result")
        table.add_column("what it shows", overflow="fold", ratio=1)
        table.add_column("bench s", justify="right")
        table.add_column("wall s", justify="right")
        for result in sorted(self._results, key=lambda each: str(each["id"])):
            outcome = result["outcome"]
            text = escape(result["sentence"])
            if outcome != "passed" and result["reason"]:
                text += f"\n[{_STYLES[outcome]}]{escape(result['reason'])}[/]"
            table.add_row(
                escape(result["id"]),
                f"[{_STYLES[outcome]}]{outcome}[/]",
                text,
                f"{result['seconds']:.1f}",
                f"{result['wall']['seconds']:.1f}",
            )
        self._console.print(table)
        counts = record["counts"]
        told = ", ".join(f"[{_STYLES[name]}]{counts[name]} {name}[/]" for name in _STYLES)
        times = f"{record['bench_seconds']:.1f} s on the bench's clock in {record['wall_seconds']:.1f} s"
        self._console.print(f"{told}; {times}; seed {record['seed']}")
        for result in self._results:
            if result["outcome"] in ("failed", "error"):
                self._console.print(f"repeat {escape(result['id'])}: {escape(result['command'])}")

    def _lines(self) -> None:
        """Without a terminal: a line when a case begins a stage, and one now and then while it lasts."""
        last: dict[str, tuple[str, float]] = {}
        while not self._stop.wait(0.2):
            for progress in live.read(self._folder) if self._folder is not None else []:
                stage, when = last.get(progress.case, ("", 0.0))
                now = time.monotonic()
                if stage != progress.stage or (
                    progress.fraction is not None and now - when > _SECONDS_BETWEEN_LINES
                ):
                    last[progress.case] = (progress.stage, now)
                    words = [f"{progress.case}: {progress.stage}", _percent(progress), _rate(progress)]
                    self._console.print(escape("  ".join(word for word in words if word)))


def _bar(progress: Progress) -> RenderableType:
    return (
        ProgressBar(total=1.0, completed=progress.fraction, width=24) if progress.fraction is not None else ""
    )


def _percent(progress: Progress) -> str:
    return f"{progress.fraction * 100:3.0f} %" if progress.fraction is not None else ""


def _rate(progress: Progress) -> str:
    return f"{progress.bytes_per_second / 1000:6.1f} kB/s" if progress.bytes_per_second is not None else ""
