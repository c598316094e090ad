"""The serial console of a device, through pyserial: a real port or `hil://kit0/console`, the same code.

No thread reads in the background. Bytes wait in the port until somebody asks: `pump`, `lines`, `wait_for` and
`close` take what is there. In an asyncio loop, `attach` has the loop pump whenever bytes arrive.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

import serial

from hil.console.panic import PanicWatch
from hil.console.splitter import Frame, Splitter, Text
from hil.errors import BenchError, DeviceError, HilError, InputError
from hil.wire import DIRECT, Wires

CAPACITY_LINES = 20_000
"""Lines kept in memory; the oldest go first. The log file keeps them all."""
CHUNK = 65_536
_POLL_S = 0.02


class ConsoleTimeout(DeviceError):
    """The device did not print what was waited for."""


class ConsolePanic(DeviceError):
    """The device gave up while something else was waited for."""


@dataclass(frozen=True)
class ConsoleLine:
    """One line, with the time it was complete: seconds on the bench's clock."""

    time_s: float
    text: str

    def __str__(self) -> str:
        return f"[{self.time_s:12.6f}] {self.text}"


def open_console(
    port: str,
    baud: int = 115_200,
    *,
    log: Path | None = None,
    name: str = "console",
    wires: Wires = DIRECT,
    panic: Iterable[str] = (),
) -> SerialConsole:
    """Open a serial port or pyserial URL, 8N1 without flow control.

    `log` is a file that every line is appended to; `panic` are patterns of a panic besides those that are
    known. Raises BenchError when the port cannot be opened, InputError for a port name or rate that makes no
    sense.
    """
    try:
        opened = wires.serial(
            name,
            lambda: serial.serial_for_url(port, baudrate=baud, timeout=0, write_timeout=5.0, exclusive=None),
        )
    except (ValueError, TypeError) as error:
        raise InputError(f"{name}: {port!r} at {baud} bit/s: {error}") from None
    except (serial.SerialException, OSError) as error:
        raise BenchError(f"{name}: cannot open {port}: {error}") from None
    try:
        return SerialConsole(opened, name=name, log=log, panic=panic)
    except BaseException:
        opened.close()
        raise


class SerialConsole:
    """Captures what a device prints and lets SMP share the port.

    `port` is an open pyserial port; the console reads without blocking and closes it in `close`. Use as a
    context manager or call `close`.
    """

    def __init__(
        self,
        port: Any,
        *,
        name: str = "console",
        log: Path | None = None,
        capacity: int = CAPACITY_LINES,
        panic: Iterable[str] = (),
    ) -> None:
        self.name = name
        self.dropped_lines = 0
        self.panics = PanicWatch(panic)
        """Lines by which the device said that it gave up."""
        self._port = port
        self._splitter = Splitter()
        self._lines: deque[ConsoleLine] = deque()
        self._capacity = capacity
        self._first = 0  # number of the oldest line kept
        self._cursor = 0  # number of the line where wait_for goes on
        self._frame_taps: list[Callable[[bytes], None]] = []
        self._byte_taps: list[Callable[[bytes], None]] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._poll: asyncio.TimerHandle | None = None
        self._log: TextIO | None = None
        port.timeout = 0
        if log is not None:
            try:
                self._log = log.open("a", encoding="utf-8")
            except OSError as error:
                raise InputError(f"{name}: cannot write the log {log}: {error.strerror}") from None

    def __enter__(self) -> SerialConsole:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def now(self) -> float:
        """Seconds on the bench's clock: virtual time on a virtual bench, a monotonic clock on a real one."""
        clock = getattr(self._port, "bench_time", None)
        return float(clock()) if clock is not None else time.monotonic()

    # ---- Reading ----

    def pump(self) -> None:
        """Take what has arrived; never waits. Raises BenchError when the port is gone."""
        for when, data in self._read():
            for tap in list(self._byte_taps):
                tap(data)
            self._keep(self._splitter.feed(data), when)

    @property
    def lines(self) -> list[ConsoleLine]:
        """The lines captured so far, oldest first."""
        self.pump()
        return list(self._lines)

    def text(self) -> str:
        """The captured lines as one text with time stamps, for a log or a report."""
        return "".join(f"{line}\n" for line in self.lines)

    def skip(self) -> None:
        """Let `wait_for` look only at what comes after this call."""
        self.pump()
        self._cursor = self._first + len(self._lines)

    def wait_for(self, pattern: str, timeout_s: float = 10.0, *, expect_panic: bool = False) -> re.Match[str]:
        """Wait for a line that the regular expression is found in; return the match.

        Looks first at lines not yet passed by an earlier call, then at an unfinished line, then waits; the
        time-out is in the bench's time. Raises ConsolePanic as soon as a line is passed by which the device
        says that it gave up, unless it matches or `expect_panic`; ConsoleTimeout with the last line;
        InputError for a bad pattern.
        """
        try:
            wanted = re.compile(pattern)
        except re.error as error:
            raise InputError(
                f"{self.name}: the pattern {pattern!r} is not a regular expression: {error}"
            ) from None
        deadline = self.now() + timeout_s
        while True:
            self.pump()
            match = self._search(wanted, pattern, expect_panic)
            if match is not None:
                return match
            left = deadline - self.now()
            if left <= 0:
                raise ConsoleTimeout(self._timeout_text(pattern, timeout_s))
            self._wait(left)

    def _search(self, wanted: re.Pattern[str], pattern: str, expect_panic: bool) -> re.Match[str] | None:
        self._cursor = max(self._cursor, self._first)
        while self._cursor < self._first + len(self._lines):
            line = self._lines[self._cursor - self._first]
            self._cursor += 1
            match = wanted.search(line.text)
            if match is not None:
                return match
            if not expect_panic and self.panics.recognises(line.text):
                raise ConsolePanic(
                    f"{self.name}: while waiting for {pattern!r} the device gave up: {line.text!r}"
                )
        return wanted.search(self._splitter.partial) if self._splitter.partial else None

    def _timeout_text(self, pattern: str, timeout_s: float) -> str:
        last = f"last line: {self._lines[-1].text!r}" if self._lines else "nothing was printed at all"
        gave_up = f"; it gave up: {self.panics.lines[-1]!r}" if self.panics.lines else ""
        return f"{self.name}: no line matches {pattern!r} within {timeout_s:g} s; {last}{gave_up}"

    # ---- Writing ----

    def send(self, data: bytes) -> None:
        """Send bytes to the device as they are. Raises BenchError when the port is gone or blocked."""
        try:
            self._port.write(data)
        except (serial.SerialException, OSError) as error:
            raise BenchError(f"{self.name}: cannot write to {self._port.port}: {error}") from None

    # ---- Sharing the port ----

    def add_frame_tap(self, tap: Callable[[bytes], None]) -> None:
        """Call `tap` with each SMP frame line, from its marker to its line feed; frames are not in `lines`."""
        self._frame_taps.append(tap)

    def remove_frame_tap(self, tap: Callable[[bytes], None]) -> None:
        """Stop calling `tap`; one that is not there is ignored."""
        if tap in self._frame_taps:
            self._frame_taps.remove(tap)

    def add_byte_tap(self, tap: Callable[[bytes], None]) -> None:
        """Call `tap` with every piece of raw bytes, text and frames alike, as it is read."""
        self._byte_taps.append(tap)

    def remove_byte_tap(self, tap: Callable[[bytes], None]) -> None:
        """Stop calling `tap`; one that is not there is ignored."""
        if tap in self._byte_taps:
            self._byte_taps.remove(tap)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """Have `loop` pump the console whenever bytes arrive, until `detach` or `close`."""
        self.detach()
        self._loop = loop
        if hasattr(self._port, "on_receive"):
            self._port.on_receive = self._arrived
            loop.call_soon(self._pump_in_loop)
        elif not self._add_reader(loop):
            self._poll = loop.call_later(_POLL_S, self._poll_again)

    def detach(self) -> None:
        """Let the loop leave the console alone again."""
        loop, self._loop = self._loop, None
        if self._poll is not None:
            self._poll.cancel()
            self._poll = None
        if hasattr(self._port, "on_receive"):
            self._port.on_receive = None
        elif loop is not None and not loop.is_closed() and self._port.is_open:
            try:
                loop.remove_reader(self._port.fileno())
            except (NotImplementedError, AttributeError, ValueError, OSError, serial.SerialException):
                return

    def _add_reader(self, loop: asyncio.AbstractEventLoop) -> bool:
        try:
            loop.add_reader(self._port.fileno(), self._pump_in_loop)
        except (NotImplementedError, AttributeError, OSError):  # Windows, or a port without a descriptor
            return False
        return True

    def _arrived(self) -> None:
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon(self._pump_in_loop)

    def _pump_in_loop(self) -> None:
        if self._loop is None:
            return
        try:
            self.pump()
        except HilError:
            self.detach()  # the next one who asks is told; a dead descriptor would make the loop spin
            raise

    def _poll_again(self) -> None:
        self._pump_in_loop()
        if self._loop is not None:
            self._poll = self._loop.call_later(_POLL_S, self._poll_again)

    # ---- Ending ----

    def close(self) -> None:
        """Take what is still there, close the port and the log; a second call does nothing."""
        try:
            if self._port.is_open:
                try:
                    self.pump()
                finally:
                    self.detach()
                    self._keep(self._splitter.flush(), self.now())
                    self._port.close()
        finally:
            if self._log is not None:
                self._log.close()
                self._log = None

    # ---- Inside ----

    def _read(self) -> list[tuple[float, bytes]]:
        try:
            if hasattr(
                self._port, "read_timed"
            ):  # stamped when the bytes arrived, not when they were asked for
                return list(self._port.read_timed(CHUNK))
            data = bytes(self._port.read(CHUNK))
        except (serial.SerialException, OSError) as error:
            raise BenchError(f"{self.name}: {self._port.port} is gone: {error}") from None
        return [(self.now(), data)] if data else []

    def _wait(self, seconds: float) -> None:
        """Let time pass until bytes arrive: bench time on the virtual bench, a short sleep on a real port."""
        sleep = getattr(self._port, "sleep", None)
        try:
            if sleep is not None:
                sleep(seconds)
            else:
                time.sleep(min(seconds, _POLL_S))
        except serial.SerialException as error:
            raise BenchError(f"{self.name}: {error}") from None

    def _keep(self, items: list[Text | Frame], when: float) -> None:
        for item in items:
            if isinstance(item, Frame):
                for tap in list(self._frame_taps):
                    tap(item.data)
                continue
            line = ConsoleLine(when, item.line)
            self.panics.look(line.text, str(line))
            self._lines.append(line)
            if self._log is not None:
                self._log.write(f"{line}\n")
            if len(self._lines) > self._capacity:
                self._lines.popleft()
                self._first += 1
                self.dropped_lines += 1
        if items and self._log is not None:
            self._log.flush()
