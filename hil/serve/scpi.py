"""The kit's supply as an SCPI instrument on a raw TCP socket, as VISA's `TCPIP::host::port::SOCKET` opens it.

Several clients may be connected. The instrument behind is one: it gets one message at a time, and the answer goes to
the client whose message it was.
"""

from __future__ import annotations

import logging
import socket
from collections import deque

from hil.serve.loop import PacedLoop
from hil.serve.sockets import HOST, Connection, Listener
from hil.virtual.instruments.psu import PowerSupply
from hil.virtual.instruments.scpi import MESSAGE_LIMIT

log = logging.getLogger(__name__)

CLIENTS = 8
UNREAD_LIMIT = 1 << 16
WAITING_LIMIT = 256
"""Messages that may wait for the instrument; a client that sends more is cut off."""


class SupplySocket:
    """Serves one supply. Raises BenchError when it cannot listen."""

    def __init__(self, loop: PacedLoop, supply: PowerSupply, port: int = 0) -> None:
        self._loop = loop
        self._supply = supply
        self._partial: dict[Connection, bytearray] = {}
        self._messages: deque[tuple[Connection, bytes]] = deque()
        self._handed_over = False
        self._listener = Listener(loop, "supply", self._accept, self._has_room, port)
        loop.after_slice(self._forward)

    @property
    def resource(self) -> str:
        """What PyVISA opens."""
        return f"TCPIP::{HOST}::{self._listener.port}::SOCKET"

    def close(self) -> None:
        """Hang up on everyone."""
        self._supply.set_host(None)
        self._listener.close()
        for client in list(self._partial):
            client.close()

    def _has_room(self) -> bool:
        return len(self._partial) < CLIENTS

    def _accept(self, connected: socket.socket) -> None:
        self._partial[Connection(self._loop, connected, self._received, self._gone, UNREAD_LIMIT)] = (
            bytearray()
        )

    def _gone(self, client: Connection) -> None:
        del self._partial[client]
        self._messages = deque(entry for entry in self._messages if entry[0] is not client)

    def _received(self, client: Connection, data: bytes) -> None:
        partial = self._partial[client]
        partial += data
        *lines, rest = bytes(partial).split(b"\n")
        # What is too long for the instrument is cut to where it will still say so.
        partial[:] = rest[: MESSAGE_LIMIT + 1]
        self._messages.extend((client, line[: MESSAGE_LIMIT + 1] + b"\n") for line in lines)
        if sum(1 for sender, _ in self._messages if sender is client) > WAITING_LIMIT:
            log.warning("supply: a client sent more than %d messages at once and was cut off", WAITING_LIMIT)
            client.close()
            return
        self._forward()

    def _forward(self) -> None:
        """Give the instrument its next message, unless it has one or owes an answer."""
        if self._messages and not self._supply.busy and not self._handed_over:
            client, message = self._messages.popleft()
            self._supply.set_host(client.send)
            self._handed_over = True
            self._loop.at_once(self._hand, message)

    def _hand(self, message: bytes) -> None:
        """Inside the kernel, which is later: until then the instrument does not know that it is busy."""
        self._handed_over = False
        self._supply.receive(message)
