"""Runs the program of [initiator]: fills in its arguments, keeps what it says, and ends it on every way out."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

from hil.errors import BenchError
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.rig.rig import Rig

if TYPE_CHECKING:
    from hil.initiator.realtime import RealTime

LOG = "initiator.log"
STEP_S = 0.05
"""How often the program is looked at."""


class Initiator:
    """The program of a rig, one run of it after the other. Its output goes to initiator.log of the case."""

    def __init__(self, rig: Rig, dut: Device, folder: Path) -> None:
        table = rig.file.initiator
        if table is None:
            raise BenchError(
                'this rig has no [initiator]: a case that uses it says so by needs=["initiator"]'
            )
        self._rig = rig
        self._dut = dut
        self._table = table
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self._stack = contextlib.ExitStack()
        self._open: RealTime | None = None
        self._began = 0.0

    def start(self, image: SignedImage) -> None:
        """Start the program on this image. Raises BenchError when it cannot be started."""
        self.close()
        path = self._folder / f"{image.name.replace(' ', '-').replace('/', '-')}.bin"
        path.write_bytes(image.data)
        if self._rig.file.bench == "virtual":
            from hil.initiator.realtime import opened

            self._open = self._stack.enter_context(opened(self._rig))
        file = self._rig.file
        console = file.console.port if file.console is not None else ""
        values = {
            "image": str(path),
            "version": str(image.version),
            "hash": image.hash.hex(),
            "console": self._open.console if self._open is not None else console,
            "hci": self._open.hci if self._open is not None else "",
            "ble_name": file.device.ble.name or "",
            "ble_address": file.device.ble.address or "",
        }
        words = [word.format(**values) for word in self._table.command]
        kept = {name: os.environ[name] for name in self._table.environment if name in os.environ}
        log = self._stack.enter_context((self._folder / LOG).open("ab"))
        told = [file.written(index, word) for index, word in enumerate(words)]
        log.write(f"$ {' '.join(told)}\n".encode())
        log.flush()
        try:
            self._process = subprocess.Popen(
                words,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=kept,
                cwd=file.path("."),
                start_new_session=True,  # so that what it starts itself ends with it
            )
        except OSError as error:
            self.close()
            raise BenchError(f"initiator: {told[0]}: cannot be started: {error.strerror}") from None
        self._began = time.monotonic()

    @property
    def running(self) -> bool:
        """Whether the program is still at work."""
        return self._process is not None and self._process.poll() is None

    def pass_time(self, seconds: float) -> None:
        """Let time pass for program and device."""
        if self._open is not None:
            self._open.pass_time(seconds)
        else:
            time.sleep(seconds)

    def wait(self) -> int:
        """Wait for the program's end; returns its exit code, negative for a signal. At its time-out it is killed.

        Raises BenchError when it had to be.
        """
        assert self._process is not None
        while self.running:
            if time.monotonic() - self._began > self._table.timeout_seconds:
                self.kill()
                self.close()
                raise BenchError(
                    f"initiator: did not end within {self._table.timeout_seconds:g} s; its output is in {LOG}"
                )
            self.pass_time(STEP_S)
        code = self._process.returncode
        self.close()
        return int(code)

    def kill(self) -> None:
        """Kill the program and all that it started, as an operating system kills an app."""
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()

    def close(self) -> None:
        """End the program if it runs, and give the bench back to the case. A second call does nothing."""
        self.kill()
        self._process = None
        self._open = None
        self._stack.close()
