"""Runs a program on Debian's qemu-system-arm: board mps2-an386, a Cortex-M4 with floating point.

The program ends by asking for a reset. QEMU is told to stop there and keep the memory, which is then read through
its control socket (QMP) on a socket file: neither semihosting nor a serial line has a part in it.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.differential.layout import PROGRESS, RESULTS
from tests.differential.machine import Outcome

QEMU = shutil.which("qemu-system-arm")
MISSING = "qemu-system-arm is not installed (Debian package qemu-system-arm): nothing to compare the CPU with"
LENGTH = PROGRESS + 8 - RESULTS
PATIENCE = 20.0
"""Seconds a program may take; the longest needs less than one."""


def run(image: bytes) -> Outcome:
    """Run `image` until it asks for a reset."""
    assert QEMU is not None, MISSING
    with tempfile.TemporaryDirectory(prefix="hil-qemu-") as folder:
        root = Path(folder)
        (root / "program.bin").write_bytes(image)
        command = [
            *(QEMU, "-M", "mps2-an386", "-display", "none", "-monitor", "none", "-serial", "none"),
            *("-nodefaults", "-kernel", "program.bin", "-qmp", "unix:qmp,server=on,wait=off", "-S"),
            *("-action", "reboot=shutdown,shutdown=pause"),
        ]
        log = root / "log"
        with log.open("wb") as output:
            process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        results, trouble = bytes(LENGTH), ""
        try:
            with _Control(root / "qmp", process) as control:
                control.ask("cont")
                trouble = "" if control.wait_for_stop(PATIENCE) else _trouble(control)
                control.ask("pmemsave", val=RESULTS, size=LENGTH, filename=str(root / "results.bin"))
                results = (root / "results.bin").read_bytes()
        except ConnectionError as error:  # QEMU aborts where the CPU would lock up
            trouble = str(error)
        finally:
            process.kill()
            process.wait()
        said = log.read_text(errors="replace").strip()
    return Outcome("qemu", results, f"{trouble} {said}" if trouble else "")


def _trouble(control: _Control) -> str:
    control.ask("stop")
    return str(control.ask("human-monitor-command", **{"command-line": "info registers"}))


class _Control:
    """QEMU's control protocol: one JSON object a line; events come in between."""

    def __init__(self, path: Path, process: subprocess.Popen[bytes]) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        until = time.monotonic() + PATIENCE
        while True:
            try:
                self._socket.connect(str(path))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                assert process.poll() is None, "qemu-system-arm ended at once"
                assert time.monotonic() < until, "qemu-system-arm opens no control socket"
                time.sleep(0.01)
        self._socket.settimeout(PATIENCE)
        self._lines = self._socket.makefile("rb")
        self._events: list[str] = []
        self._next()  # the greeting
        self.ask("qmp_capabilities")

    def __enter__(self) -> _Control:
        return self

    def __exit__(self, *error: object) -> None:
        self._lines.close()
        self._socket.close()

    def ask(self, execute: str, **arguments: Any) -> Any:
        """One command, and what it returned. Raises AssertionError with QEMU's words if it was refused."""
        request = {"execute": execute, "arguments": arguments}
        self._socket.sendall(json.dumps(request).encode() + b"\n")
        while True:
            answer = self._next()
            if "event" in answer:
                self._events.append(answer["event"])
                continue
            assert "return" in answer, f"{execute}: {answer}"
            return answer["return"]

    def wait_for_stop(self, seconds: float) -> bool:
        """Whether the machine stopped within this time."""
        until = time.monotonic() + seconds
        while "STOP" not in self._events:
            left = until - time.monotonic()
            if left <= 0:
                return False
            self._socket.settimeout(left)
            try:
                self._events.append(self._next().get("event", ""))
            except TimeoutError:
                # The buffered reader gives up for good after a time-out: a new one takes over.
                self._lines = self._socket.makefile("rb")
                return False
            finally:
                self._socket.settimeout(PATIENCE)
        return True

    def _next(self) -> dict[str, Any]:
        line = self._lines.readline()
        if not line:
            raise ConnectionError("qemu-system-arm closed its control socket")
        answer = json.loads(line)
        assert isinstance(answer, dict)
        return answer
