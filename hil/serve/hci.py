"""The HCI of a virtual controller on a TCP socket, in H4 form, as Bumble's `tcp-client:host:port` opens it.

One host at a time: a controller has one. When it leaves, the controller is switched off and on, as a dongle is that is
pulled out, so that the next host finds it fresh and its peers lose the link.
"""

from __future__ import annotations

import logging
import socket

from hil.serve.loop import PacedLoop
from hil.serve.sockets import HOST, Connection, Listener
from hil.virtual.air.controller import Controller
from hil.virtual.air.events import EVENT_PACKET, LE_ADVERTISING_REPORT, LE_META
from hil.virtual.air.h4 import HCI_RESET, packet_length

log = logging.getLogger(__name__)

ROOM = 1 << 14
"""Octets the host has not taken yet above which no more data comes from the air, and no advertising report."""
UNREAD_LIMIT = 1 << 18


class HciSocket:
    """Serves one controller. Raises BenchError when it cannot listen."""

    def __init__(self, loop: PacedLoop, controller: Controller, port: int = 0) -> None:
        self._loop = loop
        self._controller = controller
        self._host: Connection | None = None
        self._buffer = bytearray()
        self._lost = False
        """Octets are skipped up to the next HCI_Reset."""
        self._listener = Listener(loop, controller.name, self._accept, self._has_room, port)

    @property
    def transport(self) -> str:
        """What Bumble opens."""
        return f"tcp-client:{HOST}:{self._listener.port}"

    def close(self) -> None:
        """Hang up."""
        self._listener.close()
        if self._host is not None:
            self._host.close()

    def _has_room(self) -> bool:
        if self._host is not None:
            log.warning(
                "HCI of %s: a second host was refused, there can be one at a time", self._controller.name
            )
        return self._host is None

    def _accept(self, connected: socket.socket) -> None:
        self._buffer.clear()
        self._lost = False
        self._host = Connection(self._loop, connected, self._received, self._gone, UNREAD_LIMIT)
        self._controller.set_host(self._to_host, self._host_has_room)

    def _gone(self, host: Connection) -> None:
        self._host = None
        self._controller.set_host(_nobody)
        self._loop.at_once(self._controller.power, False)
        self._loop.at_once(self._controller.power, True)

    # ---- Controller to host ----

    def _host_has_room(self) -> bool:
        return self._host is not None and self._host.backlog < ROOM

    def _to_host(self, packet: bytes) -> None:
        report = packet[0] == EVENT_PACKET and packet[1] == LE_META and packet[3] == LE_ADVERTISING_REPORT
        if self._host is not None and not (report and not self._host_has_room()):
            self._host.send(packet)

    # ---- Host to controller ----

    def _received(self, host: Connection, data: bytes) -> None:
        buffer = self._buffer
        buffer += data
        while buffer:
            if self._lost and not self._find_reset():
                return
            length = packet_length(buffer)
            if length == 0:
                log.warning(
                    "HCI of %s: octet 0x%02x starts no packet of a host; everything up to HCI_Reset is skipped",
                    self._controller.name,
                    buffer[0],
                )
                self._lost = True
                self._loop.at_once(self._controller.fail_transport)
                continue
            if length is None or len(buffer) < length:
                return
            self._loop.at_once(self._controller.on_hci, bytes(buffer[:length]))
            del buffer[:length]

    def _find_reset(self) -> bool:
        start = self._buffer.find(HCI_RESET)
        self._lost = start < 0
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - len(HCI_RESET) + 1)]
        else:
            del self._buffer[:start]
        return start >= 0


def _nobody(packet: bytes) -> None:
    """Where a controller's packets go when no host is there."""
