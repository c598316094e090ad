"""The helper process that speaks to labgrid, seen from hil: requests with a time limit, errors in one line."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any

from hil.errors import BenchError, InputError

PYTHON = "HIL_LABGRID_PYTHON"
"""Environment variable: the Python that labgrid is installed in."""
INSTALL = (
    'python3 -m venv labgrid && labgrid/bin/pip install "labgrid==26.0.1"'
    f" && export {PYTHON}=$PWD/labgrid/bin/python"
)
HELPER = Path(__file__).with_name("helper.py")
ANSWER_S = 20.0
"""More than the helper itself waits for the coordinator, s."""
START_S = 60.0
"""Importing gRPC takes seconds on a slow machine."""
LINE_LIMIT = 1 << 20
"""Bytes of one answer; a laboratory with a thousand places needs a fifth."""
_END_S = 5.0


class Refused(BenchError):
    """What the laboratory answered instead of what was asked for; `kind` is one word."""

    def __init__(self, kind: str, text: str) -> None:
        super().__init__(text)
        self.kind = kind


class LabClient:
    """A session with the coordinator at HOST:PORT under a user name of its own.

    Use as a context manager. Raises InputError when labgrid is not installed where `HIL_LABGRID_PYTHON` says,
    BenchError when the coordinator cannot be reached, and Refused for what it did not grant.
    """

    def __init__(self, coordinator: str, host: str, user: str) -> None:
        self.coordinator = coordinator
        self._number = 0
        self._buffer = b""
        python = os.environ.get(PYTHON, "")
        if not python:
            raise InputError(f"--lab needs labgrid in an environment of its own: {INSTALL}")
        try:
            self._process = subprocess.Popen(
                [python, str(HELPER), coordinator],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=_environment(host, user),
                # Ctrl-C at a terminal goes to a whole group, and the place is released after it.
                start_new_session=True,
            )
        except OSError as error:
            raise InputError(
                f"{PYTHON}={shlex.quote(python)}: cannot be started: {error.strerror}; {INSTALL}"
            ) from None
        try:
            self._answer(0, START_S)
        except Refused as refused:
            self.close()
            if refused.kind == "missing":
                raise InputError(
                    f"{PYTHON}={shlex.quote(python)}: has no labgrid ({refused}); {INSTALL}"
                ) from None
            raise BenchError(
                f"lab {coordinator}: cannot reach the coordinator ({refused}); is labgrid-coordinator running there?"
            ) from None
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> LabClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ask(self, request: str, **arguments: Any) -> Mapping[str, Any]:
        """Send one request and wait for its answer."""
        self._number += 1
        line = json.dumps({"number": self._number, "request": request, **arguments}) + "\n"
        try:
            assert self._process.stdin is not None
            self._process.stdin.write(line.encode())
            self._process.stdin.flush()
        except OSError:
            raise BenchError(f"lab {self.coordinator}: the labgrid helper has ended") from None
        return self._answer(self._number, ANSWER_S)

    def _answer(self, number: int, limit_s: float) -> Mapping[str, Any]:
        """The answer of this number. Earlier ones, which Ctrl-C kept from being read, are dropped."""
        until = time.monotonic() + limit_s
        while True:
            answer = self._line(until)
            if answer.get("number") != number:
                continue
            if "error" in answer:
                raise Refused(str(answer["error"]), _short(answer.get("text")))
            return answer

    def _line(self, until: float) -> dict[str, Any]:
        assert self._process.stdout is not None
        descriptor = self._process.stdout.fileno()
        while b"\n" not in self._buffer:
            left = max(until - time.monotonic(), 0)
            if not select.select([descriptor], [], [], left)[0]:
                raise BenchError(f"lab {self.coordinator}: the labgrid helper does not answer")
            data = os.read(descriptor, 1 << 16)
            if not data:
                raise BenchError(f"lab {self.coordinator}: the labgrid helper has ended")
            self._buffer += data
            if len(self._buffer) > LINE_LIMIT:
                raise BenchError(f"lab {self.coordinator}: an answer is longer than {LINE_LIMIT} bytes")
        line, _, self._buffer = self._buffer.partition(b"\n")
        try:
            answer = json.loads(line)
        except ValueError:
            answer = None
        if not isinstance(answer, dict):
            raise BenchError(
                f"lab {self.coordinator}: the labgrid helper answered with what is no JSON object"
            )
        return answer

    def close(self) -> None:
        """End the helper; may be called again."""
        with contextlib.suppress(OSError):
            assert self._process.stdin is not None
            self._process.stdin.close()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        assert self._process.stdout is not None
        self._process.stdout.close()


def _environment(host: str, user: str) -> dict[str, str]:
    """Without what makes another Python find hil's packages, and serial among them, before its own."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "LG_"))}
    return kept | {"LG_HOSTNAME": host, "LG_USERNAME": user}


def _short(text: object) -> str:
    """What the laboratory said, as one printable line."""
    plain = "".join(each if each.isprintable() else " " for each in str(text))
    return " ".join(plain.split())[:300]
