"""pyserial ports on the virtual bench: `hil://kit0/console` and `hil://psu0`.

`install()` makes the scheme known to `serial.serial_for_url`; PyVISA reaches an instrument by the same door
as `ASRLhil://psu0?visa::INSTR`, because pyvisa-py opens its serial resources through pyserial.

Time here is the bench's: a write takes its bits on the wire, a read moves the kernel until enough has
arrived or the virtual time-out has passed. Both move time, so they are refused inside a running asyncio loop,
which moves it already; there, use time-out 0 and `on_receive`.

`?visa` makes a read that runs out raise SerialTimeoutException, which is what pyvisa-py needs: for an empty read
it would go on asking until its own wall-clock time-out. Without it a read returns what there is, as pyserial
documents.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, Protocol, runtime_checkable
from urllib.parse import urlsplit

import serial
from serial.serialutil import (
    PortNotOpenError,
    SerialBase,
    SerialException,
    SerialTimeoutException,
    to_bytes,
)

from hil.errors import InputError
from hil.virtual import registry
from hil.virtual.kernel import TICKS_PER_SECOND, Kernel

PACKAGE = "hil.virtual.wire"
BUFFER_LIMIT = 1 << 20
"""Bytes a port keeps for a host that does not read; the oldest are dropped beyond it and counted."""
FOREVER_S = 3600.0
"""Bench time after which a read without a time-out gives up, where a real one would hang."""
WRITE_LIMIT = 1 << 16


def install() -> None:
    """Make `hil://` known to pyserial in this process; calling it again changes nothing."""
    if PACKAGE not in serial.protocol_handler_packages:
        serial.protocol_handler_packages.append(PACKAGE)


@runtime_checkable
class Line(Protocol):
    """A kit's UART seen from the far end, which keeps the line rate itself; `hil.virtual.uart.UartLine`."""

    far_end: Any

    def send(self, data: bytes) -> None:
        """Queue bytes towards the kit."""


class Instrument(Protocol):
    """A part of the bench that talks bytes and leaves the line rate to its port."""

    def receive(self, data: bytes) -> None:
        """Take bytes from the host; called inside the kernel when they have arrived."""

    def set_host(self, sink: Callable[[bytes], None] | None) -> None:
        """Send bytes for the host to `sink`."""


class VirtualSerial(SerialBase):  # type: ignore[misc]  # pyserial is not typed
    """A `serial.Serial` whose other end is a part of an open virtual bench.

    `on_receive` is called, without arguments, whenever bytes arrive. It runs inside the kernel, so all it may
    do is to set a flag or to call `loop.call_soon`.
    """

    is_open: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self.on_receive: Callable[[], None] | None = None
        self.dropped: int = 0
        self._kernel: Kernel | None = None
        self._line: Line | None = None
        self._instrument: Instrument | None = None
        self._chunks: deque[tuple[int, bytes]] = deque()
        self._waiting = 0
        self._visa = False
        self._out_free = 0
        self._in_free = 0
        super().__init__(*args, **kwargs)

    # ---- Opening and closing ----

    def open(self) -> None:
        """Attach to the part that the URL names; raises SerialException when there is none."""
        if self.is_open:
            raise SerialException("port is already open")
        parts = urlsplit(self.port or "")
        if parts.scheme != "hil" or not parts.netloc:
            raise SerialException(f"{self.port!r}: expected hil://NAME or hil://NAME/console")
        if parts.query not in ("", "visa"):
            raise SerialException(f"{self.port!r}: unknown option {parts.query!r}, only ?visa is known")
        name = parts.netloc + parts.path.rstrip("/")
        try:
            kernel, part = registry.find(name)
        except InputError as error:
            raise SerialException(str(error)) from None
        self._kernel = kernel
        self._visa = parts.query == "visa"
        self._chunks.clear()
        self._waiting = 0
        self._out_free = self._in_free = kernel.now
        if isinstance(part, Line):
            self._line = part
            part.far_end = self
        else:
            self._instrument = part
            part.set_host(self._answer)
        self.is_open = True

    def close(self) -> None:
        """Let go of the part; bytes that arrive from now on are lost, as on any closed port."""
        if not self.is_open:
            return
        self.is_open = False
        if self._line is not None and self._line.far_end is self:
            self._line.far_end = None
        if self._instrument is not None:
            self._instrument.set_host(None)
        self._line = self._instrument = None

    # ---- From the bench; inside the kernel ----

    def receive(self, data: bytes) -> None:
        """Take bytes that the other end sent (the far end of a kit's UART)."""
        if not self.is_open or not data:
            return
        self._chunks.append((self._clock().now, bytes(data)))
        self._waiting += len(data)
        while self._waiting > BUFFER_LIMIT:
            _, oldest = self._chunks.popleft()
            self._waiting -= len(oldest)
            self.dropped += len(oldest)
        if self.on_receive is not None:
            self.on_receive()

    def _answer(self, data: bytes) -> None:
        """Bytes that an instrument begins to send now: they are here when the last one is."""
        kernel = self._clock()
        self._in_free = max(self._in_free, kernel.now) + self._wire_ticks(len(data))
        kernel.at(self._in_free, self.receive, data)

    def _wire_ticks(self, count: int) -> int:
        """Ticks that `count` bytes take: start, data, parity and stop bits at the port's rate."""
        parity = 0 if self._parity == serial.PARITY_NONE else 1
        bits = 1 + int(self._bytesize) + parity + float(self._stopbits)
        return round(count * bits * TICKS_PER_SECOND / int(self._baudrate))

    # ---- For the host ----

    @property
    def in_waiting(self) -> int:
        """Bytes that a read returns at once."""
        self._check_open()
        return self._waiting

    @property
    def out_waiting(self) -> int:
        """Always 0: a write returns when its bytes are on their way."""
        self._check_open()
        return 0

    def read(self, size: int = 1) -> bytes:
        """Up to `size` bytes; waits for them in bench time, no longer than the port's time-out."""
        self._check_open()
        if self._waiting < size and self._timeout != 0:
            self._wait_for(size)
        chunks = self.read_timed(size)
        if self._visa and not chunks and size:
            raise SerialTimeoutException(
                f"{self.port}: nothing arrived within {self._timeout} s of bench time"
            )
        return b"".join(data for _, data in chunks)

    def read_timed(self, size: int = BUFFER_LIMIT) -> list[tuple[float, bytes]]:
        """What has arrived, at most `size` bytes, in pieces with the bench time in seconds of each; never waits."""
        self._check_open()
        taken: list[tuple[float, bytes]] = []
        while size > 0 and self._chunks:
            when, data = self._chunks.popleft()
            if len(data) > size:
                self._chunks.appendleft((when, data[size:]))
                data = data[:size]
            size -= len(data)
            self._waiting -= len(data)
            taken.append((when / TICKS_PER_SECOND, data))
        return taken

    def write(self, data: Any) -> int:
        """Send `data`; moves the bench by the time it takes on the wire, or up to the write time-out.

        Inside an asyncio loop it returns at once and the bytes follow as time goes on. Raises
        SerialTimeoutException when the write time-out is shorter than the data.
        """
        self._check_open()
        data = to_bytes(data)
        if len(data) > WRITE_LIMIT:
            raise SerialException(f"{self.port}: {len(data)} bytes in one write, at most {WRITE_LIMIT}")
        kernel = self._clock()
        ticks = self._wire_ticks(len(data))
        if self._write_timeout is not None and ticks > self._write_timeout * TICKS_PER_SECOND:
            raise SerialTimeoutException("Write timeout")
        self._out_free = max(self._out_free, kernel.now) + ticks
        if self._line is not None:
            self._line.send(data)
        elif self._instrument is not None:
            kernel.at(self._out_free, self._instrument.receive, data)
        if not _inside_loop() and not kernel.advancing:
            kernel.advance(self._out_free)
        return len(data)

    def flush(self) -> None:
        """Wait until everything written has left."""
        self._check_open()
        kernel = self._clock()
        if kernel.now < self._out_free:
            self._refuse_in_loop("flush")
            kernel.advance(self._out_free)

    def reset_input_buffer(self) -> None:
        """Drop what has arrived and was not read."""
        self._check_open()
        self._chunks.clear()
        self._waiting = 0

    def reset_output_buffer(self) -> None:
        """Nothing to drop: a write returns when its bytes are on their way."""
        self._check_open()

    def bench_time(self) -> float:
        """Bench time in seconds, what time-outs and the stamps of `read_timed` are measured in."""
        return self._clock().now / TICKS_PER_SECOND

    def sleep(self, seconds: float) -> None:
        """Let bench time pass, or less when bytes arrive; a real port would be slept on."""
        self._check_open()
        self._refuse_in_loop("wait")
        before = self._waiting
        kernel = self._clock()
        kernel.advance(kernel.now + round(seconds * TICKS_PER_SECOND), lambda: self._waiting != before)

    def _wait_for(self, size: int) -> None:
        self._refuse_in_loop("read")
        kernel = self._clock()
        seconds = FOREVER_S if self._timeout is None else self._timeout
        kernel.advance(kernel.now + round(seconds * TICKS_PER_SECOND), lambda: self._waiting >= size)
        if self._timeout is None and self._waiting < size:
            raise SerialException(
                f"{self.port}: nothing arrived in {FOREVER_S:.0f} s of bench time; set a time-out"
            )

    def _refuse_in_loop(self, what: str) -> None:
        if _inside_loop() or self._clock().advancing:
            raise SerialException(
                f"{self.port}: a blocking {what} inside the asyncio loop, which is what moves the bench's time; "
                "set timeout=0 and use on_receive"
            )

    def _check_open(self) -> None:
        if not self.is_open:
            raise PortNotOpenError()

    def _clock(self) -> Kernel:
        if self._kernel is None:
            raise PortNotOpenError()
        return self._kernel

    # ---- Modem lines: the kits and instruments wire none of them ----

    def _reconfigure_port(self) -> None:
        """The rate is read at each transfer, so there is nothing to set."""

    def _update_break_state(self) -> None:
        """No part listens for a break."""

    def _update_rts_state(self) -> None:
        """Not wired."""

    def _update_dtr_state(self) -> None:
        """Not wired."""

    @property
    def cts(self) -> bool:
        """Not wired: always ready."""
        return True

    @property
    def dsr(self) -> bool:
        """Not wired: always ready."""
        return True

    @property
    def ri(self) -> bool:
        """Not wired."""
        return False

    @property
    def cd(self) -> bool:
        """Not wired: always there."""
        return True


def _inside_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
