"""Measuring throughput: a GATT service that takes bytes and counts them, and the client that pours into one.

The service is the one that the bundled application has (firmware/app/services.c): a data characteristic to write to,
and a counter of eight bytes, the bytes and then the writes taken since its last reset, 32 bits little-endian each.
Writing anything to the counter resets it. `Sink` is that service on a controller of the bench's own.
"""

from __future__ import annotations

import asyncio
import struct
from dataclasses import dataclass

from bleak.exc import BleakError
from bumble.core import AdvertisingData
from bumble.device import Connection as BumbleConnection
from bumble.gatt import Characteristic, CharacteristicValue, Service

from hil.ble.central import Connection
from hil.ble.radio import Radio
from hil.ble.uuids import SINK_COUNTER, SINK_DATA, SINK_SERVICE, as_bumble
from hil.errors import DeviceError

DEFAULT_NAME = "hil-sink"

_COUNTER = struct.Struct("<II")


@dataclass(frozen=True)
class Count:
    """What a sink has taken since its last reset."""

    bytes: int
    writes: int


@dataclass(frozen=True)
class Pour:
    """One measurement, seen from the sending end. Times are the event loop's, in seconds."""

    sent: Count
    counted: Count
    """What the receiving end says that it took."""
    started: float
    """When the first write was handed to the host."""
    answered: float
    """When the counter's answer came; one or two connection intervals after the last byte was taken."""

    @property
    def seconds(self) -> float:
        """From the first write to the counter's answer."""
        return self.answered - self.started


class Sink:
    """A peripheral that takes bytes, on a radio of its own."""

    def __init__(self, radio: Radio, name: str = DEFAULT_NAME) -> None:
        self.name = name
        self.last_at: float | None = None
        """When the last byte was taken, by the event loop's clock; None when none was since the last reset."""
        self.radio = radio
        self._bytes = 0
        self._writes = 0
        writable = Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE
        readable = Characteristic.Properties.READ | Characteristic.Properties.WRITE
        permissions = Characteristic.READABLE | Characteristic.WRITEABLE
        data: Characteristic[bytes] = Characteristic(
            as_bumble(SINK_DATA), writable, Characteristic.WRITEABLE, CharacteristicValue(write=self._take)
        )
        counter: Characteristic[bytes] = Characteristic(
            as_bumble(SINK_COUNTER),
            readable,
            permissions,
            CharacteristicValue(read=self._read_counter, write=self._reset),
        )
        radio.device.add_service(Service(as_bumble(SINK_SERVICE), [data, counter]))

    @property
    def count(self) -> Count:
        """What was taken since the last reset."""
        return Count(self._bytes, self._writes)

    async def start(self) -> None:
        """Advertise by the sink's name, again after each connection."""
        name = (AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode())
        flags = (AdvertisingData.FLAGS, bytes([0x06]))  # LE general discoverable, no BR/EDR
        self.radio.device.advertising_data = bytes(AdvertisingData([flags, name]))
        await self.radio.device.start_advertising(auto_restart=True)

    def _take(self, connection: BumbleConnection, value: bytes) -> None:
        self._bytes += len(value)
        self._writes += 1
        self.last_at = asyncio.get_running_loop().time()

    def _read_counter(self, connection: BumbleConnection) -> bytes:
        return _COUNTER.pack(self._bytes & 0xFFFF_FFFF, self._writes & 0xFFFF_FFFF)

    def _reset(self, connection: BumbleConnection, value: bytes) -> None:
        self._bytes = self._writes = 0
        self.last_at = None


async def pour(connection: Connection, total: int, *, response: bool = False) -> Pour:
    """Write `total` bytes to the peer's sink, in the longest writes that the ATT MTU allows.

    The writes are write commands, or with `response` write requests, each of which waits for its response (Core 5.4,
    Vol 3, Part F, section 3.4.5).

    Raises DeviceError when the peer has no sink, its counter is malformed, or the link goes down. What the peer did
    not take is for the caller to see in `Pour.counted`.
    """
    client, address = connection.client, connection.peer.address
    data = client.services.get_characteristic(SINK_DATA)
    counter = client.services.get_characteristic(SINK_COUNTER)
    if data is None or counter is None:
        raise DeviceError(f"{address}: the device has no throughput sink (service {SINK_SERVICE})")
    loop = asyncio.get_running_loop()
    size = data.max_write_without_response_size
    chunk = bytes(range(256)) * (size // 256 + 1)
    writes, left = 0, total
    try:
        await client.write_gatt_char(counter, b"\x00", response=True)
        started = loop.time()
        while left > 0:
            length = min(size, left)
            await client.write_gatt_char(data, chunk[:length], response=response)
            writes, left = writes + 1, left - length
        # Attributes are served in the order of the requests: the answer stands for all writes before it.
        counted = _parsed(await client.read_gatt_char(counter), address)
    except BleakError as error:
        raise DeviceError(f"{address}: throughput sink: {error}") from error
    return Pour(Count(total, writes), counted, started, loop.time())


def _parsed(value: bytearray, address: str) -> Count:
    if len(value) != _COUNTER.size:
        raise DeviceError(f"{address}: the sink's counter has {len(value)} bytes, expected {_COUNTER.size}")
    return Count(*_COUNTER.unpack(value))
