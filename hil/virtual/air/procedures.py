"""Link layer control procedures of one connection (Core 5.4, Vol 6 Part B, 5.1).

One local procedure runs at a time, in the order the host asked; the peer's requests are answered as
they come. Changes of PHY, parameters and channel map wait for their instant. What goes wrong is
answered with the code the specification names.
"""

from __future__ import annotations

import struct
from collections import deque
from typing import TYPE_CHECKING, ClassVar

from hil.virtual.air import errors, pdu
from hil.virtual.air.changes import CHANGE_CHANNELS, CHANGE_PARAMETERS, CHANGE_PHY, Change
from hil.virtual.air.component import Component
from hil.virtual.air.features import (
    CONNECTION_PARAMETERS_REQUEST,
    EXTENDED_REJECT,
    LOCAL_FEATURES,
    MANUFACTURER,
    SUBVERSION,
    VERSION,
)
from hil.virtual.air.phy_update import PhyUpdate
from hil.virtual.air.security import Security
from hil.virtual.kernel import TICKS_PER_SECOND, Event

if TYPE_CHECKING:
    from hil.virtual.air.link import Connection

RESPONSE_TIMEOUT = 40 * TICKS_PER_SECOND
"""A procedure that is not answered for 40 s costs the connection (5.2)."""

INSTANT_EVENTS = 6
"""An instant lies at least six events ahead, so that the peer hears of it (5.1.1, 5.1.10)."""


class Procedures(Component):
    """The control procedures of one end of a connection."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"_link", "phy", "security"})

    def __init__(self, link: Connection) -> None:
        self._link = link
        self.security = Security(link, self)
        self.phy = PhyUpdate(link, self)
        self._waiting: deque[bytes] = deque()  # local procedures not begun: their first PDU
        self._active: bytes | None = None
        self._timer: Event | None = None
        self._changes: list[Change] = []
        self.pending_interval = 0
        self.leaving_reason: int | None = None
        self.remote_features: int | None = None
        self._remote_version: tuple[int, int, int] | None = None
        self._version_sent = False
        self._version_asked = False
        self._reported_length = (27, 328, 27, 328)
        self._update_asked = False
        self._asked_parameters: tuple[int, int, int, int] | None = None
        """Interval minimum and maximum, latency and timeout the peripheral asks for."""
        initial = link.limits
        if initial.tx_octets > 27 or initial.tx_time > 328:
            self._begin_length()

    # Running

    @property
    def busy(self) -> bool:
        """Whether a procedure is under way, so that every event must be attended to."""
        return self._active is not None or bool(self._changes) or self.security.busy

    @property
    def updating(self) -> bool:
        """Whether the host's connection update is under way."""
        return self._update_asked

    @property
    def changes_agreed(self) -> bool:
        """Whether a change waits for its instant; a second one may not be agreed before."""
        return bool(self._changes)

    def stop(self) -> None:
        """The connection is closed: no timer may fire any more."""
        self._link.radio.kernel.cancel(self._timer)

    def begin(self, first: bytes) -> None:
        """Start a local procedure with this PDU, now or after those that wait."""
        self._waiting.append(first)
        if self._active is None:
            self._next()

    def _next(self) -> None:
        kernel = self._link.radio.kernel
        kernel.cancel(self._timer)
        self._timer = None
        self._active = None
        if self._waiting:
            self._active = self._waiting.popleft()
            self._link.queue_control(self._active)
            self.watch()

    def watch(self) -> None:
        """(Re)start the procedure response timer."""
        kernel = self._link.radio.kernel
        kernel.cancel(self._timer)
        self._timer = kernel.after(RESPONSE_TIMEOUT, self._link.close, errors.LL_RESPONSE_TIMEOUT)

    def settle(self) -> None:
        """Encryption has ended: stop its timer, unless a local procedure waits for an answer."""
        if self._active is None:
            self._link.radio.kernel.cancel(self._timer)
            self._timer = None

    def done(self, *opcodes: int) -> bool:
        """End the local procedure if it is one of these; whether it was."""
        if self._active is not None and self._active[0] in opcodes:
            self._next()
            return True
        return False

    def running(self, opcode: int) -> bool:
        """Whether the local procedure under way began with this PDU."""
        return self._active is not None and self._active[0] == opcode

    def send(self, opcode: int, data: bytes = b"") -> None:
        """Queue a control PDU that is an answer or an indication."""
        self._link.queue_control(bytes((opcode,)) + data)

    def reject(self, opcode: int, reason: int) -> None:
        """Refuse a request, in the long form where the peer knows it (2.4.2.17)."""
        features = self.remote_features
        if features is None or features & EXTENDED_REJECT:
            self.send(pdu.LL_REJECT_EXT_IND, bytes((opcode, reason)))
        else:
            self.send(pdu.LL_REJECT_IND, bytes((reason,)))

    def on_sent(self, opcode: int) -> None:
        """A control PDU of ours was acknowledged."""
        if opcode == pdu.LL_TERMINATE_IND and self.leaving_reason is not None:
            self._link.close(self.leaving_reason)

    def on_event(self, counter: int) -> None:
        """A connection event starts: do what was agreed for this instant."""
        if not self._changes:
            return
        due = [change for change in self._changes if change.instant == counter]
        for change in due:
            self._changes.remove(change)
            self._apply(change)

    def schedule(self, change: Change) -> bool:
        """Remember a change; closes the connection if its instant has passed (5.1.1)."""
        ahead = (change.instant - self._link.counter) & 0xFFFF
        if ahead == 0 or ahead > 0x7FFF:
            self._link.close(errors.INSTANT_PASSED)
            return False
        self._changes.append(change)
        return True

    def instant(self) -> int:
        """The instant to announce for a change agreed now."""
        return (self._link.counter + INSTANT_EVENTS + self._link.latency) & 0xFFFF

    def _apply(self, change: Change) -> None:
        link, values = self._link, change.values
        if change.kind == CHANGE_PARAMETERS:
            interval, latency, timeout = values
            changed = (interval, latency, timeout) != (link.interval_units, link.latency, link.timeout_units)
            self.pending_interval = 0
            link.apply_interval(interval, latency, timeout)
            asked, self._update_asked = self._update_asked, False
            if asked or changed:
                link.radio.events.connection_update(link, errors.SUCCESS)
            self._report_length_if_changed()
        elif change.kind == CHANGE_PHY:
            self.phy.apply(*values)
            self._report_length_if_changed()
        else:
            link.hops.set_map(values[0])

    # What the host asks for

    def terminate(self, reason: int) -> None:
        """HCI_Disconnect: tell the peer, and close when it has acknowledged (5.1.6)."""
        if self.leaving_reason is None:
            self.leaving_reason = errors.LOCAL_HOST_TERMINATED
            self.send(pdu.LL_TERMINATE_IND, bytes((reason,)))

    def read_version(self) -> None:
        """Version exchange: at most once in the life of a connection (5.1.5)."""
        if self._remote_version is not None:
            self._link.radio.events.remote_version(self._link.handle, errors.SUCCESS, self._remote_version)
            return
        self._version_asked = True
        if not self._version_sent:
            self._version_sent = True
            self.begin(self._version_pdu())

    def read_features(self) -> None:
        """Feature exchange, from either end (5.1.4)."""
        opcode = pdu.LL_FEATURE_REQ if self._link.role == 0 else pdu.LL_PERIPHERAL_FEATURE_REQ
        self.begin(bytes((opcode,)) + struct.pack("<Q", LOCAL_FEATURES))

    def set_data_length(self, octets: int, time_us: int) -> None:
        """HCI_LE_Set_Data_Length: our transmit limits, then a data length update (5.1.9)."""
        self._link.limits.tx_octets = octets
        self._link.limits.tx_time = time_us
        self._begin_length()

    def update_parameters(self, minimum: int, maximum: int, latency: int, timeout: int) -> None:
        """HCI_LE_Connection_Update: an update from the central, a request from the peripheral."""
        link = self._link
        if link.role == 0:
            self._update_asked = True
            self._send_update(minimum, latency, timeout)
        elif self.remote_features is not None and not self.remote_features & CONNECTION_PARAMETERS_REQUEST:
            link.radio.events.connection_update(link, errors.UNSUPPORTED_REMOTE_FEATURE)
        else:
            self._update_asked = True
            nothing = struct.pack("<BH6H", 0, link.counter, *(0xFFFF,) * 6)
            self.begin(
                bytes((pdu.LL_CONNECTION_PARAM_REQ,))
                + struct.pack("<HHHH", minimum, maximum, latency, timeout)
                + nothing
            )

    def answer_parameters(self, minimum: int, latency: int, timeout: int) -> bool:
        """The central's host accepts the peripheral's request; False if there is none."""
        if self._asked_parameters is None:
            return False
        self._asked_parameters = None
        self._send_update(minimum, latency, timeout)
        return True

    def refuse_parameters(self, reason: int) -> bool:
        """The central's host refuses the peripheral's request; False if there is none."""
        if self._asked_parameters is None:
            return False
        self._asked_parameters = None
        self.reject(pdu.LL_CONNECTION_PARAM_REQ, reason)
        return True

    def set_channel_map(self, channel_map: int) -> None:
        """HCI_LE_Set_Host_Channel_Classification, central only (5.1.2)."""
        instant = self.instant()
        data = channel_map.to_bytes(5, "little") + struct.pack("<H", instant)
        self.send(pdu.LL_CHANNEL_MAP_IND, data)
        self._changes.append(Change(instant, CHANGE_CHANNELS, (channel_map,)))

    # What the peer says

    def received(self, data: bytes) -> None:
        """A new control PDU has arrived, decrypted."""
        if not data:
            return
        opcode, payload = data[0], data[1:]
        length = pdu.CONTROL_LENGTHS.get(opcode)
        handler = self._HANDLERS.get(opcode)
        if length is None or len(payload) < length or (handler is None and opcode not in Security.OPCODES):
            self.send(pdu.LL_UNKNOWN_RSP, bytes((opcode,)))
        elif handler is not None:
            handler(self, payload)
        else:
            self.security.received(opcode, payload)

    def _on_terminate(self, data: bytes) -> None:
        self._link.leave(data[0])

    def _on_version(self, data: bytes) -> None:
        version, manufacturer, subversion = struct.unpack_from("<BHH", data)
        self._remote_version = (version, manufacturer, subversion)
        if not self._version_sent:
            self._version_sent = True
            self._link.queue_control(self._version_pdu())
        asked, self._version_asked = self._version_asked, False
        if asked:
            self._link.radio.events.remote_version(self._link.handle, errors.SUCCESS, self._remote_version)
        self.done(pdu.LL_VERSION_IND)

    @staticmethod
    def _version_pdu() -> bytes:
        return struct.pack("<BBHH", pdu.LL_VERSION_IND, VERSION, MANUFACTURER, SUBVERSION)

    def _on_feature_request(self, data: bytes) -> None:
        self.remote_features = struct.unpack_from("<Q", data)[0]
        self.send(pdu.LL_FEATURE_RSP, struct.pack("<Q", LOCAL_FEATURES))

    def _on_feature_response(self, data: bytes) -> None:
        self.remote_features = struct.unpack_from("<Q", data)[0]
        self._link.radio.events.remote_features(self._link.handle, errors.SUCCESS, self.remote_features)
        self.done(pdu.LL_FEATURE_REQ, pdu.LL_PERIPHERAL_FEATURE_REQ)

    def _on_ping(self, data: bytes) -> None:
        self.send(pdu.LL_PING_RSP)

    def _on_ping_response(self, data: bytes) -> None:
        self.done(pdu.LL_PING_REQ)

    # Data length

    def _length_fields(self) -> bytes:
        limits = self._link.limits
        return struct.pack("<HHHH", limits.rx_octets, limits.rx_time, limits.tx_octets, limits.tx_time)

    def _begin_length(self) -> None:
        self.begin(bytes((pdu.LL_LENGTH_REQ,)) + self._length_fields())

    def _on_length_request(self, data: bytes) -> None:
        if self._take_lengths(data):
            self.send(pdu.LL_LENGTH_RSP, self._length_fields())

    def _on_length_response(self, data: bytes) -> None:
        self._take_lengths(data)
        self.done(pdu.LL_LENGTH_REQ)

    def _take_lengths(self, data: bytes) -> bool:
        rx_octets, rx_time, tx_octets, tx_time = struct.unpack_from("<HHHH", data)
        if rx_octets < 27 or tx_octets < 27 or rx_time < 328 or tx_time < 328:
            self.reject(pdu.LL_LENGTH_REQ, errors.INVALID_LL_PARAMETERS)
            return False
        limits = self._link.limits
        limits.remote_rx_octets, limits.remote_rx_time = rx_octets, rx_time
        limits.remote_tx_octets, limits.remote_tx_time = tx_octets, tx_time
        self._link.update_limits()
        self._report_length_if_changed()
        return True

    def _report_length_if_changed(self) -> None:
        """The time limits depend on the PHY and, when it is coded, on the interval too."""
        after = self._link.data_length()
        if after != self._reported_length:
            self._reported_length = after
            self._link.radio.events.data_length_change(self._link.handle, after)

    # Connection parameters and channel map

    def _send_update(self, interval: int, latency: int, timeout: int) -> None:
        instant = self.instant()
        data = struct.pack("<BHHHHH", 1, 0, interval, latency, timeout, instant)
        self.send(pdu.LL_CONNECTION_UPDATE_IND, data)
        self._expect_parameters(interval, latency, timeout, instant)

    def _expect_parameters(self, interval: int, latency: int, timeout: int, instant: int) -> None:
        if self.schedule(Change(instant, CHANGE_PARAMETERS, (interval, latency, timeout))):
            self.pending_interval = interval
            self._link.update_limits()

    def _on_update(self, data: bytes) -> None:
        _, _, interval, latency, timeout, instant = struct.unpack_from("<BHHHHH", data)
        if self._link.role == 0 or not pdu.valid_parameters(interval, interval, latency, timeout):
            self.reject(pdu.LL_CONNECTION_UPDATE_IND, errors.INVALID_LL_PARAMETERS)
            return
        self._expect_parameters(interval, latency, timeout, instant)
        self.done(pdu.LL_CONNECTION_PARAM_REQ)

    def _on_parameter_request(self, data: bytes) -> None:
        minimum, maximum, latency, timeout = struct.unpack_from("<HHHH", data)
        radio = self._link.radio
        if not pdu.valid_parameters(minimum, maximum, latency, timeout):
            self.reject(pdu.LL_CONNECTION_PARAM_REQ, errors.INVALID_LL_PARAMETERS)
        elif self._link.role != 0:
            self.reject(pdu.LL_CONNECTION_PARAM_REQ, errors.UNSUPPORTED_REMOTE_FEATURE)
        elif self._changes:
            self.reject(pdu.LL_CONNECTION_PARAM_REQ, errors.DIFFERENT_TRANSACTION_COLLISION)
        elif not radio.events.parameter_request(self._link.handle, minimum, maximum, latency, timeout):
            self.reject(pdu.LL_CONNECTION_PARAM_REQ, errors.UNSUPPORTED_REMOTE_FEATURE)
        else:
            self._asked_parameters = (minimum, maximum, latency, timeout)

    def _on_channel_map(self, data: bytes) -> None:
        channel_map = int.from_bytes(data[:5], "little") & (1 << 37) - 1
        (instant,) = struct.unpack_from("<H", data, 5)
        if channel_map.bit_count() < 2:
            self.reject(pdu.LL_CHANNEL_MAP_IND, errors.INVALID_LL_PARAMETERS)
        else:
            self.schedule(Change(instant, CHANGE_CHANNELS, (channel_map,)))

    def _on_phy_request(self, data: bytes) -> None:
        self.phy.on_request(data)

    def _on_phy_response(self, data: bytes) -> None:
        self.phy.on_response(data)

    def _on_phy_indication(self, data: bytes) -> None:
        self.phy.on_indication(data)

    # Refusals

    def _on_unknown(self, data: bytes) -> None:
        self._refused(data[0], errors.UNSUPPORTED_REMOTE_FEATURE)

    def _on_reject_ext(self, data: bytes) -> None:
        self._refused(data[0], data[1])

    def _on_reject(self, data: bytes) -> None:
        self._refused(self._active[0] if self._active is not None else pdu.LL_ENC_REQ, data[0])

    def _refused(self, opcode: int, reason: int) -> None:
        link = self._link
        events = link.radio.events
        if opcode == pdu.LL_ENC_REQ:
            self.security.refused(reason)
        elif opcode == pdu.LL_PHY_REQ:
            self.phy.refused(reason)
        elif opcode == pdu.LL_CONNECTION_PARAM_REQ and self.running(opcode):
            self._update_asked = False
            events.connection_update(link, reason)
        elif opcode in (pdu.LL_FEATURE_REQ, pdu.LL_PERIPHERAL_FEATURE_REQ) and self.running(opcode):
            events.remote_features(link.handle, reason, 0)
        self.done(opcode)

    _HANDLERS = {
        pdu.LL_CONNECTION_UPDATE_IND: _on_update,
        pdu.LL_CHANNEL_MAP_IND: _on_channel_map,
        pdu.LL_TERMINATE_IND: _on_terminate,
        pdu.LL_UNKNOWN_RSP: _on_unknown,
        pdu.LL_FEATURE_REQ: _on_feature_request,
        pdu.LL_FEATURE_RSP: _on_feature_response,
        pdu.LL_VERSION_IND: _on_version,
        pdu.LL_REJECT_IND: _on_reject,
        pdu.LL_PERIPHERAL_FEATURE_REQ: _on_feature_request,
        pdu.LL_CONNECTION_PARAM_REQ: _on_parameter_request,
        pdu.LL_REJECT_EXT_IND: _on_reject_ext,
        pdu.LL_PING_REQ: _on_ping,
        pdu.LL_PING_RSP: _on_ping_response,
        pdu.LL_LENGTH_REQ: _on_length_request,
        pdu.LL_LENGTH_RSP: _on_length_response,
        pdu.LL_PHY_REQ: _on_phy_request,
        pdu.LL_PHY_RSP: _on_phy_response,
        pdu.LL_PHY_UPDATE_IND: _on_phy_indication,
    }
