"""HCI events of the virtual controller, and the masks that hold them back (Core 5.4, Vol 4 Part E, 7.7)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, ClassVar

from hil.virtual.air import errors
from hil.virtual.air.component import Component
from hil.virtual.air.pdu import Address

if TYPE_CHECKING:
    from hil.virtual.air.link import Connection

EVENT_PACKET = 0x04

DISCONNECTION_COMPLETE = 0x05
ENCRYPTION_CHANGE = 0x08
READ_REMOTE_VERSION_COMPLETE = 0x0C
COMMAND_COMPLETE = 0x0E
COMMAND_STATUS = 0x0F
HARDWARE_ERROR = 0x10
NUMBER_OF_COMPLETED_PACKETS = 0x13
DATA_BUFFER_OVERFLOW = 0x1A
ENCRYPTION_KEY_REFRESH_COMPLETE = 0x30
LE_META = 0x3E

# Bit of each event in the event mask (7.3.1); the others cannot be masked.
MASK_BIT = {
    DISCONNECTION_COMPLETE: 4,
    ENCRYPTION_CHANGE: 7,
    READ_REMOTE_VERSION_COMPLETE: 11,
    HARDWARE_ERROR: 15,
    DATA_BUFFER_OVERFLOW: 25,
    ENCRYPTION_KEY_REFRESH_COMPLETE: 47,
    LE_META: 61,
}
DEFAULT_EVENT_MASK = 0x0000_1FFF_FFFF_FFFF

# LE subevents; the bit in the LE event mask (7.8.1) is the subevent code less one.
LE_CONNECTION_COMPLETE = 0x01
LE_ADVERTISING_REPORT = 0x02
LE_CONNECTION_UPDATE_COMPLETE = 0x03
LE_READ_REMOTE_FEATURES_COMPLETE = 0x04
LE_LONG_TERM_KEY_REQUEST = 0x05
LE_REMOTE_CONNECTION_PARAMETER_REQUEST = 0x06
LE_DATA_LENGTH_CHANGE = 0x07
LE_ENHANCED_CONNECTION_COMPLETE = 0x0A
LE_PHY_UPDATE_COMPLETE = 0x0C
LE_CHANNEL_SELECTION_ALGORITHM = 0x14
DEFAULT_LE_EVENT_MASK = 0x1F


class Events(Component):
    """Builds events and hands those the host wants to `send`, as H4 packets."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"_send"})

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self.mask = DEFAULT_EVENT_MASK
        self.le_mask = DEFAULT_LE_EVENT_MASK

    def reset(self) -> None:
        """The masks a reset leaves."""
        self.mask = DEFAULT_EVENT_MASK
        self.le_mask = DEFAULT_LE_EVENT_MASK

    def _event(self, code: int, parameters: bytes) -> bool:
        bit = MASK_BIT.get(code)
        if bit is not None and not self.mask >> bit & 1:
            return False
        self._send(bytes((EVENT_PACKET, code, len(parameters))) + parameters)
        return True

    def _le(self, subevent: int, parameters: bytes) -> bool:
        if not self.le_mask >> (subevent - 1) & 1:
            return False
        return self._event(LE_META, bytes((subevent,)) + parameters)

    def command_complete(self, opcode: int, parameters: bytes) -> None:
        """The command is done; one more command may be sent."""
        self._event(COMMAND_COMPLETE, struct.pack("<BH", 1, opcode) + parameters)

    def command_status(self, opcode: int, status: int) -> None:
        """The command has begun, or was refused."""
        self._event(COMMAND_STATUS, struct.pack("<BBH", status, 1, opcode))

    def hardware_error(self, code: int) -> None:
        """Something is lost that only a reset mends."""
        self._event(HARDWARE_ERROR, bytes((code,)))

    def data_buffer_overflow(self) -> None:
        """The host sent more ACL packets than there are buffers (link type ACL)."""
        self._event(DATA_BUFFER_OVERFLOW, b"\x01")

    def completed_packets(self, handle: int, count: int) -> None:
        """Buffers of the host's ACL packets are free again."""
        self._event(NUMBER_OF_COMPLETED_PACKETS, struct.pack("<BHH", 1, handle, count))

    def disconnection(self, handle: int, reason: int) -> None:
        """A connection ended."""
        self._event(DISCONNECTION_COMPLETE, struct.pack("<BHB", errors.SUCCESS, handle, reason))

    def encryption_change(self, handle: int, status: int, enabled: bool) -> None:
        """Encryption was switched on, or could not be."""
        self._event(ENCRYPTION_CHANGE, struct.pack("<BHB", status, handle, enabled))

    def key_refresh(self, handle: int, status: int) -> None:
        """An encrypted link has a new key."""
        self._event(ENCRYPTION_KEY_REFRESH_COMPLETE, struct.pack("<BH", status, handle))

    def remote_version(self, handle: int, status: int, version: tuple[int, int, int]) -> None:
        """Version, manufacturer and subversion of the peer."""
        self._event(READ_REMOTE_VERSION_COMPLETE, struct.pack("<BHBHH", status, handle, *version))

    def connection(self, link: Connection) -> None:
        """A connection exists, in the form the host asked for."""
        parameters = struct.pack("<HHHB", link.interval_units, link.latency, link.timeout_units, 0)
        self._connection(errors.SUCCESS, link.handle, link.role, link.peer, parameters)

    def connection_failed(self, status: int, role: int, peer: Address) -> None:
        """No connection came of it: cancelled, or directed advertising timed out."""
        self._connection(status, 0, role, peer, bytes(7))

    def channel_selection(self, handle: int, second: bool) -> None:
        """Which channel selection algorithm a new connection uses (7.7.65.20)."""
        self._le(LE_CHANNEL_SELECTION_ALGORITHM, struct.pack("<HB", handle, second))

    def _connection(self, status: int, handle: int, role: int, peer: Address, parameters: bytes) -> None:
        head = struct.pack("<BHBB", status, handle, role, peer.kind) + peer.octets
        if not self._le(LE_ENHANCED_CONNECTION_COMPLETE, head + bytes(12) + parameters):
            self._le(LE_CONNECTION_COMPLETE, head + parameters)

    def advertising_report(self, kind: int, sender: Address, data: bytes, rssi: int) -> None:
        """One report; `rssi` in dBm."""
        body = bytes((1, kind, sender.kind)) + sender.octets + bytes((len(data),)) + data
        self._le(LE_ADVERTISING_REPORT, body + struct.pack("<b", rssi))

    def connection_update(self, link: Connection, status: int) -> None:
        """Connection parameters as they are now."""
        self._le(
            LE_CONNECTION_UPDATE_COMPLETE,
            struct.pack("<BHHHH", status, link.handle, link.interval_units, link.latency, link.timeout_units),
        )

    def remote_features(self, handle: int, status: int, features: int) -> None:
        """LE features of the peer."""
        self._le(LE_READ_REMOTE_FEATURES_COMPLETE, struct.pack("<BHQ", status, handle, features))

    def long_term_key_request(self, handle: int, request: bytes) -> bool:
        """Ask the host for a key by Rand and EDIV; False if it does not want to be asked."""
        return self._le(LE_LONG_TERM_KEY_REQUEST, struct.pack("<H", handle) + request)

    def parameter_request(self, handle: int, minimum: int, maximum: int, latency: int, timeout: int) -> bool:
        """The peer asks for connection parameters; False if the host does not want to be asked."""
        return self._le(
            LE_REMOTE_CONNECTION_PARAMETER_REQUEST,
            struct.pack("<HHHHH", handle, minimum, maximum, latency, timeout),
        )

    def data_length_change(self, handle: int, lengths: tuple[int, int, int, int]) -> None:
        """Effective octets and us to send, octets and us to receive."""
        self._le(LE_DATA_LENGTH_CHANGE, struct.pack("<HHHHH", handle, *lengths))

    def phy_update(self, link: Connection, status: int) -> None:
        """PHYs as they are now."""
        self._le(LE_PHY_UPDATE_COMPLETE, struct.pack("<BHBB", status, link.handle, link.phy_tx, link.phy_rx))
