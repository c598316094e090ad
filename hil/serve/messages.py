"""What `hil serve` says to people: on stderr, and in a file if there is to be one."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

from hil.errors import InputError
from hil.virtual.faultwatch import FaultReport
from hil.virtual.stuckwatch import StuckReport

log = logging.getLogger(__name__)


@contextlib.contextmanager
def messages_to(path: Path | None) -> Iterator[None]:
    """Messages to stderr, and to a file if there is to be one: stdout is for the one line of JSON."""
    handlers: list[logging.Handler] = [logging.StreamHandler(sys.stderr)]
    if path is not None:
        try:
            handlers.append(logging.FileHandler(path, "w", encoding="utf-8"))
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
    root, own, probe_server = (
        logging.getLogger(name) for name in (None, "hil", "pyocd.probe.tcp_probe_server")
    )
    levels = [(logger, logger.level) for logger in (root, own, probe_server)]
    for handler in handlers:
        handler.setFormatter(logging.Formatter("hil: %(message)s"))
        root.addHandler(handler)
    root.setLevel(logging.WARNING)
    own.setLevel(logging.INFO)
    # It tells of every request that fails, which debuggers provoke while they look around.
    probe_server.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in levels:
            logger.setLevel(level)
        for handler in handlers:
            root.removeHandler(handler)
            handler.close()


def tell_fault(report: FaultReport, count: int) -> None:
    """Tell a fault in full the first time, in one line later."""
    if count > 1:
        log.warning("%s, for the %dth time", report.lines()[0], count)
        return
    for line in report.lines():
        log.warning("%s", line)


def tell_stuck(report: StuckReport) -> None:
    """Tell where the firmware goes round."""
    for line in report.lines():
        log.warning("%s", line)


class Told:
    """Tells of what may happen again and again the 1st, 10th, 100th, ... time."""

    def __init__(self, what: str) -> None:
        self._what = what
        self._count = 0

    def __call__(self, place: int | None) -> None:
        self._count += 1
        if str(self._count).strip("0") == "1":
            where = "" if place is None else f", the firmware was last seen at 0x{place:08x}"
            log.warning("%s (%d so far)%s", self._what, self._count, where)
