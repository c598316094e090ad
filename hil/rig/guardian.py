"""A process of its own that switches a bench off when the one that runs its cases dies without a word.

Against SIGKILL, the kernel's out-of-memory killer or a crash of the interpreter no handler helps. So a run on
instruments that exist starts this small process, which does nothing but read from a pipe. The run says goodbye when
its bench is safe; a pipe that ends without it means that the run is dead, and then the supply's output is switched off.
The claim on the bench (hil.rig.claim) is inherited, so that a new run waits until that is done and is never disturbed.

What it cannot help against is the loss of the whole computer: there only a watchdog in the instrument itself does.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from hil.errors import BenchError, HilError
from hil.rig import drivers
from hil.rig.claim import Claim
from hil.rig.schema import RigFile

GOODBYE = b"goodbye\n"
READY = b"ready\n"
ATTEMPTS_S = 15.0
"""How long the supply is tried: its connection may have to time out on the instrument's side first."""
LOG = "guardian.log"
_END_S = 10.0


class Guardian:
    """Watches over a rig for the process that made it. `log` is written to only if it has to act.

    Raises BenchError when it cannot be started.
    """

    def __init__(self, file: RigFile, claim: Claim, log: Path | None = None) -> None:
        self._name = file.name
        task = {
            "rig": file.model_dump(mode="json", by_alias=True),
            "folder": str(file.path("")),
            "log": str(log) if log is not None else None,
        }
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-m", __name__],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                # Ctrl-C at a terminal goes to a whole group: the guardian must outlive whom it watches.
                start_new_session=True,
                pass_fds=claim.descriptors if os.name == "posix" else (),
            )
            assert self._process.stdin is not None
            self._process.stdin.write(json.dumps(task).encode() + b"\n")
            self._process.stdin.flush()
        except OSError as error:
            raise BenchError(f"rig {file.name}: its guardian cannot be started: {error}") from None

    def wait_ready(self) -> None:
        """Wait until it watches. Raises BenchError when it does not."""
        assert self._process.stdout is not None
        if self._process.stdout.readline() != READY:
            raise BenchError(f"rig {self._name}: its guardian did not start")

    def dismiss(self, *, safe: bool = True) -> None:
        """Say goodbye: the bench is safe. Where it is not, leave it to the guardian, which goes on without us."""
        with contextlib.suppress(OSError, ValueError):
            assert self._process.stdin is not None
            if safe:
                self._process.stdin.write(GOODBYE)
            self._process.stdin.close()
        if not safe:
            return
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


def make_safe(
    file: RigFile, attempts_s: float = ATTEMPTS_S, *, sleep: Callable[[float], None] = time.sleep
) -> str:
    """Take the power of a bench away, or let its device run where there is no supply; returns what was done.

    Raises the last BenchError when the instrument does not answer for `attempts_s`.
    """
    until = time.monotonic() + attempts_s
    while True:
        try:
            return _make_safe(file)
        except HilError:
            if time.monotonic() >= until:
                raise
            sleep(0.5)


def _make_safe(file: RigFile) -> str:
    if file.supply is not None:
        supply = drivers.open_supply(file.supply, path=file.path)
        try:
            supply.safe_off()
        finally:
            supply.close()
        return "the supply's output is off"
    if file.probe is not None:
        probe = drivers.open_probe(file.probe)
        probe.open()
        try:
            probe.reset()
        finally:
            probe.close()
        return "there is no supply; the device was reset and runs"
    return "there is neither supply nor probe: nothing to do"


def main() -> None:
    """What the process does: the task as one line of JSON on its standard input, then the end of that, or a goodbye."""
    for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGHUP", signal.SIGTERM)):
        signal.signal(number, signal.SIG_IGN)
    task = json.loads(sys.stdin.buffer.readline())
    file = RigFile.model_validate_json(json.dumps(task["rig"]))
    file._folder = Path(task["folder"])  # what a supply's own profile is relative to
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()
    if sys.stdin.buffer.read().endswith(GOODBYE):
        return
    try:
        told = make_safe(file)
    except HilError as error:
        told = f"NOT SAFE: {error}; switch it off by hand"
    if task["log"] is not None:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S%z")
        with contextlib.suppress(OSError), Path(task["log"]).open("a", encoding="utf-8") as log:
            log.write(f"{moment} rig {file.name}: the run died without ending; {told}\n")


if __name__ == "__main__":
    main()
