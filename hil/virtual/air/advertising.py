"""The advertising, scanning and initiating states (Core 5.4, Vol 6 Part B, 4.4), legacy PDUs on 1M."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from hil.virtual.air import errors, pdu
from hil.virtual.air.component import Component
from hil.virtual.air.link import CENTRAL, PERIPHERAL, T_IFS, TICKS_PER_INTERVAL_UNIT
from hil.virtual.air.medium import CODING_S8, PHY_1M, Packet, airtime
from hil.virtual.air.pdu import ADVERTISING_ACCESS_ADDRESS, ADVERTISING_CHANNELS, Address, LinkData
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US, Event

if TYPE_CHECKING:
    from hil.virtual.air.controller import Controller

SLOT = 625 * TICKS_PER_US
ADVERTISING_DELAY_MAX = 10 * TICKS_PER_MS
DIRECTED_HIGH_DUTY_TIMEOUT = 1280 * TICKS_PER_MS
DIRECTED_HIGH_DUTY_GAP = 3750 * TICKS_PER_US
"""High duty cycle directed events start at most this far apart (4.4.2.4.3)."""

_AIRTIME = airtime(PHY_1M, CODING_S8)
_CONNECT_TIME = _AIRTIME[34]
TRANSMIT_WINDOW_DELAY = TICKS_PER_INTERVAL_UNIT
"""From the end of CONNECT_IND to the transmit window (4.5.3)."""

# After a PDU the advertiser waits for a request to begin and to end before it changes channel.
ANSWER_TIME = T_IFS + _CONNECT_TIME + T_IFS

# HCI advertising types (Vol 4 Part E, 7.8.5) and the PDU each of them sends.
PDU_OF_TYPE = (
    pdu.ADV_IND,
    pdu.ADV_DIRECT_IND,
    pdu.ADV_SCAN_IND,
    pdu.ADV_NONCONN_IND,
    pdu.ADV_DIRECT_IND,
)
HIGH_DUTY = 1
LOW_DUTY = 4

# Event types of an advertising report (7.7.65.2).
REPORT_OF_PDU = {
    pdu.ADV_IND: 0,
    pdu.ADV_DIRECT_IND: 1,
    pdu.ADV_SCAN_IND: 2,
    pdu.ADV_NONCONN_IND: 3,
    pdu.SCAN_RSP: 4,
}


class Advertiser(Component):
    """The advertising state of one controller."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"radio", "_kernel", "_medium"})

    def __init__(self, controller: Controller) -> None:
        self.radio = controller
        self._kernel = controller.kernel
        self._medium = controller.medium
        self.enabled = False
        self._listening = False
        self._next: Event | None = None
        self._timeout: Event | None = None
        self._own = Address(0, bytes(6))
        self._channel = 0
        self._since = 0
        self._defaults()

    def _defaults(self) -> None:
        """The parameters of 7.8.5 before the host sets any."""
        self.interval = 0x0800  # in slots
        self.kind = 0
        self.own_type = 0
        self.peer = Address(0, bytes(6))
        self.channels: tuple[int, ...] = ADVERTISING_CHANNELS
        self.filter_policy = 0
        self.data = b""
        self.response = b""

    def reset(self) -> None:
        """Stop, and forget what the host has set."""
        self.stop()
        self._defaults()

    def start(self) -> None:
        """Begin to advertise, or do it afresh with the address of now."""
        self.stop()
        self._own = self.radio.own_address(self.own_type)
        self.enabled = True
        self._medium.listen(ADVERTISING_ACCESS_ADDRESS, self)
        if self.kind == HIGH_DUTY:
            self._timeout = self._kernel.after(DIRECTED_HIGH_DUTY_TIMEOUT, self._give_up)
        self._begin_event()

    def stop(self) -> None:
        """Leave the advertising state; nothing happens if it is not in it."""
        self.enabled = self._listening = False
        self._medium.ignore(ADVERTISING_ACCESS_ADDRESS, self)
        self._kernel.cancel(self._next)
        self._kernel.cancel(self._timeout)

    def _give_up(self) -> None:
        self.stop()
        self.radio.events.connection_failed(errors.ADVERTISING_TIMEOUT, PERIPHERAL, self.peer)

    def _begin_event(self) -> None:
        now = self._kernel.now
        if self.kind == HIGH_DUTY:
            following = now + DIRECTED_HIGH_DUTY_GAP
        else:
            following = now + self.interval * SLOT + self.radio.random.randrange(ADVERTISING_DELAY_MAX)
        self._advertise(0, following)

    def _advertise(self, index: int, following: int) -> None:
        """Send on the next used channel, or wait for the next event."""
        if index == len(self.channels):
            self._listening = False
            self._next = self._kernel.at(max(following, self._kernel.now), self._begin_event)
            return
        kind = PDU_OF_TYPE[self.kind]
        if kind == pdu.ADV_DIRECT_IND:
            message = pdu.advertising_pdu(kind, self._own, self._own.octets + self.peer.octets, self.peer)
        else:
            message = pdu.advertising_pdu(kind, self._own, self._own.octets + self.data)
        self._channel = self.channels[index]
        end = self._transmit(message, self._kernel.now)
        self._listening = kind != pdu.ADV_NONCONN_IND
        self._since = end
        self._next = self._kernel.at(end + ANSWER_TIME, self._advertise, index + 1, following)

    def _transmit(self, message: bytes, start: int) -> int:
        return self._medium.transmit(
            self.radio, ADVERTISING_ACCESS_ADDRESS, self._channel, PHY_1M, CODING_S8, message, start
        )

    def tuned(self, channel: int, phy: int, start: int) -> bool:
        """Whether it waits there for an answer (see `medium.Listener`)."""
        return self._listening and channel == self._channel and phy == PHY_1M and start >= self._since

    def heard(self, packet: Packet, rssi: int, crc_ok: bool) -> None:
        """Perhaps a scan request or a connect indication to us."""
        message = packet.pdu
        kind = message[0] & 0x0F
        if not crc_ok or kind not in (pdu.SCAN_REQ, pdu.CONNECT_IND) or len(message) < 14:
            return
        sender = pdu.sender_of(message)
        if pdu.receiver_of(message) != self._own:
            return
        if kind == pdu.SCAN_REQ:
            allowed = not self.filter_policy & 1 or sender in self.radio.accept_list
            if self.kind in (0, 2) and allowed:
                self._listening = False
                answer = pdu.advertising_pdu(pdu.SCAN_RSP, self._own, self._own.octets + self.response)
                end = self._transmit(answer, packet.end + T_IFS)
                old = self._next
                if old is not None and old.when < end + T_IFS:  # the answer outlasts the wait
                    self._kernel.cancel(old)
                    self._next = self._kernel.at(end + T_IFS, old.callback, *old.args)
        elif self.kind in (0, HIGH_DUTY, LOW_DUTY) and len(message) == 36:
            directed = self.kind in (HIGH_DUTY, LOW_DUTY)
            if directed:
                allowed = sender == self.peer
            else:
                allowed = not self.filter_policy & 2 or sender in self.radio.accept_list
            if allowed:
                self.stop()
                second = bool(message[0] & pdu.CHANNEL_SELECTION)
                link = LinkData.unpack(message[14:])
                self.radio.connected(PERIPHERAL, sender, link, packet.end, second)


class Scanner(Component):
    """The scanning and the initiating state of one controller: both listen for advertisers."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"radio", "_kernel", "_medium"})

    def __init__(self, controller: Controller) -> None:
        self.radio = controller
        self._kernel = controller.kernel
        self._medium = controller.medium
        self.enabled = False
        self._defaults()
        self.filter_duplicates = False
        self._seen: set[tuple[Address, int]] = set()
        self._began = 0
        # While a scan response is awaited: from whom, on which channel, since and until when.
        self._awaiting: Address | None = None
        self._awaited_channel = 0
        self._awaited_since = 0
        self._awaited_until = 0

    def _defaults(self) -> None:
        """The parameters of 7.8.10 before the host sets any."""
        self.active = False
        self.interval = 0x10  # in slots
        self.window = 0x10
        self.own_type = 0
        self.filter_policy = 0

    def reset(self) -> None:
        """Stop, and forget what the host has set."""
        self.stop()
        self._defaults()

    def start(self, filter_duplicates: bool) -> None:
        """Begin to scan, or begin afresh and report everybody again."""
        self.stop()
        self.enabled = True
        self.filter_duplicates = filter_duplicates
        self._seen.clear()
        self._began = self._kernel.now
        self._medium.listen(ADVERTISING_ACCESS_ADDRESS, self)

    def stop(self) -> None:
        """Stop scanning; nothing happens if it does not scan."""
        self.enabled = False
        self._awaiting = None
        self._medium.ignore(ADVERTISING_ACCESS_ADDRESS, self)

    def tuned(self, channel: int, phy: int, start: int) -> bool:
        """Whether it has been listening there since `start` (see `medium.Listener`)."""
        if phy != PHY_1M:
            return False
        if self._awaiting is not None and start <= self._awaited_until:
            return channel == self._awaited_channel and start >= self._awaited_since
        return in_scan_window(start - self._began, self.interval, self.window, channel)

    def heard(self, packet: Packet, rssi: int, crc_ok: bool) -> None:
        """An advertising channel PDU: report it, and ask for more if it may be asked."""
        message = packet.pdu
        if not crc_ok or len(message) < 8:
            return
        kind = message[0] & 0x0F
        sender = pdu.sender_of(message)
        if kind == pdu.SCAN_RSP:
            if sender == self._awaiting and packet.start >= self._awaited_since:
                self._awaiting = None
                self._report(kind, sender, message[8:], rssi)
            return
        if kind not in REPORT_OF_PDU or not self._allowed(kind, message, sender):
            return
        data = b"" if kind == pdu.ADV_DIRECT_IND else message[8:]
        self._report(kind, sender, data, rssi)
        if self.active and kind in (pdu.ADV_IND, pdu.ADV_SCAN_IND):
            own = self.radio.own_address(self.own_type)
            request = pdu.advertising_pdu(pdu.SCAN_REQ, own, own.octets + sender.octets, sender)
            end = self._medium.transmit(
                self.radio,
                ADVERTISING_ACCESS_ADDRESS,
                packet.channel,
                PHY_1M,
                CODING_S8,
                request,
                packet.end + T_IFS,
            )
            self._awaiting = sender
            self._awaited_channel = packet.channel
            self._awaited_since = end
            self._awaited_until = end + T_IFS

    def _allowed(self, kind: int, message: bytes, sender: Address) -> bool:
        if self.filter_policy & 1 and sender not in self.radio.accept_list:
            return False
        if kind == pdu.ADV_DIRECT_IND and not self.filter_policy & 2:
            return pdu.receiver_of(message) == self.radio.own_address(self.own_type)
        return True

    def _report(self, kind: int, sender: Address, data: bytes, rssi: int) -> None:
        key = (sender, kind)
        if self.filter_duplicates:
            if key in self._seen:
                return
            self._seen.add(key)
        self.radio.events.advertising_report(REPORT_OF_PDU[kind], sender, data, rssi)


class Initiator(Component):
    """The initiating state: connect to the first allowed advertiser that is heard."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"radio", "_kernel", "_medium"})

    def __init__(self, controller: Controller) -> None:
        self.radio = controller
        self._kernel = controller.kernel
        self._medium = controller.medium
        self.active = False
        self._peer: Address | None = None
        self._own_type = 0
        self._interval = self._window = 0x10
        self._parameters = (0, 0, 0)
        self._began = 0
        self._connecting: Event | None = None  # the end of our CONNECT_IND

    def start(
        self,
        peer: Address | None,
        own_type: int,
        scan_interval: int,
        scan_window: int,
        parameters: tuple[int, int, int],
    ) -> None:
        """Look for `peer`, or with None for anybody on the filter accept list.

        `parameters` are the connection's interval (1.25 ms), latency and timeout (10 ms).
        """
        self._peer, self._own_type = peer, own_type
        self._interval, self._window = scan_interval, scan_window
        self._parameters = parameters
        self._began = self._kernel.now
        self.active = True
        self._medium.listen(ADVERTISING_ACCESS_ADDRESS, self)

    def stop(self) -> None:
        """Leave the initiating state; nothing happens if it is not in it."""
        self.active = False
        self._kernel.cancel(self._connecting)
        self._medium.ignore(ADVERTISING_ACCESS_ADDRESS, self)

    def tuned(self, channel: int, phy: int, start: int) -> bool:
        """Whether it has been listening there since `start` (see `medium.Listener`)."""
        return phy == PHY_1M and in_scan_window(start - self._began, self._interval, self._window, channel)

    def heard(self, packet: Packet, rssi: int, crc_ok: bool) -> None:
        """If it is the one that is looked for, send CONNECT_IND and be the central."""
        message = packet.pdu
        kind = message[0] & 0x0F
        if not crc_ok or kind not in (pdu.ADV_IND, pdu.ADV_DIRECT_IND) or len(message) < 8:
            return
        sender = pdu.sender_of(message)
        wanted = sender == self._peer if self._peer is not None else sender in self.radio.accept_list
        if not wanted or self.radio.has_connection_to(sender):
            return
        own = self.radio.own_address(self._own_type)
        if kind == pdu.ADV_DIRECT_IND and pdu.receiver_of(message) != own:
            return
        interval, latency, timeout = self._parameters
        link = LinkData(
            access_address=self.radio.new_access_address(),
            crc_init=self.radio.random.getrandbits(24),
            window_size=1,
            window_offset=0,
            interval=interval,
            latency=latency,
            timeout=timeout,
            channel_map=self.radio.channel_map,
            hop=self.radio.random.randrange(5, 17),
        )
        indication = pdu.advertising_pdu(
            pdu.CONNECT_IND, own, own.octets + sender.octets + link.pack(), sender
        )
        self._medium.ignore(ADVERTISING_ACCESS_ADDRESS, self)
        end = self._medium.transmit(
            self.radio,
            ADVERTISING_ACCESS_ADDRESS,
            packet.channel,
            PHY_1M,
            CODING_S8,
            indication,
            packet.end + T_IFS,
        )
        # The central's first packet starts where the transmit window does.
        second = bool(message[0] & pdu.CHANNEL_SELECTION)
        self._connecting = self._kernel.at(end, self._connected, sender, link, end, second)

    def _connected(self, peer: Address, link: LinkData, end: int, second: bool) -> None:
        self.active = False
        self.radio.connected(CENTRAL, peer, link, end, second)


def in_scan_window(elapsed: int, interval: int, window: int, channel: int) -> bool:
    """Whether a scan that began `elapsed` ticks ago is on `channel` now; interval and window in slots."""
    if elapsed < 0:
        return False
    turn, within = divmod(elapsed, interval * SLOT)
    if within >= window * SLOT:
        return False
    return channel == ADVERTISING_CHANNELS[turn % len(ADVERTISING_CHANNELS)]


def first_anchor(link: LinkData, connect_end: int) -> int:
    """The anchor point of the first event after a CONNECT_IND that ended at `connect_end` (4.5.3)."""
    return connect_end + TRANSMIT_WINDOW_DELAY + link.window_offset * TICKS_PER_INTERVAL_UNIT


def valid_link(link: LinkData) -> bool:
    """Whether a CONNECT_IND is one that may be followed (2.3.3.1)."""
    return (
        6 <= link.interval <= 3200
        and link.latency <= 499
        and 10 <= link.timeout <= 3200
        and 5 <= link.hop <= 16
        and link.window_offset <= link.interval
        and link.channel_map.bit_count() >= 2
    )
