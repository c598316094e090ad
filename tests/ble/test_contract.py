"""What a central does alike on every adapter: on controllers of the virtual air in virtual time, and over TCP
on the wall clock.

The operating system's stack is held to the same by `tests/bluez` in the nightly lane.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import pytest
from bleak.exc import BleakError
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection as PeerConnection
from bumble.device import Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig
from bumble.transport import open_transport

from hil.ble.bumble_host import QuietDevice, QuietHost
from hil.ble.central import Central
from hil.ble.radio import Radio
from hil.errors import BenchError, DeviceError
from hil.virtual.air.controller import Controller
from hil.virtual.air.medium import Medium
from hil.virtual.kernel import Kernel
from hil.virtual.wire.hci import controller_transport
from hil.virtual.wire.loop import VirtualEventLoop
from tests.serve.served import Served

SERVICE = "12345678-0000-4000-8000-00805f9b34fb"
ECHO = "12345678-0001-4000-8000-00805f9b34fb"
SECRET = "12345678-0002-4000-8000-00805f9b34fb"
ADDRESS = "F0:F1:F2:F3:F4:F5"


class Peer:
    """A device with an echo characteristic, and one that wants an encrypted link; Bumble's host on a
    controller.
    """

    def __init__(self, source: object, sink: object) -> None:
        configuration = DeviceConfiguration(name="peer", address=Address(ADDRESS))
        self.device: Device = QuietDevice(config=configuration, host=QuietHost(source, sink))
        self.device.gatt_server.max_mtu = 247
        self.device.pairing_config_factory = lambda _: PairingConfig(sc=True, mitm=False, bonding=True)
        self.device.keystore = MemoryKeyStore()
        self.written: list[bytes] = []
        kinds = Characteristic.Properties
        self.echo: Characteristic[bytes] = Characteristic(
            ECHO,
            kinds.WRITE | kinds.WRITE_WITHOUT_RESPONSE | kinds.NOTIFY,
            Characteristic.WRITEABLE,
            CharacteristicValue(write=self._on_write),
        )
        secret: Characteristic[bytes] = Characteristic(
            SECRET,
            kinds.READ,
            Characteristic.READABLE | Characteristic.READ_REQUIRES_ENCRYPTION,
            b"for friends",
        )
        self.device.add_service(Service(SERVICE, [self.echo, secret]))

    async def start(self) -> None:
        await self.device.power_on()
        service = (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, bytes(UUID(SERVICE)))
        self.device.advertising_data = bytes(AdvertisingData([(AdvertisingData.FLAGS, b"\x06"), service]))
        self.device.scan_response_data = bytes(
            AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, b"peer")])
        )
        await self.device.start_advertising(
            auto_restart=True, advertising_interval_min=100, advertising_interval_max=100
        )

    async def _on_write(self, connection: PeerConnection, value: bytes) -> None:
        self.written.append(bytes(value))
        await self.device.notify_subscriber(connection, self.echo, bytes(value))

    async def hang_up(self) -> None:
        for connection in list(self.device.connections.values()):
            await connection.disconnect()


@dataclass
class Bench:
    """An adapter, and a device in its air. `unplug` takes the adapter away."""

    central: Central
    peer: Peer
    unplug: Callable[[], Awaitable[None]]


Case = Callable[[Bench], Awaitable[None]]


@contextlib.asynccontextmanager
async def _bench(radio: Radio, peer: Peer, unplug: Callable[[], Awaitable[None]]) -> AsyncIterator[Bench]:
    await peer.start()
    try:
        yield Bench(Central(radio), peer, unplug)
    finally:
        await radio.close()
        with contextlib.suppress(Exception):
            await asyncio.wait_for(peer.device.power_off(), 5.0)


def on_the_virtual_air(case: Case) -> None:
    loop = VirtualEventLoop(Kernel())

    async def main() -> None:
        air = Medium(loop.kernel)
        near = Controller(loop.kernel, air, "central", bytes.fromhex("010203040506"))
        far = Controller(loop.kernel, air, "peer", bytes.fromhex("111213141516"))
        transport = controller_transport(loop.kernel, near)
        radio = await Radio.open(transport)

        class Nowhere:
            def on_packet(self, packet: bytes) -> None: ...

        async def unplug() -> None:
            radio._source._sink = Nowhere()
            radio._source.lost()

        async with _bench(radio, Peer(*controller_transport(loop.kernel, far)), unplug) as bench:
            await case(bench)

    try:
        loop.run(main())
    finally:
        loop.close()


def over_tcp(served: Served, case: Case) -> None:
    async def main() -> None:
        near, far = (where for _, where in sorted(served["controllers"].items()))
        radio = await Radio.open(near)
        transport = await open_transport(far)

        async def unplug() -> None:
            served.process.kill()
            await asyncio.sleep(1.0)

        async with _bench(radio, Peer(transport.source, transport.sink), unplug) as bench:
            await case(bench)
        with contextlib.suppress(Exception):
            await transport.close()

    asyncio.run(asyncio.wait_for(main(), 120.0))


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with Served(tmp_path_factory.mktemp("served")) as running:
        yield running


@pytest.fixture(params=["virtual air", "tcp"])
def on(request: pytest.FixtureRequest) -> Callable[[Case], None]:
    """Runs a case on the adapter."""
    if request.param == "virtual air":
        return on_the_virtual_air
    running = request.getfixturevalue("served")
    return lambda case: over_tcp(running, case)


def test_it_finds_by_name_address_and_service(on: Callable[[Case], None]) -> None:
    async def case(bench: Bench) -> None:
        for wanted in ({"name": "peer"}, {"address": ADDRESS.lower()}, {"service": SERVICE}):
            seen = await bench.central.find(**wanted, timeout_s=10.0)  # type: ignore[arg-type]
            assert seen.address == ADDRESS
        everyone = await bench.central.scan(1.0)
        assert [each.address for each in everyone] == [ADDRESS]
        with pytest.raises(DeviceError, match=f"with name other, .* in 1 s; seen: {ADDRESS} peer"):
            await bench.central.find(name="other", service=SERVICE, timeout_s=1.0)

    on(case)


def test_it_connects_writes_and_hears_notifications(on: Callable[[Case], None]) -> None:
    async def case(bench: Bench) -> None:
        connection = await bench.central.connect(await bench.central.find(name="peer"))
        heard: asyncio.Queue[bytes] = asyncio.Queue()
        await connection.client.start_notify(ECHO, lambda _, data: heard.put_nowait(bytes(data)))
        for response in (True, False):
            await connection.client.write_gatt_char(ECHO, b"hello", response=response)
            assert await asyncio.wait_for(heard.get(), 10.0) == b"hello"
        assert bench.peer.written == [b"hello", b"hello"]
        await connection.disconnect()
        assert not connection.is_connected

    on(case)


def test_each_connection_has_an_mtu_of_its_own(on: Callable[[Case], None]) -> None:
    async def case(bench: Bench) -> None:
        for asked in (185, 23, 247):
            connection = await bench.central.connect(await bench.central.find(name="peer"), mtu=asked)
            assert connection.mtu == asked
            await connection.disconnect()

    on(case)


def test_a_device_that_hangs_up_is_noticed_and_connected_to_again(on: Callable[[Case], None]) -> None:
    async def case(bench: Bench) -> None:
        connection = await bench.central.connect(await bench.central.find(name="peer"))
        called: list[str] = []
        connection.on_disconnect(lambda: called.append("gone"))
        await bench.peer.hang_up()
        await connection.wait_disconnected(10.0)
        assert called == ["gone"]
        again = await bench.central.connect(await bench.central.find(name="peer"))
        assert again.is_connected
        await again.disconnect()

    on(case)


def test_it_pairs_and_encrypts_again_with_the_keys(on: Callable[[Case], None]) -> None:
    async def case(bench: Bench) -> None:
        connection = await bench.central.connect(await bench.central.find(name="peer"))
        assert connection.is_encrypted is False
        with pytest.raises(BleakError):
            await connection.client.read_gatt_char(SECRET)
        await connection.pair()
        assert connection.is_encrypted
        assert bytes(await connection.client.read_gatt_char(SECRET)) == b"for friends"
        await connection.disconnect()
        again = await bench.central.connect(await bench.central.find(name="peer"))
        assert again.is_encrypted is False
        await again.encrypt()
        assert bytes(await again.client.read_gatt_char(SECRET)) == b"for friends"
        await again.disconnect()

    on(case)


def test_a_link_without_keys_is_not_encrypted(on: Callable[[Case], None]) -> None:
    async def case(bench: Bench) -> None:
        connection = await bench.central.connect(await bench.central.find(name="peer"))
        with pytest.raises(DeviceError, match="the link cannot be encrypted"):
            await connection.encrypt()
        await connection.disconnect()

    on(case)


def test_a_device_that_is_gone_is_the_devices_failure(on: Callable[[Case], None]) -> None:
    async def case(bench: Bench) -> None:
        seen = await bench.central.find(name="peer")
        await bench.peer.device.stop_advertising()
        with pytest.raises(DeviceError, match="cannot be connected to"):
            await bench.central.connect(seen, timeout_s=1.0, attempts=1)

    on(case)


def test_an_adapter_that_is_pulled_out_is_the_benchs(tmp_path: Path) -> None:
    async def case(bench: Bench) -> None:
        seen = await bench.central.find(name="peer")
        await bench.unplug()
        with pytest.raises(BenchError, match="is gone; is it unplugged"):
            await bench.central.check()
        with pytest.raises(BenchError, match="is gone; is it unplugged"):
            await bench.central.connect(seen, timeout_s=1.0, attempts=1)

    on_the_virtual_air(case)
    with contextlib.suppress(AssertionError, ProcessLookupError), Served(tmp_path) as running:
        over_tcp(running, case)


def test_a_name_from_the_air_cannot_command_the_terminal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Scanner:
        async def __aenter__(self) -> Scanner:
            return self

        async def __aexit__(self, *raised: object) -> None: ...

        async def advertisement_data(self) -> AsyncIterator[tuple[object, object]]:
            yield SimpleNamespace(address=ADDRESS), SimpleNamespace(local_name="\x1b[2Jkit\n\u202eall passed")

    monkeypatch.setattr(Central, "_scanner", lambda *_: Scanner())
    with pytest.raises(DeviceError) as told:
        asyncio.run(Central(None).find(name="dut", timeout_s=1.0))
    assert "kit" in str(told.value) and str(told.value).isprintable()
