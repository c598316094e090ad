"""One cell of a throughput matrix: a link as it was negotiated, and the most that it can carry by calculation.

A transfer passes several stages: the air, where the device's controller is a chip of its own the UART between the two,
for an update the flash. Each by itself is an upper bound; the narrowest is the ceiling, and is said to bound the
transfer. Stages that take turns, as flash and processor do where the code lies in that flash, are one, `in_series`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from hil import airtime
from hil.ble.central import Connection
from hil.errors import BenchError

PHYS = {phy.label: phy for phy in airtime.Phy}
"""By their names: 1M, 2M, S2, S8."""

_H4_ACL_OCTETS = 1 + 4
"""Packet type (Core 5.4, Vol 4, Part A, section 2) and ACL header (Part E, section 5.4.2) of each HCI data packet."""

_LONGEST_VALUE = 512

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


def in_series(name: str, *rates: float) -> Stage:
    """Stages that take turns on each byte, so that their times add. Rates in bytes/s."""
    return Stage(name, 1 / sum(1 / rate for rate in rates))


@dataclass(frozen=True)
class Cell:
    """A link as both ends have it: the central's PHY, ATT MTU in bytes, longest PDU in octets, interval in ms."""

    phy: str
    mtu: int
    data_length: int
    interval_ms: float
    acl_octets: int = airtime.MAX_PAYLOAD_OCTETS
    """Longest data packet that the central's controller takes from its host; two of them never share a PDU."""
    encrypted: bool = False

    def __str__(self) -> str:
        return f"{self.phy}, MTU {self.mtu}"

    @property
    def value_octets(self) -> int:
        """What one write carries: no attribute value has more than 512 octets (Core 5.4, Vol 3 Part F, 3.2.9)."""
        return min(self.mtu - airtime.ATT_WRITE_HEADER_OCTETS, _LONGEST_VALUE)

    @property
    def _used_mtu(self) -> int:
        return self.value_octets + airtime.ATT_WRITE_HEADER_OCTETS

    @property
    def interval_us(self) -> int:
        """The connection interval in us."""
        return round(self.interval_ms * 1000)

    def air(self, octets: int, *, response: bool = False) -> Stage:
        """The air, for `octets` of attribute values in write commands, or with `response` write requests, as long as
        the MTU allows.

        For commands exact on a link without loss: connection events are packed as a controller packs them, from an
        anchor point to the end of the last PDU. Raises ValueError when the cell cannot be (see
        `airtime.goodput_ceiling`).
        """
        microseconds = airtime.shortest_transfer_us(
            PHYS[self.phy],
            self._used_mtu,
            self.data_length,
            self.interval_us,
            octets,
            acl_octets=self.acl_octets,
            encrypted=self.encrypted,
        )
        rate = octets / (microseconds / 1e6)
        if response:
            answered = airtime.answered_ceiling(
                PHYS[self.phy],
                self._used_mtu,
                self.data_length,
                acl_octets=self.acl_octets,
                encrypted=self.encrypted,
            )
            rate = min(rate, answered)
        return Stage("air", rate)

    def round_trips(self, octets: int, message_octets: int) -> Stage:
        """Messages of `message_octets`, in `octets` of payload each, of which one is answered before the next is sent,
        with a device that takes longer than an inter-frame space to answer.

        When the message has been sent neither end has more data, so that the event is closed (Core 5.4, Vol 6 Part B,
        4.5.6). The answer comes in the next event, which it closes as well: the next message waits for the one after.
        """
        header = airtime.ATT_WRITE_HEADER_OCTETS + airtime.L2CAP_HEADER_OCTETS
        whole, rest = divmod(message_octets, self.value_octets)
        events = airtime.events_of(
            PHYS[self.phy],
            [self.value_octets + header] * whole + ([rest + header] if rest else []),
            self.data_length,
            self.interval_us,
            acl_octets=self.acl_octets,
            encrypted=self.encrypted,
        )
        return Stage("round trips", octets / ((events + 1) * self.interval_us / 1e6))

    def bytes_within(self, seconds: float) -> int:
        """Attribute values, in bytes, of as many whole writes as the air carries in `seconds`, one at least."""
        ceiling = airtime.goodput_ceiling(
            PHYS[self.phy],
            self._used_mtu,
            self.data_length,
            self.interval_us,
            acl_octets=self.acl_octets,
            encrypted=self.encrypted,
        )
        return max(1, int(ceiling.bytes_per_second * seconds / self.value_octets)) * self.value_octets

    def hci_uart(self, baud: int) -> Stage:
        """The UART from the device's controller to its host, at `baud` bit/s, without end of stream or flow control.

        The controller hands up each PDU as a packet of its own: a write of MTU - 3 bytes costs the MTU, the four octets
        of L2CAP header, and five octets for each of its PDUs, of ten bits each.
        """
        sdu = self._used_mtu + airtime.L2CAP_HEADER_OCTETS
        pdus = len(airtime.fragments(sdu, self.data_length, self.acl_octets))
        seconds = (sdu + pdus * _H4_ACL_OCTETS) * _UART_BITS / baud
        return Stage("HCI UART", self.value_octets / seconds)


async def negotiated(
    connection: Connection, acl_octets: int = airtime.MAX_PAYLOAD_OCTETS, *, coding: str | None = None
) -> Cell:
    """Read back what the two ends of a link have settled on.

    A driver does not tell S=2 from S=8: on a coded PHY it is `coding`, "S2" or "S8", that was asked for. Raises
    BenchError when the driver cannot know, or the PHY is a coded one without `coding`.
    """
    link = connection.link
    phys, length, parameters, mtu = await link.phy(), link.data_length(), link.parameters(), link.att_mtu
    if phys is None or length is None or parameters is None or mtu is None:
        raise BenchError(
            "throughput: this adapter does not tell PHY, data length and connection interval; use one with HCI access"
        )
    phy = coding if phys.tx == "coded" and coding is not None else phys.tx
    if phy not in PHYS or phys.rx != phys.tx:
        raise BenchError(f"throughput: the link uses PHY {phys.tx} and {phys.rx}; equal ones can be reckoned")
    octets = airtime.effective_octets(
        PHYS[phy],
        round(parameters.interval_ms * 1000),
        length.tx_octets,
        length.tx_time_us,
        length.rx_octets,
        length.rx_time_us,
    )
    return Cell(phy, mtu, octets, parameters.interval_ms, acl_octets, bool(connection.is_encrypted))
