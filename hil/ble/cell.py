"""One cell of a throughput matrix: a link as it was negotiated, and the most that it can carry by calculation.

A transfer passes several stages: the air, where the device's controller is a chip of its own the UART between the two,
for an update the flash. Each by itself is an upper bound; the narrowest is the ceiling, and is said to bound the
transfer.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hil import airtime
from hil.ble.central import Connection
from hil.errors import BenchError

_PHYS = {phy.label: phy for phy in (airtime.Phy.LE_1M, airtime.Phy.LE_2M)}

_H4_ACL_OCTETS = 1 + 4
"""Packet type (Core 5.4, Vol 4, Part A, section 2) and ACL header (Part E, section 5.4.2) of each HCI data packet."""

_UART_BITS = 10
"""Start bit, eight data bits, stop bit."""


@dataclass(frozen=True)
class Stage:
    """A part of the way that bytes take, and the most payload that it carries."""

    name: str
    bytes_per_second: float

    def carrying(self, share: float) -> Stage:
        """The same stage for payload that is `share` (0 to 1) of the bytes that it carries."""
        return Stage(self.name, self.bytes_per_second * share)

    def __str__(self) -> str:
        return f"{self.name} ({self.bytes_per_second / 1000:.1f} kB/s)"


def narrowest(stages: Iterable[Stage]) -> Stage:
    """The stage that carries least; of equal ones the first. Raises ValueError for none."""
    return min(stages, key=lambda stage: stage.bytes_per_second)


@dataclass(frozen=True)
class Cell:
    """A link as both ends have it: the central's PHY, ATT MTU in bytes, longest PDU in octets, interval in ms."""

    phy: str
    mtu: int
    data_length: int
    interval_ms: float
    acl_octets: int = airtime.MAX_PAYLOAD_OCTETS
    """Longest data packet that the central's controller takes from its host; two of them never share a PDU."""

    def __str__(self) -> str:
        return f"{self.phy}, MTU {self.mtu}"

    def air(self, octets: int) -> Stage:
        """The air, for `octets` of attribute values in write commands as long as the MTU allows.

        Exact for a link without loss: connection events are packed as a controller packs them, from an anchor point to
        the end of the last PDU. Raises ValueError when the cell cannot be (see `airtime.goodput_ceiling`).
        """
        microseconds = airtime.shortest_transfer_us(
            _PHYS[self.phy],
            self.mtu,
            self.data_length,
            round(self.interval_ms * 1000),
            octets,
            acl_octets=self.acl_octets,
        )
        return Stage("air", octets / (microseconds / 1e6))

    def bytes_within(self, seconds: float) -> int:
        """Attribute values, in bytes, of as many whole writes as the air carries in `seconds`, one at least."""
        ceiling = airtime.goodput_ceiling(
            _PHYS[self.phy],
            self.mtu,
            self.data_length,
            round(self.interval_ms * 1000),
            acl_octets=self.acl_octets,
        )
        value = self.mtu - airtime.ATT_WRITE_HEADER_OCTETS
        return max(1, int(ceiling.bytes_per_second * seconds / value)) * value

    def hci_uart(self, baud: int) -> Stage:
        """The UART from the device's controller to its host, at `baud` bit/s, without end of stream or flow control.

        The controller hands up each PDU as a packet of its own: a write of MTU - 3 bytes costs the MTU, the four octets
        of L2CAP header, and five octets for each of its PDUs, of ten bits each.
        """
        sdu = self.mtu + airtime.L2CAP_HEADER_OCTETS
        pdus = len(airtime.fragments(sdu, self.data_length, self.acl_octets))
        seconds = (sdu + pdus * _H4_ACL_OCTETS) * _UART_BITS / baud
        return Stage("HCI UART", (self.mtu - airtime.ATT_WRITE_HEADER_OCTETS) / seconds)


async def negotiated(connection: Connection, acl_octets: int = airtime.MAX_PAYLOAD_OCTETS) -> Cell:
    """Read back what the two ends of a link have settled on.

    Raises BenchError when the driver cannot know, or the PHY is a coded one, of which it does not tell S=2 from S=8.
    """
    link = connection.link
    phys, length, parameters, mtu = await link.phy(), link.data_length(), link.parameters(), link.att_mtu
    if phys is None or length is None or parameters is None or mtu is None:
        raise BenchError(
            "throughput: this adapter does not tell PHY, data length and connection interval; use one with HCI access"
        )
    if phys.tx not in _PHYS or phys.rx != phys.tx:
        raise BenchError(f"throughput: the link uses PHY {phys.tx} and {phys.rx}; 1M and 2M can be reckoned")
    return Cell(phys.tx, mtu, length.tx_octets, parameters.interval_ms, acl_octets)
