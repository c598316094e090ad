"""A port of a USB hub that can switch its power, by the program uhubctl."""

from __future__ import annotations

import os
import re
import selectors
import subprocess
import time

from hil.errors import BenchError
from hil.supply.switch import Switch

OUTPUT_LIMIT = 65_536
"""Bytes of what the program may say; it is ended when it says more."""
LOCATION = r"\d{1,3}(-\d{1,3}(\.\d{1,3}){0,6})?"
"""A hub's place as Linux and uhubctl name it, e.g. 1-1.4."""

_PORT = re.compile(r"^\s*Port (\d+): ([0-9a-f]{4})((?: [^\s]+)*)", re.MULTILINE)


class UhubctlPort(Switch):
    """One port of one hub; every switching is checked by asking uhubctl for the port's status afterwards.

    A hub with USB 2 and USB 3 is two hubs to uhubctl, which switches both; the port is off when it is off in both.
    Source: uhubctl 2.6.0, manual page and `print_port_status` in uhubctl.c.
    """

    def __init__(
        self,
        location: str,
        port: int,
        *,
        nominal_volts: float,
        max_volts: float,
        program: str = "uhubctl",
        timeout_s: float = 10.0,
    ) -> None:
        super().__init__(f"hub {location} port {port}", nominal_volts, max_volts)
        if re.fullmatch(LOCATION, location) is None:
            raise BenchError(f"supply {self._name}: not a place of a hub; expected one such as 1-1.4")
        self._location = location
        self._port = port
        self._program = program
        self._timeout_s = timeout_s
        self._hub = self._status()[1]

    def identity(self) -> str:
        return f"{self._hub}, port {self._port}"

    def _turn(self, on: bool) -> None:
        word = "on" if on else "off"
        self._run("-a", word)
        if self._status()[0] != on:
            raise BenchError(
                f"supply {self._name}: the port is not {word} after '{self._program} -a {word}'; "
                "does this hub switch its power at all?"
            )

    def _status(self) -> tuple[bool, str]:
        """Whether the port has power, and how the hub is described."""
        text = self._run()
        states = [match for match in _PORT.finditer(text) if int(match.group(1)) == self._port]
        if not states:
            raise BenchError(
                f"supply {self._name}: '{self._program} -l {self._location}' tells of no port {self._port}: "
                f"{_line(text)}"
            )
        hub = re.search(r"status for hub (.+)", text)
        return any("power" in match.group(3).split() for match in states), _line(
            hub.group(1) if hub else "hub"
        )

    def _run(self, *action: str) -> str:
        command = [self._program, "-l", self._location, "-p", str(self._port), *action]
        told = " ".join(command)
        try:
            process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
        except OSError as error:
            raise BenchError(f"supply {self._name}: '{told}' cannot be run: {_line(str(error))}") from None
        with process:
            try:
                output = self._output(process, told)
                process.wait(self._timeout_s)
            except subprocess.TimeoutExpired:
                raise BenchError(
                    f"supply {self._name}: '{told}' has not ended in {self._timeout_s:g} s"
                ) from None
            finally:
                if process.poll() is None:
                    process.kill()
        text = "".join(c if c.isprintable() or c == "\n" else "?" for c in output.decode("utf-8", "replace"))
        if process.returncode != 0:
            raise BenchError(f"supply {self._name}: '{told}' failed ({process.returncode}): {_line(text)}")
        return text

    def _output(self, process: subprocess.Popen[bytes], told: str) -> bytes:
        assert process.stdout is not None
        output = b""
        end = time.monotonic() + self._timeout_s
        with selectors.DefaultSelector() as ready:
            ready.register(process.stdout, selectors.EVENT_READ)
            while True:
                left = end - time.monotonic()
                if left <= 0 or not ready.select(left):
                    raise BenchError(f"supply {self._name}: '{told}' has not ended in {self._timeout_s:g} s")
                data = os.read(process.stdout.fileno(), 4096)
                if not data:
                    return output
                output += data
                if len(output) > OUTPUT_LIMIT:
                    raise BenchError(f"supply {self._name}: '{told}' says more than {OUTPUT_LIMIT} bytes")


def _line(text: str) -> str:
    return " ".join(text.split())[:200] or "it said nothing"
