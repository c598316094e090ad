"""What `hil run` shows while it works, and at its end: a live table on a terminal, plain lines elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import TextIO

import pytest
from rich.box import SIMPLE_HEAD
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from hil.run import live
from hil.run.recorder import Progress, Row

_STYLES = {"passed": "green", "failed": "bold red", "error": "yellow", "skipped": "dim"}
_TOLD_AT_THE_END = ("failed", "error")
_SECONDS_BETWEEN_LINES = 5.0


class Display:
    """A pytest plugin that shows where a run is.

    `stream` must not be the standard output that pytest captures. `total` is the number of cases, 0 when not known.
    `former` are results that a run that goes on has already.
    """

    def __init__(self, stream: TextIO, total: int, former: Iterable[Row] = ()) -> None:
        self._console = Console(file=stream, soft_wrap=True, highlight=False)
        self._total = total
        self._results: list[Row] = list(former)
        self._folder: Path | None = None
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
        held: Row | None = getattr(report, "hil_held", None)
        if held is not None and not held.get("not_run"):
            self._console.print(f"[yellow]given back[/]      {escape(held['id'])}  by rig {held['rig']}")
            self._console.print(_reason(held), style=_STYLES["error"])
        result: Row | None = getattr(report, "hil_result", None)
        if result is None:
            return
        self._results.append(result)
        outcome, style = result["outcome"], _STYLES[result["outcome"]]
        count = f"{len(self._results)}/{self._total}" if self._total else str(len(self._results))
        seconds = f"{result['wall']['seconds']:.1f} s"
        start = f"{outcome:7} {count:>7}  {result['id']}  "
        sentence = str(result["sentence"])
        if self._console.is_terminal:
            sentence = _clipped(sentence, self._console.width - len(start) - len(seconds) - 2)
        line = Text.assemble((f"{outcome:7}", style), start[7:], sentence, "  ", (seconds, "dim"))
        self._console.print(line)
        if result["reason"] and outcome != "passed":
            self._console.print(_reason(result), style=style)

    def summary(self, record: Row) -> None:
        """Print the table at the end: a line for each case, and below it what did not hold."""
        table = Table(
            title=f"{record['plan'] or 'cases'} on {record['rig']} ({record['bench']} bench)",
            title_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
        )
        table.add_column("case", no_wrap=True)
        table.add_column("result", no_wrap=True)
        table.add_column("what it shows", overflow="fold")
        table.add_column("bench s", justify="right", no_wrap=True)
        table.add_column("wall s", justify="right", no_wrap=True)
        for case_id, results in self._by_case():
            table.add_row(
                escape(case_id),
                _counted(results),
                escape(results[0]["sentence"]),
                f"{sum(result['seconds'] for result in results):.1f}",
                f"{sum(result['wall']['seconds'] for result in results):.1f}",
            )
        # The table keeps to the width; everything else may be cut by nothing but the window.
        self._console.print(table, soft_wrap=False)
        for result in self._results:
            if result["outcome"] in _TOLD_AT_THE_END:
                style = _STYLES[result["outcome"]]
                self._console.print(f"[{style}]{result['outcome']}[/] {escape(result['id'])}")
                self._console.print(_reason(result), style=style)
                self._console.print(f"repeat {escape(result['id'])}: {escape(result['command'])}\n")
        not_run = record.get("not_run", [])
        if not_run:
            self._console.print(f"[bold yellow]{len(not_run)} cases were not run[/]")
            for reason in sorted({str(row["reason"]).removeprefix("not run: ") for row in not_run}):
                self._console.print(f"        {escape(reason)}", style=_STYLES["error"])
            self._console.print("mend the bench; `hil run --resume` with this run's folder goes on with them")
        counts = record["counts"]
        told = ", ".join(f"[{_STYLES[name]}]{counts[name]} {name}[/]" for name in _STYLES if counts[name])
        times = f"{record['bench_seconds']:.1f} s on the bench's clock in {record['wall_seconds']:.1f} s"
        self._console.print(f"{told or 'no case ran'}; {times}; seed {record['seed']}")
        if counts["skipped"] and counts["skipped"] == sum(counts.values()):
            self._console.print("[bold red]nothing was tested: this rig can run no case of the plan[/]")
        rows = record.get("controls", [])
        if rows:
            failed = sum(row["held"] for row in rows)
            style = "green" if failed == len(rows) else "bold red"
            self._console.print(f"[{style}]{failed} of {len(rows)} negative controls failed, as they must[/]")
        jumps = [
            each["clock_jump_seconds"] for each in record.get("sessions", []) if "clock_jump_seconds" in each
        ]
        if jumps:
            self._console.print(
                f"[yellow]the clock of this computer was set by {jumps[-1]:+.0f} s during the run[/]"
            )

    def _by_case(self) -> list[tuple[str, list[Row]]]:
        """The results, together by case: with other parameters it shows the same."""
        cases: dict[str, list[Row]] = {}
        for result in sorted(self._results, key=lambda each: str(each["id"])):
            cases.setdefault(str(result["case"]), []).append(result)
        return list(cases.items())

    def _lines(self) -> None:
        """Without a terminal: now and then a line on where each case is that lasts."""
        told: dict[str, tuple[float, str]] = {}
        while not self._stop.wait(0.2):
            for progress in live.read(self._folder) if self._folder is not None else []:
                now = time.monotonic()
                when, before = told.setdefault(progress.case, (now, ""))
                words = [f"{progress.case}: {progress.stage}", _percent(progress), _rate(progress)]
                line = "  ".join(word.strip() for word in words if word)
                if line != before and now - when > _SECONDS_BETWEEN_LINES:
                    told[progress.case] = (now, line)
                    self._console.print(escape(line))


def _bar(progress: Progress) -> RenderableType:
    return (
        ProgressBar(total=1.0, completed=progress.fraction, width=24) if progress.fraction is not None else ""
    )


def _percent(progress: Progress) -> str:
    return f"{progress.fraction * 100:3.0f} %" if progress.fraction is not None else ""


def _rate(progress: Progress) -> str:
    return f"{progress.bytes_per_second / 1000:6.1f} kB/s" if progress.bytes_per_second is not None else ""


def _clipped(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: max(0, width - 1)]}\N{HORIZONTAL ELLIPSIS}"


def _reason(result: Row) -> Text:
    """Why a case did not pass, indented; a reason may have several lines."""
    return Text("\n".join(f"        {line}" for line in str(result["reason"]).splitlines()))


def _counted(results: list[Row]) -> str:
    """The outcomes of a case: "passed", or with several parameters "7 passed, 1 failed"."""
    counts = Counter(str(result["outcome"]) for result in results)
    if len(results) == 1:
        return "".join(f"[{_STYLES[name]}]{name}[/]" for name in counts)
    return "\n".join(f"[{_STYLES[name]}]{counts[name]} {name}[/]" for name in _STYLES if counts[name])
