"""One pytest session that runs cases into a run folder."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TextIO

import pytest

from hil.errors import BenchError, InputError
from hil.run.asked import Asked, arguments
from hil.run.cases import CaseInfo
from hil.run.collect import write_pytests_output_to
from hil.run.writer import WRITER, RunWriter

_GO_ON = "; what had ended is kept: when it can be written again, `hil run --resume {}` goes on"


class Log(io.StringIO):
    """pytest's own output, kept in a file. It is for those who look for a mistake in a test: where the disk is full the
    run must not end for its sake.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file: TextIO | None = None
        with contextlib.suppress(OSError):
            self._file = path.open("a", encoding="utf-8")

    def write(self, text: str) -> int:
        """Write to the file if that can be."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush the file if that can be."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.flush()

    def close(self) -> None:
        """Close the file; what cannot be written any more is lost."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None


class Shown(Protocol):
    """What a session is shown by: a pytest plugin."""

    def watch(self, folder: Path) -> None:
        """Begin to show the run that writes into `folder`."""

    def stop(self) -> None:
        """Stop showing."""


class Keeper:
    """A pytest plugin that ties the display to the run, and keeps the run's writer for after its end."""

    def __init__(
        self,
        display: Shown,
        cases: dict[str, tuple[str, CaseInfo]],
        begin: Callable[[RunWriter], None],
    ) -> None:
        self.display = display
        self._cases = cases
        self._begin = begin
        self.writer: RunWriter | None = None

    @pytest.hookimpl(trylast=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        self.writer = config.stash[WRITER]
        self.writer.cases = self._cases
        try:
            self._begin(self.writer)
        except BenchError as error:
            self.writer.trouble = str(error)
        config.pluginmanager.register(self.display, "hil-display")
        log = Log(self.writer.folder.path / "pytest.log")
        config.add_cleanup(log.close)
        write_pytests_output_to(config, log)

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        if self.writer is not None and self.writer.trouble is not None:
            pytest.exit(self.writer.trouble, BenchError.exit_code)

    def pytest_sessionstart(self) -> None:
        if self.writer is not None:
            self.display.watch(self.writer.folder.path)


def run_session(
    modules: Path,
    asked: Asked,
    cases: dict[str, tuple[str, CaseInfo]],
    folder: Path,
    display: Shown,
    *,
    workers: int = 1,
    left_out: Path | None = None,
    begin: Callable[[RunWriter], None] = lambda writer: None,
    allotment: object | None = None,
) -> tuple[int, RunWriter]:
    """Run the cases of `modules` that `asked` chooses into `folder`; returns pytest's exit code and the run's writer.

    `left_out` is a JSON list of instances that are not run. `begin` is called with the writer before the first case.
    `allotment` is the plugin that gives each worker its rig, where there are several.
    Raises InputError when pytest refuses its arguments, BenchError when the record cannot be written.
    """
    keeper = Keeper(display, cases, begin)
    words = [*arguments(modules, asked), f"--hil-folder={folder}"]
    if left_out is not None:
        words.append(f"--hil-leave-out={left_out}")
    if workers > 1 or allotment is not None:
        words += ["-n", str(workers), "--dist", "load"]
    try:
        plugins = [keeper] if allotment is None else [keeper, allotment]
        code = int(pytest.main([*words, *asked.pytest_arguments], plugins=plugins))
    except KeyboardInterrupt:
        # Before the first case, or after the last one while the report is written, where pytest lets it pass.
        code = int(pytest.ExitCode.INTERRUPTED)
        if keeper.writer is None:
            raise
        keeper.writer.interrupted = True
        keeper.writer.finish()
    except OSError as error:
        raise BenchError(f"{folder}: cannot be written: {error.strerror}{_GO_ON.format(folder)}") from None
    finally:
        display.stop()
    if keeper.writer is None:
        raise InputError("pytest refused the arguments after --, see above")
    keeper.writer.workers = workers
    if keeper.writer.record["state"] == "running":
        keeper.writer.finish()
    if keeper.writer.trouble is not None:
        raise BenchError(keeper.writer.trouble + _GO_ON.format(folder))
    return code, keeper.writer
