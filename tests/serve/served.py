"""`hil serve` as a process of its own, as its users have it."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import hil

PATIENCE_S = 120.0
"""Longer than anything here takes; the bundled firmware may have to be built first."""


class Served:
    """A running `hil serve`; its endpoints by name as items. Ends it, and checks that it ends well, on the way out."""

    def __init__(self, folder: Path, *arguments: str | Path) -> None:
        self.log = folder / "serve.log"
        environment = {**os.environ, "PYTHONPATH": str(Path(hil.__file__).parents[1])}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hil", "serve", "--log", str(self.log), *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
        )
        assert self.process.stdout is not None
        self.line = b""
        if select.select([self.process.stdout], [], [], PATIENCE_S)[0]:
            self.line = self.process.stdout.readline()
        if not self.line:
            self.process.kill()
            raise AssertionError(f"hil serve did not start: {self.process.communicate()[1].decode()}")
        self.endpoints: dict[str, Any] = json.loads(self.line)

    def __getitem__(self, name: str) -> Any:
        return self.endpoints[name]

    @property
    def port(self) -> int:
        """Of SWD."""
        return int(self["swd"].rpartition(":")[2])

    def messages(self) -> str:
        """What it has said so far."""
        return self.log.read_text()

    def wait_for(self, text: str) -> str:
        """The messages, once `text` is among them."""
        limit = time.monotonic() + PATIENCE_S
        while text not in self.messages():
            assert time.monotonic() < limit, f"it never said {text!r}: {self.messages()}"
            time.sleep(0.02)
        return self.messages()

    def end(self, number: int = signal.SIGTERM) -> tuple[int, bytes, str]:
        """Send a signal; exit code, what else came on stdout, and stderr."""
        self.process.send_signal(number)
        out, messages = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, messages.decode()

    def __enter__(self) -> Served:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.returncode is None:
            code, out, messages = self.end()
            if kind is None:
                assert (code, out) == (0, b""), messages


def pyocd(served: Served, command: str, *arguments: str | Path) -> str:
    """What pyOCD's command line says when it does something to the kit; it must succeed."""
    done = subprocess.run(
        [
            *(sys.executable, "-m", "pyocd", command, "-u", served["swd"], "-t", served["target"]),
            *map(str, arguments),
        ],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
        cwd=served.log.parent,
    )
    text = (done.stdout + done.stderr).decode()
    assert done.returncode == 0, text
    return text
