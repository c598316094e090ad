"""A UART of the kit as raw bytes over TCP, as a serial server gives it: for pyserial's socket://.

One client at a time; a second one is hung up on. What the kit sends while nobody is connected waits, up to `BACKLOG`
bytes, for the next one; beyond that the oldest bytes are dropped. There is no flow control.
"""

from __future__ import annotations

import logging
import socket

from hil.serve.loop import PacedLoop
from hil.serve.sockets import HOST, Connection, Listener
from hil.virtual.uart import UartLine

log = logging.getLogger(__name__)

BACKLOG = 1 << 16
TO_KIT_LIMIT = 1 << 20
"""Bytes under way to the kit above which a client is hung up on: nobody types that fast."""


class ConsoleSocket:
    """The far end of `line`. Raises BenchError when the port cannot be had."""

    def __init__(self, loop: PacedLoop, line: UartLine, port: int) -> None:
        self._loop = loop
        self._line = line
        self._out = bytearray()
        self._client: Connection | None = None
        self._listener = Listener(loop, "console", self._accepted, lambda: self._client is None, port)
        self.path = f"socket://{HOST}:{self._listener.port}"
        """pyserial's URL."""
        line.far_end = self
        line.ready = True
        line.flow_control = False
        loop.after_slice(self._pump)

    def receive(self, data: bytes) -> None:
        """The kit has sent bytes (`hil.virtual.uart.UartFarEnd`)."""
        self._out += data
        del self._out[: max(len(self._out) - BACKLOG, 0)]

    def close(self) -> None:
        """Hang up and listen no more."""
        self._line.far_end = None
        self._listener.close()
        if self._client is not None:
            self._client.close()

    def _accepted(self, connected: socket.socket) -> None:
        self._client = Connection(self._loop, connected, self._received, self._closed, BACKLOG)

    def _received(self, connection: Connection, data: bytes) -> None:
        if self._line.pending + len(data) > TO_KIT_LIMIT:
            log.warning("%s: %s sends faster than the line, hung up", self._line.name, self.path)
            connection.close()
            return
        self._loop.at_once(self._line.send, data)

    def _closed(self, connection: Connection) -> None:
        self._client = None

    def _pump(self) -> None:
        if self._client is not None and self._out:
            data = bytes(self._out)
            self._out.clear()
            self._client.send(data)
