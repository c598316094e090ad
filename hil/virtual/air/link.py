"""One end of a connection: events, acknowledgement, fragmentation and supervision.

Core 5.4, Vol 6 Part B, 4.5. Each end runs by itself on its own anchor points; all they share is the
air. A clock of the bench does not drift, so no window widening is needed.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, ClassVar

from hil.airtime import T_IFS_US, octets_within
from hil.virtual.air import errors
from hil.virtual.air.channels import HopSequence, PseudoRandomSequence
from hil.virtual.air.component import Component
from hil.virtual.air.data_length import Limits, phy_of
from hil.virtual.air.encryption import Session
from hil.virtual.air.medium import CODING_S8, PHY_1M, PHY_CODED, Packet, airtime
from hil.virtual.air.pdu import (
    LLID_CONTINUATION,
    LLID_CONTROL,
    LLID_START,
    MD,
    NESN,
    SN,
    Address,
    LinkData,
)
from hil.virtual.air.procedures import Procedures
from hil.virtual.kernel import TICKS_PER_US, Event

if TYPE_CHECKING:
    from hil.virtual.air.controller import Controller

CENTRAL = 0
PERIPHERAL = 1

T_IFS = T_IFS_US * TICKS_PER_US
TICKS_PER_INTERVAL_UNIT = 1250 * TICKS_PER_US
TICKS_PER_TIMEOUT_UNIT = 10_000 * TICKS_PER_US

# A connection not yet established is lost after six intervals without a packet (4.5.2).
ESTABLISH_EVENTS = 6

# Completed packets are reported in groups, to spare the host transport, but never so late that a
# host with buffers left to fill would wait.
COMPLETED_GROUP = 4


class Connection(Component):
    """One end of a connection, with its queues. Times are ticks unless a name says otherwise."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"radio", "_kernel", "_medium", "llcp"})

    def __init__(
        self,
        controller: Controller,
        handle: int,
        role: int,
        peer: Address,
        link: LinkData,
        first_anchor: int,
        second_algorithm: bool,
    ) -> None:
        self.radio = controller
        self._kernel = controller.kernel
        self._medium = controller.medium
        self.handle = handle
        self.role = role
        self.peer = peer
        self.access_address = link.access_address
        self.hops: HopSequence | PseudoRandomSequence = (
            PseudoRandomSequence(link.access_address, link.channel_map)
            if second_algorithm
            else HopSequence(link.hop, link.channel_map)
        )
        self.interval_units = link.interval
        self.interval = link.interval * TICKS_PER_INTERVAL_UNIT
        self.latency = link.latency
        self.timeout_units = link.timeout
        self.timeout = link.timeout * TICKS_PER_TIMEOUT_UNIT
        self.phy_tx = self.phy_rx = PHY_1M
        self.coding = CODING_S8
        self.coding_wanted = 0
        """CODING_S2 or CODING_S8 if the host asked for it; 0 answers with the coding it hears."""
        self.limits = Limits(controller.suggested_tx_octets, controller.suggested_tx_time)
        self.session: Session | None = None
        self.encrypt_tx = self.encrypt_rx = False
        self.hold_data = False
        """True while data may not be sent: an encryption start or pause is under way."""
        self.counter = 0xFFFF
        """connEventCounter of the current event; the first event makes it 0."""
        self.closed = False
        self.rssi = 127

        self._anchor = self._next_anchor = first_anchor
        self._channel = 0
        self._listening = False
        self._fresh = False  # nothing was sent in this event yet
        self._since = 0
        self._bad_packets = 0
        self._skipped = 0
        self._established = False
        self._event_heard = True
        self._last_heard = self._kernel.now
        self._sn = self._nesn = 0
        self._peer_md = False
        # The PDU being sent until it is acknowledged: (LLID, payload on the air, ends an ACL packet).
        self._current: tuple[int, bytes, bool] | None = None
        self._acl: deque[tuple[bytes, bool]] = deque()
        self._offset = 0  # octets of the first ACL packet already taken
        self._control: deque[bytes] = deque()
        self._control_opcode = 0  # of the control PDU being sent
        self._completed = 0
        self._leaving: int | None = None  # reason, once a terminate was received and must be acknowledged
        self.max_payload = 27
        self._airtime = airtime(PHY_1M, CODING_S8)
        self._reply_time = self._airtime[0]

        self.llcp = Procedures(self)
        self._medium.listen(self.access_address, self)
        self._event: Event | None = self._kernel.at(first_anchor, self._open)
        self._supervision = self._kernel.at(
            first_anchor + ESTABLISH_EVENTS * self.interval, self._check_supervision
        )
        self.update_limits()

    # State that follows from other state

    def update_limits(self) -> None:
        """Work out what follows from PHY, interval, data length and encryption.

        What an agreed change will make of them counts already, so that no PDU is under way at the
        instant which could not be repeated after it.
        """
        self._airtime = airtime(self.phy_tx, self.coding)
        self._reply_time = airtime(self.phy_rx, self.coding)[0]
        phys = [self.phy_tx] + [phy for phy in (self.llcp.phy.pending_tx,) if phy]
        intervals = [self.interval_units] + [units for units in (self.llcp.pending_interval,) if units]
        encrypted = self.encrypt_tx or self.hold_data
        octets = self.limits.effective_tx_octets
        for number in phys:
            phy = phy_of(number, self.coding)
            for units in intervals:
                time_us = self.limits.effective_tx_time(phy, units * 1250)
                octets = min(octets, octets_within(phy, time_us, encrypted))
        self.max_payload = max(27, octets)

    # The queues

    @property
    def acl_waiting(self) -> int:
        """ACL packets of the host that are not acknowledged yet."""
        sending = self._current is not None and self._current[2]
        return len(self._acl) + sending + self._completed

    def queue_acl(self, data: bytes, start: bool) -> None:
        """Take one ACL packet from the host."""
        self._acl.append((data, start))

    def queue_control(self, pdu: bytes) -> None:
        """Queue an LL control PDU (opcode and CtrData); they go before data."""
        self._control.append(pdu)

    def _select(self, room: int) -> bool:
        """Choose the next new PDU, one that takes at most `room` ticks; an empty one at the least."""
        if self._control:
            payload = self._control[0]
            mic = 4 if self.encrypt_tx else 0
            if self._airtime[len(payload) + mic] <= room:
                self._control.popleft()
                self._control_opcode = payload[0]
                if self.encrypt_tx and self.session is not None:
                    payload = self.session.encrypt(LLID_CONTROL, payload)
                self._current = (LLID_CONTROL, payload, False)
                return True
        elif self._acl and not self.hold_data:
            data, start = self._acl[0]
            offset = self._offset
            end = offset + self.max_payload
            if offset or end < len(data):
                payload = data[offset:end]
            else:
                payload = data
            encrypt = self.encrypt_tx
            if self._airtime[len(payload) + 4 if encrypt else len(payload)] <= room:
                last = end >= len(data)
                if last:
                    self._acl.popleft()
                    self._offset = 0
                else:
                    self._offset = end
                llid = LLID_START if start and not offset else LLID_CONTINUATION
                if encrypt and self.session is not None:
                    payload = self.session.encrypt(llid, payload)
                self._current = (llid, payload, last)
                return True
        self._current = (LLID_CONTINUATION, b"", False)
        return False

    @property
    def _more(self) -> bool:
        return bool(self._control) or (bool(self._acl) and not self.hold_data)

    # Connection events

    def _open(self) -> None:
        """The anchor point of the next event, as this end sees it."""
        now = self._kernel.now
        if self._completed:
            self._report_completed()
        self.counter = (self.counter + 1) & 0xFFFF
        self.llcp.on_event(self.counter)
        if self.closed:
            return
        channel = self.hops.next()
        self._next_anchor = now + self.interval
        self._event = self._kernel.at(self._next_anchor, self._open)
        if self._medium.busy(self.access_address):
            return  # the exchange before has not ended: this event does not take place
        self._channel = channel
        self._listening = False
        self._anchor = now
        self._fresh = True
        self._bad_packets = 0
        if self.role == CENTRAL:
            self._send(now)
        elif not self._may_skip():
            self._event_heard = False
            self._listening = True
            self._since = now

    def _may_skip(self) -> bool:
        """Peripheral latency (4.5.1): nothing to say, and the last event attended to was heard."""
        if not self.latency:
            return False
        idle = self._current is None or not self._current[1]
        if (
            self._skipped < self.latency
            and self._established
            and self._event_heard
            and idle
            and not self._more
            and not self._peer_md
            and not self.llcp.busy
        ):
            self._skipped += 1
            return True
        self._skipped = 0
        return False

    def _send(self, start: int) -> None:
        """Send the PDU under way, or a new one, at `start`; nothing if it cannot end in time.

        Only a PDU that is repeated may overrun, as the first of an event: after a change of PHY it can
        be longer than the new limits allow, and it must go through as it is (4.5.10).
        """
        first, self._fresh = self._fresh, False
        # The event closes T_IFS before the next anchor point; a central leaves room for the answer.
        room = self._next_anchor - start - T_IFS
        if self.role == CENTRAL:
            room -= T_IFS + self._reply_time
        current = self._current
        if current is None:
            if self._airtime[0] > room:
                self._listening = False
                return
            self._select(room)
            current = self._current
            assert current is not None
        elif self._airtime[len(current[1])] > room and not first:
            self._listening = False
            return
        llid, payload, _ = current
        header = llid | (NESN if self._nesn else 0) | (SN if self._sn else 0)
        if self._control or (self._acl and not self.hold_data):
            header |= MD
        end = self._medium.transmit(
            self.radio,
            self.access_address,
            self._channel,
            self.phy_tx,
            self.coding,
            bytes((header, len(payload))) + payload,
            start,
        )
        self._listening = True
        self._since = end
        if self._leaving is not None:  # this PDU carried the acknowledgement of the terminate
            self._kernel.at(end, self.close, self._leaving)

    def tuned(self, channel: int, phy: int, start: int) -> bool:
        """Whether this end is receiving (see `medium.Listener`)."""
        return self._listening and channel == self._channel and phy == self.phy_rx and start >= self._since

    def heard(self, packet: Packet, rssi: int, crc_ok: bool) -> None:
        """A packet of the peer has ended."""
        self._listening = False
        self.rssi = rssi
        if self.role == PERIPHERAL and not self._event_heard:
            self._anchor = packet.start
        self._event_heard = True
        if crc_ok:
            pdu = packet.pdu
            self._last_heard = packet.end
            self._bad_packets = 0
            if not self._established:
                self._established = True
                self._watch(packet.end + self.timeout)
            if packet.phy == PHY_CODED and packet.coding != self.coding and not self.coding_wanted:
                self.set_coding(packet.coding)
            header = pdu[0]
            self._peer_md = bool(header & MD)
            if bool(header & NESN) != bool(self._sn):
                self._acknowledged()
                if self.closed:
                    return
            if bool(header & SN) == bool(self._nesn):
                self._new_pdu(header & 3, pdu)
                if self.closed:
                    return
        else:
            self._bad_packets += 1
            if self._bad_packets >= 2:  # 4.5.6: two in a row close the event
                return
        if (
            self.role == PERIPHERAL
            or self._peer_md
            or self._more
            or self._leaving is not None
            or (self._current and self._current[1])
        ):
            self._send(packet.end + T_IFS)

    def _new_pdu(self, llid: int, pdu: bytes) -> None:
        if len(pdu) == 2:
            self._nesn ^= 1
            return
        if llid != LLID_CONTROL and not self.radio.can_receive():
            return  # not acknowledged: the peer repeats it (flow control, 4.5.9)
        self._nesn ^= 1
        payload = pdu[2:]
        if self.encrypt_rx and self.session is not None:
            plain = self.session.decrypt(llid, payload)
            if plain is None:
                self.close(errors.MIC_FAILURE)
                return
            payload = plain
        if llid == LLID_CONTROL:
            self.llcp.received(payload)
        else:
            self.radio.deliver_acl(self.handle, llid == LLID_START, payload)

    def _acknowledged(self) -> None:
        self._sn ^= 1
        current, self._current = self._current, None
        if current is None:
            return
        if current[2]:
            self._completed += 1
            if self._completed >= COMPLETED_GROUP or not self._acl:
                self._report_completed()
        elif current[0] == LLID_CONTROL:
            self.llcp.on_sent(self._control_opcode)

    def _report_completed(self) -> None:
        count, self._completed = self._completed, 0
        self.radio.report_completed(self.handle, count)

    # Changes at an instant, and the end

    def apply_interval(self, interval_units: int, latency: int, timeout_units: int) -> None:
        """New connection parameters, from the event that starts now on."""
        self.interval_units = interval_units
        self.interval = interval_units * TICKS_PER_INTERVAL_UNIT
        self.latency = latency
        self.timeout_units = timeout_units
        self.timeout = timeout_units * TICKS_PER_TIMEOUT_UNIT
        self._skipped = 0
        self._watch(self._kernel.now + self.timeout)
        self.update_limits()

    def apply_phy(self, phy_tx: int, phy_rx: int) -> None:
        """New PHYs, from the event that starts now on."""
        self.phy_tx, self.phy_rx = phy_tx, phy_rx
        self.update_limits()

    def set_coding(self, coding: int) -> None:
        """Send with S=2 or S=8 while on LE Coded; the receiver reads it from each packet."""
        self.coding = coding
        self.update_limits()

    def data_length(self) -> tuple[int, int, int, int]:
        """Effective octets and us to send, octets and us to receive, as LE Data Length Change reports."""
        limits = self.limits
        phy = phy_of(self.phy_tx, self.coding)
        return (
            limits.effective_tx_octets,
            limits.effective_tx_time(phy, self.interval_units * 1250),
            limits.effective_rx_octets,
            limits.effective_rx_time(self.phy_rx == PHY_CODED),
        )

    def save(self) -> object:
        """This end's state, its procedures included."""
        return [super().save(), *(part.save() for part in self._parts)]

    def restore(self, state: object) -> None:
        """Return to a state given by `save`."""
        saved: Any = state
        super().restore(saved[0])
        for part, part_state in zip(self._parts, saved[1:], strict=True):
            part.restore(part_state)

    @property
    def _parts(self) -> tuple[Component, ...]:
        return (self.llcp, self.llcp.security, self.llcp.phy)

    def leave(self, reason: int) -> None:
        """Close once the next PDU, which acknowledges the peer's terminate, has been sent."""
        self._leaving = reason

    def _watch(self, when: int) -> None:
        self._kernel.cancel(self._supervision)
        self._supervision = self._kernel.at(when, self._check_supervision)

    def _check_supervision(self) -> None:
        if not self._established:
            self.close(errors.FAILED_TO_BE_ESTABLISHED)
            return
        due = self._last_heard + self.timeout
        if due > self._kernel.now:
            self._supervision = self._kernel.at(due, self._check_supervision)
        else:
            self.close(self.llcp.leaving_reason or errors.CONNECTION_TIMEOUT)

    def close(self, reason: int | None) -> None:
        """End this side of the connection; `reason` None says nothing to the host."""
        if self.closed:
            return
        self.closed = True
        self._listening = False
        self._medium.ignore(self.access_address, self)
        self._kernel.cancel(self._event)
        self._kernel.cancel(self._supervision)
        self.llcp.stop()
        self.radio.connection_closed(self, reason)
