"""SMP over GATT: one characteristic to write without response and be notified by.

A message longer than an attribute write is split over several; the device puts them together by the
length in the SMP header, and so does this side with notifications (Zephyr, "SMP over Bluetooth").
"""

from __future__ import annotations

import math
from collections.abc import Callable

from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.exc import BleakError

from hil.airtime import MAX_PAYLOAD_OCTETS, Phy, raw_goodput
from hil.ble.central import Connection
from hil.ble.client import MAX_VALUE
from hil.ble.uuids import SMP_CHARACTERISTIC
from hil.dfu.errors import LinkLost, SmpError, SmpProtocolError
from hil.dfu.smp_header import Reassembler
from hil.errors import DeviceError

_ATT_HEADER = 3  # opcode and handle
_L2CAP_HEADER = 4
_FASTEST_AIR = raw_goodput(Phy.LE_2M, MAX_PAYLOAD_OCTETS)
"""Bytes per second that no link exceeds."""
_LEAST_WINDOW = 3
"""One request that the device works on, one that waits there, one on its way."""
_PDU_COST = 75  # octets of air that each data PDU costs besides its payload: two gaps and an answer


def fragment_size(mtu: int, data_length: int | None) -> int:
    """Bytes of message to put in one write, at most `mtu` - 3.

    A write is cut into link-layer PDUs of `data_length` octets. One that ends just after a PDU's boundary
    wastes most of a PDU, so a shorter write that fills its PDUs carries more; `data_length` None is unknown.
    """
    largest = min(mtu - _ATT_HEADER, MAX_VALUE)
    if data_length is None:
        return largest
    whole = (largest + _ATT_HEADER + _L2CAP_HEADER) // data_length * data_length - _ATT_HEADER - _L2CAP_HEADER
    candidates = [size for size in (largest, whole) if size > 0]
    return max(candidates, key=lambda size: size / _air_cost(size, data_length))


def _air_cost(size: int, data_length: int) -> float:
    octets = size + _ATT_HEADER + _L2CAP_HEADER
    return octets + -(-octets // data_length) * _PDU_COST


class BleTransport:
    """Carries SMP messages over a connection; made by `open`."""

    max_window = 255

    def __init__(self, connection: Connection, characteristic: BleakGATTCharacteristic) -> None:
        self.connection = connection
        self._characteristic = characteristic
        self._reassembler = Reassembler()
        self._on_message: Callable[[bytes], None] | None = None
        self._on_error: Callable[[SmpError], None] | None = None

    @classmethod
    async def open(cls, connection: Connection) -> BleTransport:
        """Subscribe to the SMP characteristic.

        Raises DeviceError if the device has none, LinkLost if the link goes down meanwhile.
        """
        if not connection.is_connected:
            raise LinkLost(f"{connection.peer.address}: the link is down")
        characteristic = connection.client.services.get_characteristic(SMP_CHARACTERISTIC)
        if characteristic is None:
            raise DeviceError(f"{connection.peer.address}: the device has no SMP service")
        transport = cls(connection, characteristic)
        connection.on_disconnect(transport._link_lost)
        try:
            await connection.client.start_notify(characteristic, transport._on_notification)
        except BleakError as error:
            raise LinkLost(f"{connection.peer.address}: subscribing to SMP: {error}") from error
        return transport

    @property
    def is_open(self) -> bool:
        return self.connection.is_connected

    @property
    def fragment(self) -> int:
        """Bytes of message in one write, for the MTU and data length now in force."""
        mtu = self._characteristic.max_write_without_response_size + _ATT_HEADER
        data_length = self.connection.link.data_length()
        return fragment_size(mtu, data_length.tx_octets if data_length is not None else None)

    def useful_window(self, message_octets: int) -> int:
        """As many as the air can carry, at the most, until an answer can be back: two connection intervals.

        More would gain nothing, and would be sent again when the link is lost.
        """
        parameters = self.connection.link.parameters()
        if parameters is None:
            return self.max_window
        in_flight = _FASTEST_AIR * 2 * parameters.interval_ms / 1000
        return min(self.max_window, max(_LEAST_WINDOW, math.ceil(in_flight / message_octets)))

    def set_receiver(self, on_message: Callable[[bytes], None], on_error: Callable[[SmpError], None]) -> None:
        self._on_message, self._on_error = on_message, on_error

    def _link_lost(self) -> None:
        self._reassembler.reset()
        if self._on_error is not None:
            self._on_error(LinkLost("the link was lost"))

    async def send(self, message: bytes) -> None:
        """Write one message in fragments. Raises LinkLost when the link is down."""
        size = self.fragment
        try:
            for offset in range(0, len(message), size):
                await self.connection.client.write_gatt_char(
                    self._characteristic, message[offset : offset + size], response=False
                )
        except BleakError as error:
            raise LinkLost(f"{self.connection.peer.address}: {error}") from error

    def resynchronize(self) -> None:
        self._reassembler.reset()

    def message_size(self, limit: int) -> int:
        """The longest message that fills its last fragment too, if that costs less than it gives."""
        fragment = self.fragment
        whole = limit // fragment * fragment
        data_length = self.connection.link.data_length()
        if whole == 0 or data_length is None:
            return limit
        octets = data_length.tx_octets
        full, rest = _air_cost(fragment, octets), limit - whole
        if rest == 0:
            return limit
        with_rest = limit / (limit // fragment * full + _air_cost(rest, octets))
        return limit if with_rest > fragment / full else whole

    async def close(self) -> None:
        """Disconnect."""
        await self.connection.disconnect()

    def _on_notification(self, characteristic: BleakGATTCharacteristic, data: bytearray) -> None:
        try:
            messages = self._reassembler.feed(bytes(data))
        except SmpProtocolError as error:
            if self._on_error is not None:
                self._on_error(error)
            return
        for message in messages:
            if self._on_message is not None:
                self._on_message(message)
