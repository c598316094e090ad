"""Bumble, unmodified, as the host on both sides."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from bumble import hci
from bumble.core import UUID
from bumble.device import Connection, ConnectionParametersPreferences, Device, DeviceConfiguration, Peer
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host

from hil.virtual.air.controller import Controller
from hil.virtual.air.medium import Medium
from hil.virtual.kernel import TICKS_PER_SECOND, Kernel
from hil.virtual.wire.hci import controller_transport
from hil.virtual.wire.loop import VirtualEventLoop

SERVICE = UUID("8D53DC1D-1DB7-4CD3-868B-8A527460AA84")
VALUE = UUID("DA2E7828-FBCE-4E01-AE9E-261174997C48")
CENTRAL, KIT = "F0:00:00:00:00:01", "F0:00:00:00:00:02"


class Bench:
    """Two Bumble devices on one virtual air; the second has a characteristic that takes writes."""

    def __init__(self, kernel: Kernel) -> None:
        self.medium = Medium(kernel)
        self.controllers = [
            Controller(kernel, self.medium, name, bytes((n, 0, 0, 0, 0, 0xC0)))
            for n, name in enumerate(("central", "kit"), 1)
        ]
        self.central, self.kit = (
            _device(kernel, controller, address)
            for controller, address in zip(self.controllers, (CENTRAL, KIT), strict=True)
        )
        self.written = bytearray()
        properties = Characteristic.Properties.WRITE | Characteristic.Properties.WRITE_WITHOUT_RESPONSE
        value = CharacteristicValue(write=self._write)
        self.kit.add_service(
            Service(SERVICE, [Characteristic(VALUE, properties, Characteristic.WRITEABLE, value)])
        )

    def _write(self, connection: Connection, value: bytes) -> None:
        self.written += value

    async def connect(self, interval_ms: float = 15) -> Connection:
        await self.kit.power_on()
        await self.central.power_on()
        await self.kit.start_advertising()
        preferences = ConnectionParametersPreferences(
            connection_interval_min=interval_ms, connection_interval_max=interval_ms
        )
        return await self.central.connect(
            Address(KIT), connection_parameters_preferences={hci.Phy.LE_1M: preferences}
        )


def _device(kernel: Kernel, controller: Controller, address: str) -> Device:
    transport = controller_transport(kernel, controller)
    config = DeviceConfiguration(name=address, address=Address(address), irk=bytes(16))
    return Device(config=config, host=Host(transport.source, transport.sink))


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(1)


@pytest.fixture
def loop(kernel: Kernel) -> Iterator[VirtualEventLoop]:
    loop = VirtualEventLoop(kernel)
    asyncio.set_event_loop(loop)
    yield loop
    for task in asyncio.all_tasks(loop):
        task.cancel()
    loop.run_until_complete(asyncio.sleep(0))
    loop.close()
    asyncio.set_event_loop(None)


def test_connect_tune_write_update_and_disconnect(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def scenario() -> None:
        bench = Bench(kernel)
        connection = await bench.connect()
        peer = Peer(connection)
        assert await peer.request_mtu(498) == 498
        await connection.set_data_length(251, 2120)
        changed = asyncio.get_running_loop().create_future()
        connection.on("connection_phy_update", changed.set_result)
        await connection.set_phy([hci.Phy.LE_2M], [hci.Phy.LE_2M])
        await changed
        phy = await connection.get_phy()
        assert (phy.tx_phy, phy.rx_phy) == (hci.Phy.LE_2M, hci.Phy.LE_2M)
        await peer.discover_services()
        await peer.discover_characteristics()
        [value] = peer.get_characteristics_by_uuid(VALUE)
        await value.write_value(bytes(range(200)) * 2, with_response=True)
        assert bytes(bench.written) == bytes(range(200)) * 2
        assert await connection.get_rssi() == -50  # type: ignore[no-untyped-call]

        await connection.update_parameters(30, 30, 0, 2000)
        await asyncio.sleep(1)
        assert connection.parameters.connection_interval == 30
        gone = asyncio.get_running_loop().create_future()
        connection.on("disconnection", gone.set_result)
        await connection.disconnect()
        assert await gone == 0x16
        await asyncio.sleep(0.001)  # the other end's acknowledgement ends at the same tick
        assert bench.controllers[1].connections == ()

    loop.run_until_complete(asyncio.wait_for(scenario(), 30))


def test_pairing_encrypts_the_link(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def scenario() -> None:
        bench = Bench(kernel)
        connection = await bench.connect()
        await connection.pair()
        assert connection.is_encrypted
        assert all(controller.connections[0].encrypt_tx for controller in bench.controllers)
        assert await Peer(connection).request_mtu(247) == 247

    loop.run_until_complete(asyncio.wait_for(scenario(), 30))


def test_silence_is_a_disconnection_by_supervision_timeout(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def scenario() -> None:
        bench = Bench(kernel)
        connection = await bench.connect()
        await asyncio.sleep(0.5)  # established: before that it would fail to be (0x3E)
        gone = asyncio.get_running_loop().create_future()
        connection.on("disconnection", gone.set_result)
        bench.medium.out_of_range(bench.controllers[1], True)
        since = kernel.now
        assert await gone == 0x08
        timeout_s = connection.parameters.supervision_timeout / 1000
        assert (kernel.now - since) / TICKS_PER_SECOND == pytest.approx(timeout_s, abs=0.05)

    loop.run_until_complete(asyncio.wait_for(scenario(), 60))
