"""A real labgrid coordinator and exporters on 127.0.0.1."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

PATIENCE_S = 120.0


class Laboratory:
    """A coordinator in `folder`, and the exporters that are begun with `export`."""

    def __init__(self, folder: Path, python: Path) -> None:
        self.folder = folder
        self._bin = python.parent
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.address = f"127.0.0.1:{free.getsockname()[1]}"
        self._stack = contextlib.ExitStack()
        self.coordinator = self.start_coordinator()

    def start_coordinator(self) -> subprocess.Popen[bytes]:
        process = self._start("labgrid-coordinator", "-l", self.address)
        host, _, port = self.address.partition(":")
        until = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection((host, int(port)), 1):
                return process
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.05)

    def _start(self, *command: str) -> subprocess.Popen[bytes]:
        log = (self.folder / f"{command[0]}.log").open("ab")
        process = subprocess.Popen(
            [str(self._bin / command[0]), *command[1:]],
            cwd=self.folder,
            env=_environment(),
            stdout=log,
            stderr=log,
        )
        log.close()
        self._stack.callback(end, process)
        return process

    def client(self, *arguments: str) -> str:
        """What labgrid's own command line says; it must succeed."""
        done = subprocess.run(
            [str(self._bin / "labgrid-client"), "-x", self.address, *arguments],
            env=_environment(),
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def export(self, name: str, resources: Mapping[str, Mapping[str, Any]]) -> subprocess.Popen[bytes]:
        """An exporter with one group of resources. JSON is YAML."""
        file = self.folder / f"{name}.yaml"
        file.write_text(json.dumps({"bench": resources}))
        process = self._start(
            "labgrid-exporter", "-c", self.address, "-n", name, "--hostname", "127.0.0.1", str(file)
        )
        until = time.monotonic() + PATIENCE_S
        while self.client("resources").count(f"{name}/") < len(resources):
            assert process.poll() is None and time.monotonic() < until
            time.sleep(0.2)
        return process

    def place(self, name: str, *exporters: str, **tags: str) -> None:
        self.client("-p", name, "create")
        for each in exporters:
            self.client("-p", name, "add-match", f"{each}/bench/*")
        self.client("-p", name, "set-tags", *(f"{key}={value}" for key, value in tags.items()))

    def holders(self) -> dict[str, str]:
        """Who has which place: those that are acquired."""
        found = {}
        for line in self.client("who").splitlines()[1:]:
            user, host, place = line.split()[:3]
            found[place] = f"{host}/{user}"
        return found

    def reservations(self) -> str:
        return self.client("reservations").strip()

    def close(self) -> None:
        self._stack.close()


def _environment() -> dict[str, str]:
    return {
        name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LG_", "PYTEST"))
    }


def end(process: subprocess.Popen[bytes]) -> None:
    """End a process that was started here."""
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextlib.contextmanager
def laboratory(folder: Path, python: Path) -> Iterator[Laboratory]:
    made = Laboratory(folder, python)
    try:
        yield made
    finally:
        made.close()
