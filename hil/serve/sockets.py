"""TCP endpoints on 127.0.0.1: a listener, and connections with a bounded buffer towards a client that may not read."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable

from hil.errors import BenchError
from hil.serve.loop import PacedLoop

HOST = "127.0.0.1"
"""Nothing here asks for a password, so nothing here listens elsewhere."""
CHUNK = 1 << 14


def listen(port: int, what: str) -> socket.socket:
    """A listening socket, at any free port for 0. Raises BenchError when the port cannot be had."""
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind((HOST, port))
        listener.listen(8)
        listener.setblocking(False)
    except OSError as error:
        listener.close()
        raise BenchError(f"{what}: cannot listen on {HOST}:{port}: {error.strerror}") from None
    return listener


class Connection:
    """One client. `received` gets its bytes, `closed` is called once when it is gone."""

    def __init__(
        self,
        loop: PacedLoop,
        connected: socket.socket,
        received: Callable[[Connection, bytes], None],
        closed: Callable[[Connection], None],
        limit: int,
    ) -> None:
        self._loop = loop
        self._socket = connected
        self._received = received
        self._closed = closed
        self._limit = limit
        self._out = bytearray()
        self.open = True
        connected.setblocking(False)
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        loop.watch(connected, selectors.EVENT_READ, self._ready)

    @property
    def backlog(self) -> int:
        """Bytes that the client has not taken yet."""
        return len(self._out)

    def send(self, data: bytes) -> None:
        """Send, or keep until the client reads; one that leaves more than the limit unread is cut off."""
        if not self.open:
            return
        self._out += data
        self._flush()
        if len(self._out) > self._limit:
            self.close()

    def close(self) -> None:
        """Hang up; may be called again."""
        if self.open:
            self.open = False
            self._loop.watch(self._socket, 0)
            self._socket.close()
            self._closed(self)

    def _flush(self) -> None:
        try:
            while self._out:
                sent = self._socket.send(self._out[:CHUNK])
                del self._out[:sent]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if self._out else 0)
        self._loop.watch(self._socket, events, self._ready)

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._flush()
        if not events & selectors.EVENT_READ or not self.open:
            return
        try:
            data = self._socket.recv(CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._received(self, data)
        else:
            self.close()


class Listener:
    """Accepts clients and gives each one to `accepted`; while `room` is false they are hung up on."""

    def __init__(
        self,
        loop: PacedLoop,
        what: str,
        accepted: Callable[[socket.socket], None],
        room: Callable[[], bool],
        port: int = 0,
    ) -> None:
        self._loop = loop
        self._accepted = accepted
        self._room = room
        self._socket = listen(port, what)
        self.port: int = self._socket.getsockname()[1]
        """Where it listens."""
        loop.watch(self._socket, selectors.EVENT_READ, self._ready)

    def _ready(self, events: int) -> None:
        try:
            connected, _ = self._socket.accept()
        except OSError:
            return
        if self._room():
            self._accepted(connected)
        else:
            with contextlib.suppress(OSError):
                connected.close()

    def close(self) -> None:
        """Listen no more."""
        self._loop.watch(self._socket, 0)
        self._socket.close()
