"""A plain HCI host for tests: sends commands, keeps what comes back, refills data by credits."""

from __future__ import annotations

import struct
from collections.abc import Callable

from hil.virtual.air.controller import Controller
from hil.virtual.air.link import Connection
from hil.virtual.air.medium import Medium
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US, Kernel

MS = TICKS_PER_MS
US = TICKS_PER_US


class Host:
    """Drives one controller by H4 packets. Runs inside the kernel, so its answers take no time."""

    def __init__(self, controller: Controller) -> None:
        self.controller = controller
        self.kernel = controller.kernel
        self.events: list[tuple[int, int, bytes]] = []
        """(tick, event code, parameters); an LE event has the subevent code plus 0x3E00."""
        self.received: list[tuple[int, bytes]] = []
        """(tick, reassembled L2CAP payload start) of every ACL packet."""
        self.octets = 0
        self.sending = b""
        self.acl_length = 251
        self.credits = controller.acl_buffers
        self._backlog: list[bytes] = []
        self.on_event: Callable[[int, bytes], None] | None = None
        controller.set_host(self._packet)

    def _packet(self, packet: bytes) -> None:
        if packet[0] == 2:
            self.octets += len(packet) - 5
            self.received.append((self.kernel.now, packet[1:]))
            return
        code, parameters = packet[1], packet[3:]
        assert packet[2] == len(parameters)
        if code == 0x13:
            self.credits += struct.unpack("<BHH", parameters)[2]
            self._pump()
        if code == 0x3E:
            code, parameters = 0x3E00 | parameters[0], parameters[1:]
        self.events.append((self.kernel.now, code, parameters))
        if self.on_event is not None:
            self.on_event(code, parameters)

    def command(self, opcode: int, parameters: bytes = b"") -> tuple[int, bytes]:
        """Send a command and run until it is answered; (status, return parameters)."""
        already = len(self.events)
        self.controller.on_hci(struct.pack("<BHB", 1, opcode, len(parameters)) + parameters)
        self.kernel.advance(self.kernel.now)
        for _, code, answer in self.events[already:]:
            if code == 0x0E and answer[1:3] == struct.pack("<H", opcode):
                return answer[3], answer[4:]
            if code == 0x0F and answer[2:4] == struct.pack("<H", opcode):
                return answer[0], b""
        raise AssertionError(f"command 0x{opcode:04X} was not answered")

    def ok(self, opcode: int, parameters: bytes = b"") -> bytes:
        """Send a command that must succeed; its return parameters."""
        status, answer = self.command(opcode, parameters)
        assert status == 0, f"command 0x{opcode:04X}: status 0x{status:02X}"
        return answer

    def initialise(self) -> None:
        """Reset, and ask for every event there is."""
        self.ok(0x0C03)
        self.ok(0x0C01, b"\xff" * 8)
        self.ok(0x2001, b"\xff" * 8)

    def of(self, code: int) -> list[bytes]:
        """Parameters of all events with this code so far."""
        return [parameters for _, seen, parameters in self.events if seen == code]

    def send(self, handle: int, data: bytes) -> None:
        """Queue one SDU as ACL packets; they go as buffers are free."""
        for start in range(0, len(data), self.acl_length):
            piece = data[start : start + self.acl_length]
            word = handle | (0x1000 if start else 0)
            self._backlog.append(struct.pack("<BHH", 2, word, len(piece)) + piece)
        self._pump()

    def _pump(self) -> None:
        while self._backlog and self.credits:
            self.credits -= 1
            self.controller.on_hci(self._backlog.pop(0))


class Pair:
    """Two controllers on one air, and a connection between them."""

    def __init__(self, seed: int = 1, acl_buffers: int = 10) -> None:
        self.kernel = Kernel(seed)
        self.medium = Medium(self.kernel)
        self.a = Controller(self.kernel, self.medium, "central", bytes((1, 0, 0, 0, 0, 0xC0)), acl_buffers)
        self.b = Controller(self.kernel, self.medium, "kit", bytes((2, 0, 0, 0, 0, 0xC0)), acl_buffers)
        self.central, self.peripheral = Host(self.a), Host(self.b)
        self.central.initialise()
        self.peripheral.initialise()
        self.handle = 0

    def run(self, milliseconds: float) -> None:
        """Let virtual time pass."""
        self.kernel.advance(self.kernel.now + round(milliseconds * MS))

    def advertise(self, interval: int = 0x20, kind: int = 0, data: bytes = b"\x02\x01\x06") -> None:
        """Peripheral: legacy advertising on all channels with its public address."""
        self.peripheral.ok(0x2006, struct.pack("<HHBBB6sBB", interval, interval, kind, 0, 0, bytes(6), 7, 0))
        self.peripheral.ok(0x2008, bytes((len(data),)) + data.ljust(31, b"\0"))
        self.peripheral.ok(0x200A, b"\x01")

    def create(self, interval: int = 12, latency: int = 0, timeout: int = 400) -> None:
        """Central: look for the peripheral."""
        self.central.ok(
            0x200D,
            struct.pack("<HHBB", 0x10, 0x10, 0, 0)
            + self.b.public_address
            + struct.pack("<BHHHHHH", 0, interval, interval, latency, timeout, 0, 0),
        )

    def connect(self, interval: int = 12, latency: int = 0, timeout: int = 400) -> int:
        """Both: connect; returns the handle, the same at both ends."""
        self.advertise()
        self.create(interval, latency, timeout)
        self.run(100)
        for host in (self.central, self.peripheral):
            assert host.of(0x3E0A), "no connection"
        self.handle = struct.unpack_from("<H", self.central.of(0x3E0A)[0], 1)[0]
        return self.handle

    @property
    def links(self) -> tuple[Connection, Connection]:
        """The connection's two ends, central first."""
        return self.a.connections[0], self.b.connections[0]

    def set_phy(self, phy: int, options: int = 0) -> None:
        """Central: one PHY both ways, and wait until it is in force."""
        mask = 1 << (phy - 1)
        self.central.ok(0x2032, struct.pack("<HBBBH", self.handle, 0, mask, mask, options))
        self.run(20 * self.links[0].interval_units * 1.25)

    def set_length(self, octets: int, time_us: int) -> None:
        """Both ends, and wait until it is in force."""
        for host in (self.central, self.peripheral):
            host.ok(0x2022, struct.pack("<HHH", self.handle, octets, time_us))
        self.run(20 * self.links[0].interval_units * 1.25)
