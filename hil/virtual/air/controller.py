"""A Bluetooth LE controller on the virtual air, with HCI towards its host (Core 5.4, Vol 4 Part E)."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import Callable
from typing import Any, ClassVar

from hil.virtual.air import errors
from hil.virtual.air.advertising import Advertiser, Initiator, Scanner, first_anchor, valid_link
from hil.virtual.air.channels import ALL_CHANNELS
from hil.virtual.air.command_table import COMMANDS
from hil.virtual.air.component import Component
from hil.virtual.air.errors import CommandError
from hil.virtual.air.events import Events
from hil.virtual.air.link import CENTRAL, Connection
from hil.virtual.air.medium import Medium
from hil.virtual.air.pdu import ADVERTISING_ACCESS_ADDRESS, Address, LinkData
from hil.virtual.kernel import Event, Kernel

COMMAND_PACKET = 0x01
ACL_PACKET = 0x02

FIRST_HANDLE = 0x0040
MAX_CONNECTIONS = 8

ACL_OCTETS = 251
"""Length of an ACL data buffer: one LL PDU of the longest kind."""

HARDWARE_ERROR_MALFORMED_PACKET = 0x01
"""Our own code: a packet over HCI whose length or kind is wrong, so that nothing after it can be trusted."""


class Controller(Component):
    """One controller: the HCI front, the states of the link layer, and a power switch.

    `name` tells it from the other radios of the medium and names its random stream. `address` is the
    public address, least significant octet first. `acl_buffers` is how many ACL packets of the host
    it holds. HCI packets go in by `on_hci`, and come out at the sink given to `set_host`; both
    are H4 packets, type octet first.
    """

    FIXED: ClassVar[frozenset[str]] = frozenset(
        {
            "kernel",
            "medium",
            "name",
            "public_address",
            "acl_buffers",
            "events",
            "advertiser",
            "scanner",
            "initiator",
            "random",
            "_sink",
            "_ready",
        }
    )

    def __init__(
        self, kernel: Kernel, medium: Medium, name: str, address: bytes, acl_buffers: int = 10
    ) -> None:
        if len(address) != 6:
            raise ValueError(f"a device address has six octets, not {len(address)}")
        self.kernel = kernel
        self.medium = medium
        self.name = name
        self.public_address = address
        self.acl_buffers = acl_buffers
        self.random = kernel.random(f"controller {name}")
        self._sink: Callable[[bytes], None] = _nowhere
        self._ready: Callable[[], bool] | None = None
        self.events = Events(self._to_host)
        self.advertiser = Advertiser(self)
        self.scanner = Scanner(self)
        self.initiator = Initiator(self)
        self.powered = True
        self._connections: dict[int, Connection] = {}
        self._commands: deque[bytes] = deque()
        self._processing: Event | None = None
        self._failed = False
        self._forget()

    def _forget(self) -> None:
        """The state that HCI_Reset and power-on leave."""
        self.random_address = bytes(6)
        self.accept_list: set[Address] = set()
        self.channel_map = ALL_CHANNELS
        self.suggested_tx_octets = 27
        self.suggested_tx_time = 328
        self.default_phys = (0x07, 0x07)
        self.resolving_list: set[Address] = set()

    # Host

    def set_host(self, sink: Callable[[bytes], None], ready: Callable[[], bool] | None = None) -> None:
        """Hand every packet for the host to `sink`, inside `Kernel.advance`.

        `ready` (optional) says whether data may be handed up; while it is false the link layer does
        not acknowledge data of the peer. Events are handed up all the same.
        """
        self._sink = sink
        self._ready = ready

    def on_hci(self, packet: bytes) -> None:
        """Take one H4 packet from the host, at the kernel's present time.

        May be called outside `Kernel.advance` and from inside a model. A packet that is none is
        answered with a Hardware Error event, and everything up to the next HCI_Reset is ignored.
        """
        if not self.powered:
            return
        if packet and packet[0] == ACL_PACKET and not self._commands and not self._failed:
            self._on_acl(packet)
            return
        self._commands.append(packet)
        if self._processing is None or not self._processing.pending:
            self._processing = self.kernel.at(self.kernel.now, self._process)

    def fail_transport(self, code: int = HARDWARE_ERROR_MALFORMED_PACKET) -> None:
        """Report a broken host transport and wait for HCI_Reset (Vol 4 Part A, section 4)."""
        if not self._failed:
            self._failed = True
            self.events.hardware_error(code)

    @property
    def backlog(self) -> int:
        """Packets of the host that wait to be processed."""
        return len(self._commands)

    def _process(self) -> None:
        while self._commands:
            packet = self._commands.popleft()
            if not packet:
                self.fail_transport()
            elif packet[0] == COMMAND_PACKET:
                self._on_command(packet)
            elif packet[0] != ACL_PACKET:
                self.fail_transport()
            elif not self._failed:
                self._on_acl(packet)

    def _on_command(self, packet: bytes) -> None:
        if len(packet) < 4 or len(packet) != 4 + packet[3]:
            self.fail_transport()
            return
        opcode = packet[1] | packet[2] << 8
        if self._failed and opcode != 0x0C03:
            return
        command = COMMANDS.get(opcode)
        if command is None:
            self.events.command_complete(opcode, bytes((errors.UNKNOWN_COMMAND,)))
            return
        parameters = packet[4:]
        try:
            if command.length is not None and len(parameters) != command.length:
                raise CommandError(errors.INVALID_PARAMETERS)
            result = command.run(self, parameters)
            if command.starts:
                self.events.command_status(opcode, errors.SUCCESS)
            else:
                answer = result if isinstance(result, bytes) else b""
                self.events.command_complete(opcode, bytes((errors.SUCCESS,)) + answer)
            if callable(result):  # what must not overtake the answer
                result()
        except CommandError as refusal:
            self._refuse(command.starts, opcode, refusal.status, parameters[:2] if command.handle else b"")

    def _refuse(self, starts: bool, opcode: int, status: int, handle: bytes) -> None:
        if starts:
            self.events.command_status(opcode, status)
        else:
            self.events.command_complete(opcode, bytes((status,)) + handle)

    def _on_acl(self, packet: bytes) -> None:
        """An ACL data packet (5.4.2): handle, boundary flag, length, data."""
        if len(packet) < 5:
            self.fail_transport()
            return
        word, length = struct.unpack_from("<HH", packet, 1)
        if len(packet) != 5 + length or length > ACL_OCTETS:
            self.fail_transport()
            return
        link = self._connections.get(word & 0x0FFF)
        boundary = word >> 12 & 3
        if link is None or not length or boundary > 1:
            return  # a stale handle after a disconnection, or not one of LE's boundary flags
        if sum(other.acl_waiting for other in self._connections.values()) >= self.acl_buffers:
            self.events.data_buffer_overflow()
            return
        link.queue_acl(packet[5:], boundary == 0)

    def _to_host(self, packet: bytes) -> None:
        self._sink(packet)

    # Link layer

    def can_receive(self) -> bool:
        """Whether the host takes data now."""
        return self._ready is None or self._ready()

    def deliver_acl(self, handle: int, start: bool, payload: bytes) -> None:
        """Hand the payload of one LL data PDU to the host."""
        word = handle | (0x2000 if start else 0x1000)
        self._sink(struct.pack("<BHH", ACL_PACKET, word, len(payload)) + payload)

    def report_completed(self, handle: int, count: int) -> None:
        """ACL packets of the host were acknowledged by the peer."""
        self.events.completed_packets(handle, count)

    def own_address(self, own_type: int) -> Address:
        """The address the host chose to use: 0 and 2 public, 1 and 3 random (no resolving list here)."""
        return Address(1, self.random_address) if own_type & 1 else Address(0, self.public_address)

    def new_access_address(self) -> int:
        """A random access address that obeys the plainest rules of 2.1.2: bits change often enough."""
        while True:
            value = self.random.getrandbits(32)
            changes = (value ^ value >> 1) & 0x7FFF_FFFF
            far = (value ^ ADVERTISING_ACCESS_ADDRESS).bit_count() > 1
            if far and 8 <= changes.bit_count() <= 24 and len(set(value.to_bytes(4, "little"))) > 1:
                return value

    def has_connection_to(self, peer: Address) -> bool:
        """Whether there is a connection to this address already."""
        return any(link.peer == peer for link in self._connections.values())

    def connected(self, role: int, peer: Address, link: LinkData, connect_end: int, second: bool) -> None:
        """A CONNECT_IND was sent or accepted; it ended at tick `connect_end`.

        `second` says that the peer supports channel selection algorithm #2, as this controller does.
        """
        if not valid_link(link) or len(self._connections) >= MAX_CONNECTIONS:
            return
        handle = FIRST_HANDLE
        while handle in self._connections:
            handle += 1
        connection = Connection(self, handle, role, peer, link, first_anchor(link, connect_end), second)
        self._connections[handle] = connection
        self.events.connection(connection)
        self.events.channel_selection(handle, second)

    def connection_closed(self, link: Connection, reason: int | None) -> None:
        """A connection has closed itself."""
        self._connections.pop(link.handle, None)
        if reason is not None:
            self.events.disconnection(link.handle, reason)

    def connection(self, handle: int) -> Connection:
        """The connection with this handle; CommandError if there is none."""
        link = self._connections.get(handle & 0x0FFF)
        if link is None:
            raise CommandError(errors.UNKNOWN_CONNECTION)
        return link

    @property
    def connections(self) -> tuple[Connection, ...]:
        """The connections there are."""
        return tuple(self._connections.values())

    def set_channel_map(self, channel_map: int) -> None:
        """Channels the host allows: for new connections, and for those we are central of."""
        self.channel_map = channel_map
        for link in self.connections:
            if link.role == CENTRAL:
                link.llcp.set_channel_map(channel_map)

    def reset(self) -> None:
        """HCI_Reset: everything goes, silently on the air."""
        self.advertiser.reset()
        self.scanner.reset()
        self.initiator.stop()
        for link in self.connections:
            link.close(None)
        self.events.reset()
        self._failed = False
        self._forget()

    def power(self, on: bool) -> None:
        """Switch the supply: off drops every link without a word; on again, it is as after a reset."""
        if on == self.powered:
            return
        self.powered = on
        self._commands.clear()
        self.reset()

    # State

    def save(self) -> object:
        """The state of the controller, of its activities and of its connections."""
        return (
            super().save(),
            [part.save() for part in self._parts],
            [(link, link.save()) for link in self.connections],
        )

    def restore(self, state: object) -> None:
        """Return to a state given by `save`, together with the kernel's and the medium's."""
        saved: Any = state
        super().restore(saved[0])
        for part, part_state in zip(self._parts, saved[1], strict=True):
            part.restore(part_state)
        for link, link_state in saved[2]:
            link.restore(link_state)

    @property
    def _parts(self) -> tuple[Component, ...]:
        return (self.events, self.advertiser, self.scanner, self.initiator)


def _nowhere(packet: bytes) -> None:
    """The host of a controller that has none yet."""
