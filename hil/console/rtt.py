"""A console by SEGGER RTT: what the device writes into a ring buffer in its RAM, read by the debug probe.

To `SerialConsole` it is one more port, so that lines, patterns, panics and the log are the same as of a serial one.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Protocol

import serial

from hil.errors import BenchError, DeviceError

PATIENCE_S = 5.0
"""Bench time for which a probe may not answer while the device has power, before it counts as gone."""
GRACE_S = 1.0
"""Bench time for which a control block may make no sense before the device is told: RAM that has just got its power
back holds the remains of one.
"""
_MOST_BACKLOG = 1 << 16


class Reader(Protocol):
    """See hil.probe.base.Rtt."""

    def read(self, channel: int) -> bytes: ...

    def write(self, channel: int, data: bytes) -> int: ...


class RttPort:
    """What SerialConsole asks of a port.

    `reader` gives access to the device's RTT, None while the device has no power; `now` and `sleep` are the bench's
    time. The device is asked every `poll_s` seconds. A device that is off, or was reset and has not set its buffers
    up yet, prints nothing; a probe that does not answer for PATIENCE_S raises serial.SerialException.
    """

    def __init__(
        self,
        reader: Callable[[], Reader | None],
        *,
        channel: int,
        poll_s: float,
        now: Callable[[], float],
        sleep: Callable[[float], None],
    ) -> None:
        self.port = f"RTT channel {channel}"
        self.is_open = True
        self.timeout = 0.0
        self._reader = reader
        self._channel = channel
        self._poll_s = poll_s
        self._now = now
        self._sleep = sleep
        self._asked = float("-inf")
        self._failing_since: float | None = None
        self._senseless_since: float | None = None
        self._to_send = b""

    def bench_time(self) -> float:
        """Seconds on the bench's clock."""
        return self._now()

    def sleep(self, seconds: float) -> None:
        """Let bench time pass, no longer than until the device is asked again."""
        self._sleep(min(seconds, self._poll_s))

    def read(self, size: int) -> bytes:
        """What the device has put into its buffer since, if it is time to ask."""
        now = self._now()
        if now - self._asked < self._poll_s:
            return b""
        self._asked = now
        try:
            reader = self._reader()
            if reader is None:
                self._failing_since = self._senseless_since = None
                self._to_send = b""  # to a device without power
                return b""
            self._send(reader)
            data = reader.read(self._channel)
        except BenchError as error:
            if self._failing_since is None:
                self._failing_since = now
            if now - self._failing_since >= PATIENCE_S:
                raise serial.SerialException(str(error)) from None
            return b""
        except DeviceError:
            if self._senseless_since is None:
                self._senseless_since = now
            if now - self._senseless_since >= GRACE_S:
                raise
            return b""
        self._failing_since = self._senseless_since = None
        return data

    def write(self, data: bytes) -> int:
        """Send bytes, as the device's buffer has room; the rest, and what a probe does not take now, goes out when the
        device is asked next. Bytes for a device without power are lost, as on any line. Raises serial.SerialException
        when more wait than any console is typed.
        """
        if len(self._to_send) + len(data) > _MOST_BACKLOG:
            raise serial.SerialException(
                f"the device has not taken {len(self._to_send)} bytes that wait for it"
            )
        self._to_send += data
        with contextlib.suppress(BenchError, DeviceError):  # which the next reading is told of
            reader = self._reader()
            if reader is not None:
                self._send(reader)
        return len(data)

    def _send(self, reader: Reader) -> None:
        if self._to_send:
            self._to_send = self._to_send[reader.write(self._channel, self._to_send) :]

    def close(self) -> None:
        """Let go; the probe itself is not the console's."""
        self.is_open = False
