"""The air between the radios of a bench: who hears a packet, how strong, and what gets lost.

A packet is on the air from its start for its airtime; when it ends, every radio that was tuned to its channel,
PHY and access address from its start hears it, unless the path loses it. The medium knows nothing of
connections: a link layer of another kind can join by `listen` and `transmit` alone.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import ClassVar, Protocol

from hil.airtime import Phy, packet_us
from hil.virtual.air.component import Component
from hil.virtual.air.disturbance import Bursts, reception
from hil.virtual.air.disturbance import probability as checked
from hil.virtual.kernel import TICKS_PER_US, Kernel

PHY_1M = 1
PHY_2M = 2
PHY_CODED = 3
"""PHYs as HCI numbers them (Core 5.4, Vol 4 Part E, 7.8.47)."""

CODING_S2 = 2
CODING_S8 = 8

SENSITIVITY_DBM = {PHY_1M: -95, PHY_2M: -92, PHY_CODED: -103}
"""Weakest packet heard: nRF52840 product specification, RADIO receiver sensitivity (coded at S=8)."""

CLEAR_MARGIN_DB = 10
"""So far above the sensitivity no bit is wrong any more."""

TX_POWER_DBM = 0
DESK_PATH_LOSS_DB = 50
"""Path loss between two radios nobody attenuated: a metre or two at 2.4 GHz."""


def airtime_table(phy: Phy) -> tuple[int, ...]:
    """Ticks on the air by payload length, MIC included, 0 to 255."""
    return tuple(packet_us(phy, n) * TICKS_PER_US for n in range(256))


_CODED_S8 = airtime_table(Phy.LE_CODED_S8)
_TABLES = {
    (PHY_1M, CODING_S8): airtime_table(Phy.LE_1M),
    (PHY_1M, CODING_S2): airtime_table(Phy.LE_1M),
    (PHY_2M, CODING_S8): airtime_table(Phy.LE_2M),
    (PHY_2M, CODING_S2): airtime_table(Phy.LE_2M),
    (PHY_CODED, CODING_S8): _CODED_S8,
    (PHY_CODED, CODING_S2): airtime_table(Phy.LE_CODED_S2),
}


def airtime(phy: int, coding: int) -> tuple[int, ...]:
    """The airtime table, in ticks by payload length, of a PHY and (on LE Coded) a coding."""
    return _TABLES[phy, coding]


class Radio(Protocol):
    """Whoever transmits and hears: the identity that loss, attenuation and range are set for."""

    @property
    def name(self) -> str:
        """Unique on its medium."""
        ...


class Listener(Protocol):
    """One receiver activity of a radio: a connection, a scanner, an advertiser waiting for an answer."""

    @property
    def radio(self) -> Radio:
        """Whose receiver it is."""
        ...

    def tuned(self, channel: int, phy: int, start: int) -> bool:
        """Whether it has been receiving there since tick `start`."""
        ...

    def heard(self, packet: Packet, rssi: int, crc_ok: bool) -> None:
        """Called at the tick the packet ends. `rssi` in dBm."""
        ...


class Packet:
    """One packet on the air; `pdu` is header, payload and MIC, without access address and CRC."""

    __slots__ = ("access_address", "channel", "coding", "end", "pdu", "phy", "radio", "start")

    def __init__(
        self,
        radio: Radio,
        access_address: int,
        channel: int,
        phy: int,
        coding: int,
        pdu: bytes,
        start: int,
        end: int,
    ) -> None:
        self.radio = radio
        self.access_address = access_address
        self.channel = channel
        self.phy = phy
        self.coding = coding
        self.pdu = pdu
        self.start = start
        self.end = end


class Path:
    """What lies between two radios, in one direction."""

    def __init__(self) -> None:
        self.loss = 0.0
        self.crc_share = 0.0
        self.bursts: Bursts | None = None


class Medium(Component):
    """The air of one bench. Loss is drawn from the kernel's random stream "air"."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"_kernel", "_random", "_garbled", "sniffer"})

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._random = kernel.random("air")
        self._listeners: dict[int, list[Listener]] = {}
        self._paths: dict[tuple[str, str], Path] = {}
        self._attenuation: dict[str, float] = {}
        self._interference: dict[int, float] = {}  # by channel index
        self._away: set[str] = set()
        self._on_air: dict[int, int] = {}  # by access address, the tick its last packet ends at
        self.packets = 0
        """Packets sent so far, heard or not."""
        self.sniffer: Callable[[Packet, float, bool], None] | None = None
        """Called as each packet ends: its sender's attenuation in dB, and whether its CRC held where it was heard."""
        self._garbled: Packet | None = None  # the last one that a receiver heard with a bad CRC

    # Physics

    def set_loss(
        self, a: Radio, b: Radio, probability: float, *, crc_share: float = 0.0, one_way: bool = False
    ) -> None:
        """Lose packets from `a` to `b`, and unless `one_way` those from `b` to `a`, with `probability` each.

        `crc_share` of the lost ones are heard with a bad CRC, the others are not heard at all. Both are
        from 0 to 1; ValueError if not.
        """
        pairs = [(a.name, b.name)] if one_way else [(a.name, b.name), (b.name, a.name)]
        for pair in pairs:
            path = self._paths.setdefault(pair, Path())
            path.loss, path.crc_share = checked(probability), checked(crc_share)

    def set_bursts(self, a: Radio, b: Radio, begin: float, end: float, loss: float = 1.0) -> None:
        """Lose packets between two radios in bursts, each direction by itself (see `Bursts`); `begin` 0 ends it."""
        for pair in ((a.name, b.name), (b.name, a.name)):
            path = self._paths.setdefault(pair, Path())
            path.bursts = Bursts(begin, end, loss) if begin else None

    def set_interference(self, channels: Iterable[int], probability: float) -> None:
        """Garble each packet on these channel indices (0 to 39) with `probability`; all other channels are clear.

        Half of what is garbled is heard with a bad CRC, the rest not at all. ValueError for a value out of range.
        """
        disturbed = {channel: checked(probability) for channel in channels}
        if not all(0 <= channel < 40 for channel in disturbed):
            raise ValueError(f"a channel index is from 0 to 39, not one of {sorted(disturbed)}")
        self._interference = disturbed if probability else {}

    def set_attenuation(self, radio: Radio, decibels: float) -> None:
        """Weaken everything the radio sends and hears by `decibels` (0 or more; ValueError if less).

        Near the receiver's sensitivity packets get lost (see `disturbance.reception`).
        """
        if decibels < 0:
            raise ValueError(f"attenuation is 0 dB or more, not {decibels}")
        self._attenuation[radio.name] = decibels

    def out_of_range(self, radio: Radio, away: bool) -> None:
        """Take the radio out of everybody's reach, or bring it back. Links die of silence, not at once."""
        if away:
            self._away.add(radio.name)
        else:
            self._away.discard(radio.name)

    # The air interface

    def listen(self, access_address: int, listener: Listener) -> None:
        """Offer the listener every packet with this access address, until `ignore`."""
        self._listeners.setdefault(access_address, []).append(listener)

    def ignore(self, access_address: int, listener: Listener) -> None:
        """Stop offering packets; nothing happens if it did not listen."""
        listeners = self._listeners.get(access_address, [])
        if listener in listeners:
            listeners.remove(listener)
        if not listeners:
            self._listeners.pop(access_address, None)
            self._on_air.pop(access_address, None)

    def busy(self, access_address: int) -> bool:
        """Whether a packet with this access address is on the air, or about to start."""
        return self._on_air.get(access_address, 0) > self._kernel.now

    def transmit(
        self,
        radio: Radio,
        access_address: int,
        channel: int,
        phy: int,
        coding: int,
        pdu: bytes,
        start: int,
    ) -> int:
        """Put a packet on the air at tick `start` (now or later); returns the tick it ends at."""
        end = start + _TABLES[phy, coding][len(pdu) - 2]
        self.packets += 1
        self._on_air[access_address] = end
        packet = Packet(radio, access_address, channel, phy, coding, pdu, start, end)
        self._kernel.at(end, self._end, packet)
        return end

    def _end(self, packet: Packet) -> None:
        self._deliver(packet)
        if self.sniffer is not None:
            attenuation = self._attenuation.get(packet.radio.name, 0.0)
            self.sniffer(packet, attenuation, self._garbled is not packet)

    def _deliver(self, packet: Packet) -> None:
        listeners = self._listeners.get(packet.access_address)
        if not listeners:
            return
        channel, phy, start, radio = packet.channel, packet.phy, packet.start, packet.radio
        # A copy where several listen: whoever hears the packet may stop or start listening.
        for listener in listeners if len(listeners) == 1 else tuple(listeners):
            if listener.radio is not radio and listener.tuned(channel, phy, start):
                self._offer(listener, packet)

    def _offer(self, listener: Listener, packet: Packet) -> None:
        sender, receiver = packet.radio.name, listener.radio.name
        if self._away and (sender in self._away or receiver in self._away):
            return
        rssi = TX_POWER_DBM - DESK_PATH_LOSS_DB
        crc_ok = True
        if self._attenuation:
            rssi -= round(self._attenuation.get(sender, 0.0) + self._attenuation.get(receiver, 0.0))
            margin = rssi - SENSITIVITY_DBM[packet.phy]
            received = reception(margin, len(packet.pdu), self._random) if margin < CLEAR_MARGIN_DB else True
            if received is None:
                return
            crc_ok = received
        path = self._paths.get((sender, receiver)) if self._paths else None
        if path is not None:
            if path.loss and self._random.random() < path.loss:
                if not path.crc_share or self._random.random() >= path.crc_share:
                    return
                crc_ok = False
            if path.bursts is not None and path.bursts.lose(self._random):
                return
        if self._interference and self._random.random() < self._interference.get(packet.channel, 0.0):
            if self._random.random() < 0.5:
                return
            crc_ok = False
        if not crc_ok:
            self._garbled = packet
        listener.heard(packet, rssi, crc_ok)
