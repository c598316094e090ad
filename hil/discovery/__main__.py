"""Looks for one kind of thing and prints what it found as JSON: `python -m hil.discovery probe`."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import sys
import warnings
from collections.abc import Callable

from hil.discovery import adapters, dongles, instruments, probes, serial_ports
from hil.discovery.found import Found, Kind

FINDERS: dict[Kind, Callable[[], list[Found]]] = {
    "probe": probes.find,
    "serial": serial_ports.find,
    "visa": instruments.find,
    "hci": dongles.find,
    "adapter": adapters.find,
}


def main() -> None:
    """Print one line; the exit code is 0 also when nothing could be looked for, which the line then says."""
    kind = sys.argv[1] if len(sys.argv) > 1 else ""
    # What libraries print on standard output must not mix with the answer.
    answer = os.dup(1)
    os.dup2(2, 1)
    warnings.simplefilter("ignore")
    found: list[Found] = []
    trouble = None
    try:
        found = next(finder for name, finder in FINDERS.items() if name == kind)()
    except Exception as error:  # of any of five libraries
        trouble = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
    line = json.dumps({"found": [dataclasses.asdict(each) for each in found], "trouble": trouble})
    with contextlib.suppress(BrokenPipeError):
        os.write(answer, line.encode() + b"\n")
    # Threads and finalizers of libraries have nothing more to say.
    os._exit(0)


if __name__ == "__main__":
    main()
