"""A bleak client backend over Bumble, for a HCI dongle and for the virtual air alike.

Traps it takes care of:
- Bumble queues writes without response without bound; here a write waits until the controller has
  taken most of what was queued, as writing to an operating system's socket does.
- An attribute value longer than 512 bytes is dropped without a word by the peer: it is refused here.
- Whatever Bumble raises becomes BleakError (`bleak_errors`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar

from bleak.args import SizedBuffer
from bleak.assigned_numbers import CharacteristicPropertyName
from bleak.backends.characteristic import BleakGATTCharacteristic
from bleak.backends.client import BaseBleakClient, NotifyCallback
from bleak.backends.descriptor import BleakGATTDescriptor
from bleak.backends.device import BLEDevice
from bleak.backends.service import BleakGATTService, BleakGATTServiceCollection
from bleak.exc import BleakDeviceNotFoundError, BleakError
from bumble import att, core, hci
from bumble.device import Connection, ConnectionParametersPreferences
from bumble.gatt import GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR, Characteristic
from bumble.gatt_client import CharacteristicProxy
from bumble.host import DataPacketQueue

from hil.ble.bleak_errors import as_bleak_errors
from hil.ble.bumble_host import send_write_command
from hil.ble.link import BumbleLink
from hil.ble.uuids import as_bumble, as_text

if TYPE_CHECKING:
    from hil.ble.radio import Radio

DEFAULT_MTU = 498
MAX_VALUE = 512
"""Longest attribute value (Core 5.4, Vol 3, Part F, 3.2.9)."""

_KEYS_POLLS, _KEYS_POLL_S = 50, 0.02
_QUEUE_BEYOND_CONTROLLER = 4
"""ACL packets kept in the host beyond those the controller holds: enough that it never runs dry."""

_PROPERTIES: list[tuple[Characteristic.Properties, CharacteristicPropertyName]] = [
    (Characteristic.Properties.BROADCAST, "broadcast"),
    (Characteristic.Properties.READ, "read"),
    (Characteristic.Properties.WRITE_WITHOUT_RESPONSE, "write-without-response"),
    (Characteristic.Properties.WRITE, "write"),
    (Characteristic.Properties.NOTIFY, "notify"),
    (Characteristic.Properties.INDICATE, "indicate"),
    (Characteristic.Properties.AUTHENTICATED_SIGNED_WRITES, "authenticated-signed-writes"),
    (Characteristic.Properties.EXTENDED_PROPERTIES, "extended-properties"),
]


class BumbleClient(BaseBleakClient):
    """Connect with a `Radio`: `BleakClient(device, backend=radio.client_backend, mtu=247)`.

    `mtu` is the ATT MTU to ask for (23 to 517; 23 asks for nothing), `interval_ms`, `latency` and
    `supervision_timeout_ms` the connection parameters to connect with.
    """

    radio: ClassVar[Radio]

    def __init__(
        self,
        address_or_ble_device: BLEDevice | str,
        *,
        disconnected_callback: Callable[[], None] | None = None,
        services: set[str] | None = None,
        timeout: float = 10.0,
        mtu: int = DEFAULT_MTU,
        interval_ms: float = 15.0,
        latency: int = 0,
        supervision_timeout_ms: int = 4000,
        **unused: Any,
    ) -> None:
        super().__init__(address_or_ble_device, disconnected_callback=disconnected_callback, timeout=timeout)
        self._device = address_or_ble_device if isinstance(address_or_ble_device, BLEDevice) else None
        self._wanted_services = services
        self._mtu = mtu
        self._preferences = ConnectionParametersPreferences(
            connection_interval_min=interval_ms,
            connection_interval_max=interval_ms,
            max_latency=latency,
            supervision_timeout=supervision_timeout_ms,
        )
        self._connection: Connection | None = None
        self._met_as = ""
        self._gone = asyncio.Event()
        self._room = asyncio.Event()
        self._subscriptions: dict[int, Callable[[bytes], None]] = {}

    @property
    def name(self) -> str:
        return (self._device and self._device.name) or self.address.replace(":", "-")

    @property
    def mtu_size(self) -> int:
        return int(self._connection.att_mtu) if self._connection else 23

    @property
    def is_connected(self) -> bool:
        return self._connection is not None

    @property
    def link(self) -> BumbleLink:
        """The link extension of the connection. Raises BleakError when there is none."""
        return BumbleLink(self._require())

    # Connecting

    async def connect(self, pair: bool, **unused: Any) -> None:
        """Connect, exchange the MTU and discover the services.

        Raises BleakDeviceNotFoundError when an address given as text is not seen advertising,
        TimeoutError when the device does not connect in time, BleakError for anything else.
        """
        if self._connection is not None:
            raise BleakError("connect: already connected")
        peer = await self._peer_address()
        connection = await self._create_connection(peer)
        self._connection = connection
        self._met_as = str(connection.peer_address)  # pairing may put the identity address in its place
        self._gone.clear()
        connection.on(connection.EVENT_DISCONNECTION, self._on_disconnection)
        self._queue.on("flow", self._on_flow)
        try:
            async with as_bleak_errors("connect"):
                if pair:
                    await connection.pair()
                await self._exchange_mtu(connection)
                self.services = await self._discover(connection)
        except BaseException:
            await asyncio.shield(self._drop_quietly())
            raise

    async def _peer_address(self) -> hci.Address:
        if self._device is None:
            from bleak import BleakScanner  # here, since bleak itself imports its backends

            self._device = await BleakScanner.find_device_by_address(
                self.address, timeout=self._timeout, backend=self.radio.scanner_backend
            )
        if self._device is None:
            raise BleakDeviceNotFoundError(self.address, f"{self.address} is not advertising")
        address: hci.Address = self._device.details
        return address

    async def _create_connection(self, peer: hci.Address) -> Connection:
        device = self.radio.device
        try:
            return await device.connect(
                peer,
                connection_parameters_preferences={hci.Phy.LE_1M: self._preferences},
                timeout=self._timeout,
            )
        except core.TimeoutError:
            raise TimeoutError(f"{self.address}: no connection within {self._timeout:g} s") from None
        except asyncio.CancelledError:
            await asyncio.shield(self._cancel_initiating(peer))
            raise
        except core.BaseBumbleError as error:
            raise BleakError(f"connect to {self.address}: {error}") from error

    async def _cancel_initiating(self, peer: hci.Address) -> None:
        """Bumble forgets a connection attempt whose caller was cancelled; the controller does not."""
        device = self.radio.device
        try:
            await device.send_sync_command(hci.HCI_LE_Create_Connection_Cancel_Command())
        except core.BaseBumbleError:  # too late: it was made
            if connection := device.find_connection_by_bd_addr(peer):
                await connection.disconnect()

    async def _exchange_mtu(self, connection: Connection) -> None:
        if self._mtu <= att.ATT_DEFAULT_MTU:
            return
        try:
            await connection.gatt_client.request_mtu(self._mtu)
        except att.ATT_Error as error:
            if error.error_code != att.ErrorCode.REQUEST_NOT_SUPPORTED:
                raise

    async def _discover(self, connection: Connection) -> BleakGATTServiceCollection:
        client = connection.gatt_client
        if self._wanted_services is None:
            services = await client.discover_services()
        else:
            services = []
            for uuid in sorted(self._wanted_services):
                services += await client.discover_service(as_bumble(uuid))
        found = BleakGATTServiceCollection()
        for service in services:
            bleak_service = BleakGATTService(service, service.handle, as_text(service.uuid))
            found.add_service(bleak_service)
            for characteristic in await client.discover_characteristics((), service):
                await self._add_characteristic(found, bleak_service, characteristic)
        return found

    async def _add_characteristic(
        self,
        found: BleakGATTServiceCollection,
        service: BleakGATTService,
        characteristic: CharacteristicProxy[bytes],
    ) -> None:
        bleak_characteristic = BleakGATTCharacteristic(
            characteristic,
            characteristic.handle,
            as_text(characteristic.uuid),
            [name for bit, name in _PROPERTIES if characteristic.properties & bit],
            self._largest_write,
            service,
        )
        found.add_characteristic(bleak_characteristic)
        for descriptor in await characteristic.discover_descriptors():
            found.add_descriptor(
                BleakGATTDescriptor(
                    descriptor, descriptor.handle, as_text(descriptor.type), bleak_characteristic
                )
            )

    def _largest_write(self) -> int:
        return min(self.mtu_size - 3, MAX_VALUE)

    async def disconnect(self) -> None:
        """Disconnect and wait for the end of the link; harmless without one."""
        connection = self._connection
        if connection is None:
            return
        async with as_bleak_errors("disconnect"):
            try:
                await connection.disconnect()
            except hci.HCI_Error as error:
                if error.error_code != hci.HCI_UNKNOWN_CONNECTION_IDENTIFIER_ERROR:
                    raise
        await self._gone.wait()

    async def _drop_quietly(self) -> None:
        try:
            await self.disconnect()
        except BleakError:
            self._on_disconnection()

    def _on_disconnection(self, *reason: object) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        self._queue.remove_listener("flow", self._on_flow)
        connection.remove_listener(connection.EVENT_DISCONNECTION, self._on_disconnection)
        self.services = None
        self._subscriptions.clear()
        self._gone.set()
        self._room.set()
        if self._disconnected_callback is not None:
            self._disconnected_callback()

    @property
    def _queue(self) -> DataPacketQueue:
        queue = self.radio.device.host.le_acl_packet_queue
        assert queue is not None  # the host has it since its reset
        return queue

    def _require(self) -> Connection:
        if self._connection is None:
            raise BleakError("not connected")
        return self._connection

    # Pairing

    async def pair(self, *unused: Any, **also_unused: Any) -> None:
        """Pair and encrypt (just works unless the radio was given a delegate)."""
        connection = self._require()
        async with as_bleak_errors("pair"):
            await connection.pair()
        await self._keep_keys()

    async def _keep_keys(self) -> None:
        """Bumble keeps keys by the identity address that the device told; keep them by the one that it advertises
        with, too, so that they are found when it is connected to again.
        """
        keystore = self.radio.device.keystore
        address = self._met_as
        if keystore is None or await keystore.get(address) is not None:
            return
        for _ in range(_KEYS_POLLS):  # Bumble stores them in a task of its own
            known = await keystore.get_all()
            if known:
                await keystore.update(address, known[-1][1])
                return
            await asyncio.sleep(_KEYS_POLL_S)

    async def encrypt(self) -> None:
        """Encrypt the link with the keys of an earlier pairing. Raises BleakError when there are none, or the
        device has lost them.
        """
        connection = self._require()
        async with as_bleak_errors("encrypt"):
            await connection.encrypt()

    @property
    def is_encrypted(self) -> bool:
        """Whether the link is encrypted now."""
        return bool(self._connection is not None and self._connection.is_encrypted)

    async def unpair(self) -> None:
        """Forget the keys of this device."""
        keystore = self.radio.device.keystore
        if keystore is not None and self._device is not None:
            await keystore.delete(str(self._device.details))

    # Attributes

    async def read_gatt_char(
        self, characteristic: BleakGATTCharacteristic, *, use_cached: bool = False, **unused: Any
    ) -> bytearray:
        return await self._read(characteristic.handle)

    async def read_gatt_descriptor(
        self, descriptor: BleakGATTDescriptor, *, use_cached: bool = False, **unused: Any
    ) -> bytearray:
        return await self._read(descriptor.handle)

    async def _read(self, handle: int) -> bytearray:
        async with as_bleak_errors("read"):
            return bytearray(await self._require().gatt_client.read_value(handle))

    async def write_gatt_char(
        self, characteristic: BleakGATTCharacteristic, data: SizedBuffer, response: bool
    ) -> None:
        """Write. Without response it returns once the value is queued, and waits for room before."""
        value = bytes(data)
        if len(value) > MAX_VALUE:
            raise BleakError(f"write: {len(value)} bytes, an attribute holds {MAX_VALUE} at most")
        if response:
            await self._write_with_response(characteristic.handle, value)
            return
        if len(value) > self.mtu_size - 3:
            raise BleakError(f"write: {len(value)} bytes do not fit the ATT MTU of {self.mtu_size}")
        send_write_command(await self._wait_for_room(), characteristic.handle, value)

    async def write_gatt_descriptor(self, descriptor: BleakGATTDescriptor, data: SizedBuffer) -> None:
        await self._write_with_response(descriptor.handle, bytes(data))

    async def _write_with_response(self, handle: int, value: bytes) -> None:
        async with as_bleak_errors("write"):
            await self._require().gatt_client.write_value(handle, value, with_response=True)

    async def _wait_for_room(self) -> Connection:
        connection = self._require()
        queue = self._queue
        while queue.pending >= queue.max_in_flight + _QUEUE_BEYOND_CONTROLLER:
            self._room.clear()
            await self._room.wait()
            if self._connection is not connection:
                raise BleakError("write: the link was lost")
        return connection

    def _on_flow(self, *unused: object) -> None:
        self._room.set()

    async def start_notify(
        self, characteristic: BleakGATTCharacteristic, callback: NotifyCallback, **unused: Any
    ) -> None:
        """Subscribe. Raises BleakError if already subscribed or the characteristic cannot notify."""
        connection = self._require()
        if characteristic.handle in self._subscriptions:
            raise BleakError(f"subscribe: {characteristic.uuid} is subscribed already")
        proxy = characteristic.obj
        if not proxy.get_descriptor(GATT_CLIENT_CHARACTERISTIC_CONFIGURATION_DESCRIPTOR):
            raise BleakError(f"subscribe: {characteristic.uuid} has no configuration descriptor")

        def deliver(value: bytes) -> None:
            callback(bytearray(value))

        self._subscriptions[characteristic.handle] = deliver
        try:
            async with as_bleak_errors("subscribe"):
                await connection.gatt_client.subscribe(proxy, deliver, prefer_notify=True)
        except BaseException:
            self._subscriptions.pop(characteristic.handle, None)
            raise

    async def stop_notify(self, characteristic: BleakGATTCharacteristic) -> None:
        """Unsubscribe. Raises BleakError if there was no subscription."""
        connection = self._require()
        deliver = self._subscriptions.pop(characteristic.handle, None)
        if deliver is None:
            raise BleakError(f"unsubscribe: {characteristic.uuid} is not subscribed")
        async with as_bleak_errors("unsubscribe"):
            await connection.gatt_client.unsubscribe(characteristic.obj, deliver)
