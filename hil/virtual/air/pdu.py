"""Formats of link-layer PDUs (Core 5.4, Vol 6 Part B, sections 2.3 and 2.4), and their numbers."""

from __future__ import annotations

import struct
from dataclasses import dataclass

ADVERTISING_ACCESS_ADDRESS = 0x8E89BED6
ADVERTISING_CHANNELS = (37, 38, 39)

# Advertising PDU types (2.3, table 2.3)
ADV_IND = 0
ADV_DIRECT_IND = 1
ADV_NONCONN_IND = 2
SCAN_REQ = 3
SCAN_RSP = 4
CONNECT_IND = 5
ADV_SCAN_IND = 6

CHANNEL_SELECTION = 0x20
"""ChSel, in the header of those that lead to a connection: the sender supports algorithm #2 (2.3.1, 2.3.3)."""
_WITH_CHANNEL_SELECTION = frozenset({ADV_IND, ADV_DIRECT_IND, CONNECT_IND})

# LLID of data channel PDUs (2.4, table 2.6)
LLID_CONTINUATION = 1
LLID_START = 2
LLID_CONTROL = 3

# Header bits of data channel PDUs
NESN = 0x04
SN = 0x08
MD = 0x10

# LL control PDU opcodes (2.4.2)
LL_CONNECTION_UPDATE_IND = 0x00
LL_CHANNEL_MAP_IND = 0x01
LL_TERMINATE_IND = 0x02
LL_ENC_REQ = 0x03
LL_ENC_RSP = 0x04
LL_START_ENC_REQ = 0x05
LL_START_ENC_RSP = 0x06
LL_UNKNOWN_RSP = 0x07
LL_FEATURE_REQ = 0x08
LL_FEATURE_RSP = 0x09
LL_PAUSE_ENC_REQ = 0x0A
LL_PAUSE_ENC_RSP = 0x0B
LL_VERSION_IND = 0x0C
LL_REJECT_IND = 0x0D
LL_PERIPHERAL_FEATURE_REQ = 0x0E
LL_CONNECTION_PARAM_REQ = 0x0F
LL_CONNECTION_PARAM_RSP = 0x10
LL_REJECT_EXT_IND = 0x11
LL_PING_REQ = 0x12
LL_PING_RSP = 0x13
LL_LENGTH_REQ = 0x14
LL_LENGTH_RSP = 0x15
LL_PHY_REQ = 0x16
LL_PHY_RSP = 0x17
LL_PHY_UPDATE_IND = 0x18

CONTROL_LENGTHS = {
    LL_CONNECTION_UPDATE_IND: 11,
    LL_CHANNEL_MAP_IND: 7,
    LL_TERMINATE_IND: 1,
    LL_ENC_REQ: 22,
    LL_ENC_RSP: 12,
    LL_START_ENC_REQ: 0,
    LL_START_ENC_RSP: 0,
    LL_UNKNOWN_RSP: 1,
    LL_FEATURE_REQ: 8,
    LL_FEATURE_RSP: 8,
    LL_PAUSE_ENC_REQ: 0,
    LL_PAUSE_ENC_RSP: 0,
    LL_VERSION_IND: 5,
    LL_REJECT_IND: 1,
    LL_PERIPHERAL_FEATURE_REQ: 8,
    LL_CONNECTION_PARAM_REQ: 23,
    LL_CONNECTION_PARAM_RSP: 23,
    LL_REJECT_EXT_IND: 2,
    LL_PING_REQ: 0,
    LL_PING_RSP: 0,
    LL_LENGTH_REQ: 8,
    LL_LENGTH_RSP: 8,
    LL_PHY_REQ: 2,
    LL_PHY_RSP: 2,
    LL_PHY_UPDATE_IND: 4,
}
"""Octets of CtrData each opcode carries; anything shorter is not that PDU."""


@dataclass(frozen=True)
class Address:
    """A device address: public (0) or random (1), and six octets, least significant first."""

    kind: int
    octets: bytes


def advertising_pdu(pdu_type: int, sender: Address, payload: bytes, receiver: Address | None = None) -> bytes:
    """An advertising channel PDU: header with ChSel, TxAdd and RxAdd, then the payload."""
    choice = CHANNEL_SELECTION if pdu_type in _WITH_CHANNEL_SELECTION else 0
    header = pdu_type | choice | sender.kind << 6 | (receiver.kind << 7 if receiver is not None else 0)
    return bytes((header, len(payload))) + payload


def sender_of(pdu: bytes) -> Address:
    """The first address of an advertising channel PDU, with its TxAdd bit."""
    return Address(pdu[0] >> 6 & 1, pdu[2:8])


def receiver_of(pdu: bytes) -> Address:
    """The second address of a PDU that has one (directed, request, CONNECT_IND)."""
    return Address(pdu[0] >> 7 & 1, pdu[8:14])


@dataclass(frozen=True)
class LinkData:
    """The LLData of a CONNECT_IND (2.3.3.1). Times in the units of the field: 1.25 ms and 10 ms."""

    access_address: int
    crc_init: int
    window_size: int
    window_offset: int
    interval: int
    latency: int
    timeout: int
    channel_map: int
    hop: int
    sca: int = 0

    def pack(self) -> bytes:
        """The 22 octets on the air."""
        return (
            struct.pack("<I", self.access_address)
            + self.crc_init.to_bytes(3, "little")
            + struct.pack(
                "<BHHHH", self.window_size, self.window_offset, self.interval, self.latency, self.timeout
            )
            + self.channel_map.to_bytes(5, "little")
            + bytes((self.hop | self.sca << 5,))
        )

    @classmethod
    def unpack(cls, data: bytes) -> LinkData:
        """Read 22 octets; raises ValueError for another length."""
        if len(data) != 22:
            raise ValueError(f"LLData has 22 octets, not {len(data)}")
        window_size, window_offset, interval, latency, timeout = struct.unpack_from("<BHHHH", data, 7)
        return cls(
            int.from_bytes(data[0:4], "little"),
            int.from_bytes(data[4:7], "little"),
            window_size,
            window_offset,
            interval,
            latency,
            timeout,
            int.from_bytes(data[16:21], "little"),
            data[21] & 0x1F,
            data[21] >> 5,
        )


def valid_parameters(minimum: int, maximum: int, latency: int, timeout: int) -> bool:
    """Ranges of connection parameters, in units of 1.25 ms and 10 ms (4.5.1, 4.5.2; HCI 7.8.12).

    The timeout must outlast two chances to be heard.
    """
    return (
        6 <= minimum <= maximum <= 3200
        and latency <= 499
        and 10 <= timeout <= 3200
        and timeout * 10_000 > (1 + latency) * maximum * 1250 * 2
    )
