"""Link layer control procedures of one connection (Core 5.4, Vol 6 Part B, 5.1).

One local procedure runs at a time, in the order the host asked; the peer's requests are answered as
they come. Changes of PHY, parameters and channel map wait for their instant. What goes wrong is
answered with the code the specification names.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from hil.virtual.air import errors, pdu
from hil.virtual.air.component import Component
from hil.virtual.air.features import (
    CONNECTION_PARAMETERS_REQUEST,
    EXTENDED_REJECT,
    LOCAL_FEATURES,
    MANUFACTURER,
    SUBVERSION,
    VERSION,
)
from hil.virtual.air.medium import PHY_1M, PHY_2M, PHY_CODED
from hil.virtual.air.security import Security
from hil.virtual.kernel import TICKS_PER_SECOND, Event

if TYPE_CHECKING:
    from hil.virtual.air.link import Connection

RESPONSE_TIMEOUT = 40 * TICKS_PER_SECOND
"""A procedure that is not answered for 40 s costs the connection (5.2)."""

INSTANT_EVENTS = 6
"""An instant lies at least six events ahead, so that the peer hears of it (5.1.1, 5.1.10)."""

# What a procedure with an instant is called in the list of instants.
CHANGE_PARAMETERS = "parameters"
CHANGE_PHY = "phy"
CHANGE_CHANNELS = "channels"


@dataclass(frozen=True)
class Change:
    """Something both ends do when their event counter reaches the instant."""

    instant: int
    kind: str
    values: tuple[int, ...]


class Procedures(Component):
    """The control procedures of one end of a connection."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"_link", "security"})

    def __init__(self, link: Connection) -> None:
        self._link = link
        self.security = Security(link, self)
        self._waiting: deque[bytes] = deque()  # local procedures not begun: their first PDU
        self._active: bytes | None = None
        self._timer: Event | None = None
        self._changes: list[Change] = []
        self.pending_phy_tx = 0
        self.pending_interval = 0
        self.leaving_reason: int | None = None
        self.remote_features: int | None = None
        self._remote_version: tuple[int, int, int] | None = None
        self._version_sent = False
        self._version_asked = False
        self._reported_length = (27, 328, 27, 328)
        self._phy_preference = link.radio.default_phys
        self._phy_asked = False
        self._phy_peer_asked = False
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
    def changing_phy(self) -> bool:
        """Whether the host's PHY update is under way."""
        return self._phy_asked

    def stop(self) -> None:
        """The connection is closed: no timer may fire any more."""
        self._link.radio.kernel.cancel(self._timer)

    def _begin(self, first: bytes) -> None:
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

    def _done(self, *opcodes: int) -> bool:
        """End the local procedure if it is one of these; whether it was."""
        if self._active is not None and self._active[0] in opcodes:
            self._next()
            return True
        return False

    def _running(self, opcode: int) -> bool:
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

    def _schedule(self, change: Change) -> bool:
        """Remember a change; closes the connection if its instant has passed (5.1.1)."""
        ahead = (change.instant - self._link.counter) & 0xFFFF
        if ahead == 0 or ahead > 0x7FFF:
            self._link.close(errors.INSTANT_PASSED)
            return False
        self._changes.append(change)
        return True

    def _instant(self) -> int:
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
            tx, rx = values
            changed = (tx, rx) != (link.phy_tx, link.phy_rx)
            self.pending_phy_tx = 0
            link.apply_phy(tx, rx)
            self._phy_finished(changed)
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
            self._begin(self._version_pdu())

    def read_features(self) -> None:
        """Feature exchange, from either end (5.1.4)."""
        opcode = pdu.LL_FEATURE_REQ if self._link.role == 0 else pdu.LL_PERIPHERAL_FEATURE_REQ
        self._begin(bytes((opcode,)) + struct.pack("<Q", LOCAL_FEATURES))

    def set_data_length(self, octets: int, time_us: int) -> None:
        """HCI_LE_Set_Data_Length: our transmit limits, then a data length update (5.1.9)."""
        self._link.limits.tx_octets = octets
        self._link.limits.tx_time = time_us
        self._begin_length()

    def set_phy(self, tx: int, rx: int) -> None:
        """HCI_LE_Set_PHY with the masks of PHYs the host accepts (5.1.10)."""
        self._phy_preference = (tx, rx)
        self._phy_asked = True
        self._begin(bytes((pdu.LL_PHY_REQ, tx, rx)))

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
            self._begin(
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
        instant = self._instant()
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
        self._done(pdu.LL_VERSION_IND)

    @staticmethod
    def _version_pdu() -> bytes:
        return struct.pack("<BBHH", pdu.LL_VERSION_IND, VERSION, MANUFACTURER, SUBVERSION)

    def _on_feature_request(self, data: bytes) -> None:
        self.remote_features = struct.unpack_from("<Q", data)[0]
        self.send(pdu.LL_FEATURE_RSP, struct.pack("<Q", LOCAL_FEATURES))

    def _on_feature_response(self, data: bytes) -> None:
        self.remote_features = struct.unpack_from("<Q", data)[0]
        self._link.radio.events.remote_features(self._link.handle, errors.SUCCESS, self.remote_features)
        self._done(pdu.LL_FEATURE_REQ, pdu.LL_PERIPHERAL_FEATURE_REQ)

    def _on_ping(self, data: bytes) -> None:
        self.send(pdu.LL_PING_RSP)

    def _on_ping_response(self, data: bytes) -> None:
        self._done(pdu.LL_PING_REQ)

    # Data length

    def _length_fields(self) -> bytes:
        limits = self._link.limits
        return struct.pack("<HHHH", limits.rx_octets, limits.rx_time, limits.tx_octets, limits.tx_time)

    def _begin_length(self) -> None:
        self._begin(bytes((pdu.LL_LENGTH_REQ,)) + self._length_fields())

    def _on_length_request(self, data: bytes) -> None:
        if self._take_lengths(data):
            self.send(pdu.LL_LENGTH_RSP, self._length_fields())

    def _on_length_response(self, data: bytes) -> None:
        self._take_lengths(data)
        self._done(pdu.LL_LENGTH_REQ)

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

    # PHY

    def _on_phy_request(self, data: bytes) -> None:
        if self._link.role == 0:
            if self._running(pdu.LL_PHY_REQ):
                self.reject(pdu.LL_PHY_REQ, errors.LL_PROCEDURE_COLLISION)
            elif self._changes:
                self.reject(pdu.LL_PHY_REQ, errors.DIFFERENT_TRANSACTION_COLLISION)
            else:
                self._indicate_phy(data[0], data[1])
        else:
            if self._running(pdu.LL_PHY_REQ):  # ours loses: the central's request goes on (5.3)
                self._phy_peer_asked = True
            tx, rx = self._phy_preference
            self.send(pdu.LL_PHY_RSP, bytes((tx, rx)))

    def _on_phy_response(self, data: bytes) -> None:
        if self._link.role == 0 and self._running(pdu.LL_PHY_REQ):
            self._indicate_phy(data[0], data[1])

    def _indicate_phy(self, peer_tx: int, peer_rx: int) -> None:
        """Choose what both ends accept and tell the peripheral (5.1.10.1)."""
        link = self._link
        tx_mask, rx_mask = self._phy_preference
        to_peer = _fastest(tx_mask & peer_rx)
        from_peer = _fastest(rx_mask & peer_tx)
        if to_peer == link.phy_tx:
            to_peer = 0
        if from_peer == link.phy_rx:
            from_peer = 0
        instant = self._instant()
        data = struct.pack("<BBH", _mask(to_peer), _mask(from_peer), instant)
        self.send(pdu.LL_PHY_UPDATE_IND, data)
        if to_peer or from_peer:
            self._expect_phy(to_peer or link.phy_tx, from_peer or link.phy_rx, instant)
        else:
            self._phy_finished(False)

    def _on_phy_update(self, data: bytes) -> None:
        link = self._link
        if link.role == 0:
            self.send(pdu.LL_UNKNOWN_RSP, bytes((pdu.LL_PHY_UPDATE_IND,)))
            return
        to_us, from_us, instant = struct.unpack_from("<BBH", data)
        if not to_us and not from_us:
            self._phy_finished(False)
        else:
            self._expect_phy(_fastest(from_us) or link.phy_tx, _fastest(to_us) or link.phy_rx, instant)

    def _expect_phy(self, tx: int, rx: int, instant: int) -> None:
        if self._schedule(Change(instant, CHANGE_PHY, (tx, rx))):
            self.pending_phy_tx = tx
            self._link.update_limits()

    def _phy_finished(self, changed: bool, status: int = errors.SUCCESS) -> None:
        asked, self._phy_asked = self._phy_asked, False
        if asked or changed:
            self._link.radio.events.phy_update(self._link, status)
        self._done(pdu.LL_PHY_REQ)

    # Connection parameters and channel map

    def _send_update(self, interval: int, latency: int, timeout: int) -> None:
        instant = self._instant()
        data = struct.pack("<BHHHHH", 1, 0, interval, latency, timeout, instant)
        self.send(pdu.LL_CONNECTION_UPDATE_IND, data)
        self._expect_parameters(interval, latency, timeout, instant)

    def _expect_parameters(self, interval: int, latency: int, timeout: int, instant: int) -> None:
        if self._schedule(Change(instant, CHANGE_PARAMETERS, (interval, latency, timeout))):
            self.pending_interval = interval
            self._link.update_limits()

    def _on_update(self, data: bytes) -> None:
        _, _, interval, latency, timeout, instant = struct.unpack_from("<BHHHHH", data)
        if self._link.role == 0 or not pdu.valid_parameters(interval, interval, latency, timeout):
            self.reject(pdu.LL_CONNECTION_UPDATE_IND, errors.INVALID_LL_PARAMETERS)
            return
        self._expect_parameters(interval, latency, timeout, instant)
        self._done(pdu.LL_CONNECTION_PARAM_REQ)

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
            self._schedule(Change(instant, CHANGE_CHANNELS, (channel_map,)))

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
            if not self._phy_peer_asked:  # otherwise the central's own procedure answers the host
                self._phy_finished(False, reason)
            self._phy_peer_asked = False
        elif opcode == pdu.LL_CONNECTION_PARAM_REQ and self._running(opcode):
            self._update_asked = False
            events.connection_update(link, reason)
        elif opcode in (pdu.LL_FEATURE_REQ, pdu.LL_PERIPHERAL_FEATURE_REQ) and self._running(opcode):
            events.remote_features(link.handle, reason, 0)
        self._done(opcode)

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
        pdu.LL_PHY_UPDATE_IND: _on_phy_update,
    }


def _fastest(mask: int) -> int:
    """The PHY number to use of a mask of PHYs, 0 for none of them."""
    for phy in (PHY_2M, PHY_1M, PHY_CODED):
        if mask & _mask(phy):
            return phy
    return 0


def _mask(phy: int) -> int:
    return 1 << (phy - 1) if phy else 0
