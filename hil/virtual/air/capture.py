"""A capture of the air with link-layer headers, as a sniffer beside the bench would write it.

The file is a pcap with times in nanoseconds and link type 256, LINKTYPE_BLUETOOTH_LE_LL_WITH_PHDR
(tcpdump.org/linktypes): ten octets of what the receiver knows, then access address, PDU and CRC,
on LE Coded with the coding indicator before the PDU.

The sniffer stands where it hears every packet. One that its receiver heard with an error is written with a CRC that
is wrong; one that its receiver did not hear at all looks like any other, and is seen to be repeated. An encrypted
link is written as it is on the air.
"""

from __future__ import annotations

import struct
from pathlib import Path
from typing import BinaryIO

from hil.virtual.air.medium import (
    CODING_S2,
    DESK_PATH_LOSS_DB,
    PHY_CODED,
    TX_POWER_DBM,
    Packet,
)
from hil.virtual.air.pdu import ADVERTISING_ACCESS_ADDRESS, CONNECT_IND, LinkData
from hil.virtual.kernel import TICKS_PER_US

LINK_TYPE = 256
MAGIC_NANOSECONDS = 0xA1B23C4D
SNAP_LENGTH = 65535
NS_PER_SECOND = 1_000_000_000

# Flags of the header
DEWHITENED = 0x0001
SIGNAL_POWER_VALID = 0x0002
REFERENCE_VALID = 0x0010
CRC_CHECKED = 0x0400
CRC_VALID = 0x0800
DATA_FROM_CENTRAL = 2 << 7
DATA_FROM_PERIPHERAL = 3 << 7
PHY_SHIFT = 14

ADVERTISING_CRC_INIT = 0x555555
_CRC_POLYNOMIAL = 0xDA6000
"""x^24 + x^10 + x^9 + x^6 + x^4 + x^3 + x + 1 (Vol 6 Part B, 3.1.1), as a register that shifts to the right."""


def _crc_table() -> tuple[int, ...]:
    table = []
    for octet in range(256):
        register = octet
        for _ in range(8):
            register = register >> 1 ^ (_CRC_POLYNOMIAL if register & 1 else 0)
        table.append(register)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc24(pdu: bytes, crc_init: int) -> bytes:
    """The three octets of the CRC in the order they go on the air; `crc_init` has 24 bits."""
    register = int(f"{crc_init:024b}"[::-1], 2)
    for octet in pdu:
        register = register >> 8 ^ _CRC_TABLE[(register ^ octet) & 0xFF]
    return register.to_bytes(3, "little")


def rf_channel(index: int) -> int:
    """The RF channel, 0 to 39 by frequency, of a channel index (Vol 6 Part B, 1.4.1)."""
    if index >= 37:
        return (0, 12, 39)[index - 37]
    return index + (1 if index <= 10 else 2)


class AirCapture:
    """Writes one capture; `hears` is what `Medium.sniffer` calls.

    `target` is a path (created or emptied; OSError if that fails) or an open binary file, which is not closed.
    Times count from 1970-01-01, where the clock of the bench begins. The CRC's start value and who is central
    come from the CONNECT_IND: of a connection older than the capture neither is known, and its CRC is not right.
    """

    def __init__(self, target: Path | BinaryIO) -> None:
        self._own = isinstance(target, Path)
        self._file: BinaryIO = target.open("wb") if isinstance(target, Path) else target
        self._links: dict[int, tuple[int, str]] = {}  # by access address: CRCInit and the central's name
        self._file.write(struct.pack("<IHHiIII", MAGIC_NANOSECONDS, 2, 4, 0, 0, SNAP_LENGTH, LINK_TYPE))

    def hears(self, packet: Packet, attenuation: float, crc_ok: bool) -> None:
        """Write one packet, which has just ended; `attenuation` of its sender in dB."""
        flags = DEWHITENED | SIGNAL_POWER_VALID | REFERENCE_VALID | (packet.phy - 1) << PHY_SHIFT
        crc_init = ADVERTISING_CRC_INIT
        if packet.access_address != ADVERTISING_ACCESS_ADDRESS:
            crc_init, central = self._links.get(packet.access_address, (-1, ""))
            if crc_init >= 0:
                flags |= DATA_FROM_CENTRAL if packet.radio.name == central else DATA_FROM_PERIPHERAL
        elif crc_ok and packet.pdu[0] & 0x0F == CONNECT_IND and len(packet.pdu) == 36:
            link = LinkData.unpack(packet.pdu[14:])
            self._links[link.access_address] = (link.crc_init, packet.radio.name)
        if crc_init >= 0:
            flags |= CRC_CHECKED | (CRC_VALID if crc_ok else 0)
            crc = crc24(packet.pdu, crc_init)
            if not crc_ok:
                crc = bytes((crc[0] ^ 1,)) + crc[1:]
        else:
            crc = bytes(3)
        rssi = max(-128, round(TX_POWER_DBM - DESK_PATH_LOSS_DB - attenuation))
        coding = b""
        if packet.phy == PHY_CODED:
            coding = b"\x01" if packet.coding == CODING_S2 else b"\x00"
        address = struct.pack("<I", packet.access_address)
        record = (
            struct.pack("<BbbB4sH", rf_channel(packet.channel), rssi, 0, 0, address, flags)
            + address
            + coding
            + packet.pdu
            + crc
        )
        seconds, nanoseconds = divmod(packet.start * 1000 // TICKS_PER_US, NS_PER_SECOND)
        self._file.write(struct.pack("<IIII", seconds, nanoseconds, len(record), len(record)) + record)

    def close(self) -> None:
        """End the capture; may be called again."""
        if self._own:
            self._file.close()
