"""bleak's API on our backend, against Bumble's own controllers and a Bumble peripheral."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from bleak import BleakClient, BleakScanner
from bleak.exc import BleakDeviceNotFoundError, BleakError, BleakGATTProtocolError
from bumble.link import LocalLink

from hil.ble.bleak_platform import bleak_on
from hil.ble.central import Central
from hil.ble.link import UnknownLink
from hil.ble.radio import Radio
from hil.errors import BenchError, DeviceError, InputError
from hil.virtual.wire.loop import VirtualEventLoop
from tests.ble.stock_air import FORBIDDEN, NOTIFY, READ, SERVICE, SILENT, WRITE, Peripheral, transport

ADDRESS = "F0:F1:F2:F3:F4:F5"


@asynccontextmanager
async def bench() -> AsyncIterator[tuple[Radio, Peripheral]]:
    air = LocalLink()
    peripheral = Peripheral(air)
    await peripheral.start()
    radio = await Radio.open(transport("central", air))
    try:
        yield radio, peripheral
    finally:
        await radio.close()
        await peripheral.stop()


@asynccontextmanager
async def connected(**options: object) -> AsyncIterator[tuple[BleakClient, Peripheral]]:
    async with bench() as (radio, peripheral):
        device = await BleakScanner.find_device_by_name("kit", timeout=5, backend=radio.scanner_backend)
        assert device is not None
        async with BleakClient(device, backend=radio.client_backend, **options) as client:  # type: ignore[arg-type]
            yield client, peripheral


Case = Callable[[BleakClient, Peripheral], Awaitable[None]]


@pytest.fixture
def on_link(loop: VirtualEventLoop) -> Callable[..., None]:
    """Run a case on a connection, and check that it leaves no task behind."""

    def run(case: Case, **options: object) -> None:
        async def main() -> None:
            async with connected(**options) as (client, peripheral):
                await case(client, peripheral)
            await asyncio.sleep(1)
            # Bumble's peripheral restarts advertising in a task of its own; ours must leave none.
            left = [task for task in asyncio.all_tasks() if "hil" in repr(task.get_coro())]
            assert left == []

        loop.run(main())

    return run


def test_scan_merges_advertisement_and_scan_response(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with bench() as (radio, _):
            seen = await Central(radio).scan(3.0)
            assert [(entry.address, entry.name, entry.services) for entry in seen] == [
                (ADDRESS, "kit", [SERVICE])
            ]
            assert await Central(radio).scan(3.0, service="0000180f-0000-1000-8000-00805f9b34fb") == []

    loop.run(main())


def test_one_scan_at_a_time(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with bench() as (radio, _), BleakScanner(backend=radio.scanner_backend):
            with pytest.raises(BleakError, match="scanning already"):
                await BleakScanner(backend=radio.scanner_backend).start()

    loop.run(main())


def test_connect_by_address_text(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with (
            bench() as (radio, _),
            BleakClient(ADDRESS.lower(), backend=radio.client_backend, timeout=3) as client,
        ):
            assert client.is_connected

    loop.run(main())


def test_connect_to_nobody(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with bench() as (radio, _):
            with pytest.raises(BleakDeviceNotFoundError):
                await BleakClient("00:11:22:33:44:55", backend=radio.client_backend, timeout=1).connect()

    loop.run(main())


def test_services_are_discovered(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        characteristic = client.services.get_characteristic(WRITE)
        assert characteristic is not None
        assert set(characteristic.properties) == {"write", "write-without-response"}
        assert characteristic.service_uuid == SERVICE
        notify = client.services.get_characteristic(NOTIFY)
        assert notify is not None
        assert [d.uuid for d in notify.descriptors] == ["00002902-0000-1000-8000-00805f9b34fb"]

    on_link(case)


def test_only_the_wanted_services(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        assert [service.uuid for service in client.services] == [SERVICE]

    on_link(case, services=[SERVICE])


@pytest.mark.parametrize(("asked", "largest"), [(23, 20), (185, 182), (498, 495), (517, 512)])
def test_the_mtu_asked_for(on_link: Callable[..., None], asked: int, largest: int) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        assert client.mtu_size == asked
        characteristic = client.services.get_characteristic(WRITE)
        assert characteristic is not None
        assert characteristic.max_write_without_response_size == largest

    on_link(case, mtu=asked)


def test_read_longer_than_the_mtu(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        assert await client.read_gatt_char(READ) == bytes(range(200))

    on_link(case, mtu=23)


def test_write_with_response_longer_than_the_mtu(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        await client.write_gatt_char(WRITE, bytes(300), response=True)
        assert b"".join(peripheral.written) == bytes(300)

    on_link(case, mtu=100)


def test_writes_without_response_arrive_whole_in_order_and_bounded(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        sent = [i.to_bytes(2, "big") * 100 for i in range(500)]
        host = client._backend.radio.device.host  # type: ignore[attr-defined]
        queue = host.le_acl_packet_queue
        per_write = -(-(200 + 7) // queue.max_packet_size)
        deepest = 0
        for value in sent:
            await client.write_gatt_char(WRITE, value, response=False)
            deepest = max(deepest, queue.pending)
        await asyncio.sleep(1)
        assert peripheral.written == sent
        assert deepest <= queue.max_in_flight + 4 + per_write

    on_link(case)


def test_too_long_writes_are_refused(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        with pytest.raises(BleakError, match="512 at most"):
            await client.write_gatt_char(WRITE, bytes(513), response=False)
        with pytest.raises(BleakError, match="do not fit the ATT MTU of 100"):
            await client.write_gatt_char(WRITE, bytes(98), response=False)
        await client.write_gatt_char(WRITE, bytes(97), response=False)

    on_link(case, mtu=100)


def test_notifications(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        got: list[bytes] = []
        await client.start_notify(NOTIFY, lambda _, value: got.append(bytes(value)))
        with pytest.raises(BleakError, match="already"):
            await client.start_notify(NOTIFY, lambda *_: None)
        await peripheral.notify(b"one")
        await peripheral.notify(b"two")
        await asyncio.sleep(1)
        await client.stop_notify(NOTIFY)
        await peripheral.notify(b"three")
        await asyncio.sleep(1)
        assert got == [b"one", b"two"]
        with pytest.raises(BleakError, match="not subscribed"):
            await client.stop_notify(NOTIFY)

    on_link(case)


def test_a_refusal_carries_its_att_code(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        with pytest.raises(BleakGATTProtocolError) as caught:
            await client.read_gatt_char(FORBIDDEN)
        assert caught.value.code in (0x05, 0x0F)
        assert await client.read_gatt_char(READ)  # and the bearer still works

    on_link(case)


def test_a_stalled_request_ends_as_a_bleak_error(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        with pytest.raises(BleakError, match="time-out of 30 s"):
            await client.read_gatt_char(SILENT)

    on_link(case)


def test_losing_the_link_during_a_read_is_an_error_not_a_cancellation(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        assert peripheral.connection is not None
        asyncio.get_running_loop().call_later(0.5, asyncio.ensure_future, peripheral.connection.disconnect())
        with pytest.raises(BleakError, match="the link was lost"):
            await client.read_gatt_char(SILENT)
        assert not client.is_connected
        with pytest.raises(BleakError):
            await client.read_gatt_char(READ)

    on_link(case)


def test_a_cancellation_by_the_caller_stays_one(on_link: Callable[..., None]) -> None:
    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.5):
                await client.read_gatt_char(SILENT)

    on_link(case)


def test_the_disconnect_callback_comes_once(on_link: Callable[..., None]) -> None:
    calls: list[BleakClient] = []

    async def case(client: BleakClient, peripheral: Peripheral) -> None:
        await client.disconnect()
        await client.disconnect()
        assert not client.is_connected
        assert calls == [client]

    on_link(case, disconnected_callback=calls.append)


def test_programs_that_choose_no_backend(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with bench() as (radio, _):
            with bleak_on(radio):
                device = await BleakScanner.find_device_by_address(ADDRESS, timeout=2)
                assert device is not None
                async with BleakClient(device) as client:
                    assert await client.read_gatt_char(NOTIFY) == b"hello"
            assert BleakClient(device, backend=radio.client_backend).backend_id == "HilClient"

    loop.run(main())


def test_central_finds_and_connects(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with bench() as (radio, peripheral):
            central = Central(radio)
            assert central.controls_link
            seen = await central.find(name="kit", address=ADDRESS, service=SERVICE)
            connection = await central.connect(seen, mtu=247, services=[SERVICE])
            assert connection.link.att_mtu == 247
            data_length = connection.link.data_length()
            assert data_length is not None
            assert data_length.tx_octets >= 27
            with pytest.raises(InputError, match="27 to 251"):
                await connection.link.set_data_length(252)
            with pytest.raises(InputError, match="PHY"):
                await connection.link.set_phy("3M")  # type: ignore[arg-type]
            with pytest.raises(InputError, match="longer than two"):
                await connection.link.set_parameters(100, latency=30, timeout_ms=4000)
            assert peripheral.connection is not None
            await peripheral.connection.disconnect()
            await connection.wait_disconnected(1)
            assert not connection.is_connected

    loop.run(main())


def test_central_says_what_it_looked_for(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with bench() as (radio, _):
            with pytest.raises(DeviceError, match="name nobody seen advertising in 2 s"):
                await Central(radio).find(name="nobody", timeout_s=2)
        assert loop.time() == pytest.approx(2, abs=0.5)

    loop.run(main())


def test_an_operating_systems_link_is_unknown(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        link = UnknownLink()
        assert link.data_length() is None
        assert await link.phy() is None
        with pytest.raises(BenchError, match="does not let the PHY be set"):
            await link.set_phy("2M")
        assert not Central(None).controls_link

    loop.run(main())


def test_a_controller_that_does_not_answer(loop: VirtualEventLoop) -> None:
    class Dead:
        def __init__(self) -> None:
            self.terminated = asyncio.get_running_loop().create_future()

        def set_packet_sink(self, sink: object) -> None: ...
        def on_packet(self, packet: bytes) -> None: ...

    async def main() -> None:
        from bumble.transport.common import Transport

        dead = Dead()
        with pytest.raises(BenchError, match="no answer to HCI Reset"):
            await Radio.open(Transport(dead, dead))
        with pytest.raises(BenchError, match="cannot be opened"):
            await Radio.open("serial:/dev/does-not-exist,1000000")

    loop.run(main())


def test_capture_sees_both_directions(loop: VirtualEventLoop) -> None:
    class Record:
        def __init__(self) -> None:
            self.packets: list[tuple[bytes, bool]] = []

        def write(self, packet: bytes, from_controller: bool) -> None:
            self.packets.append((packet, not from_controller))

    async def main() -> None:
        async with bench() as (radio, _):
            record = Record()
            radio.capture_to(record)
            await Central(radio).scan(2.0)
            radio.capture_to(None)
            count = len(record.packets)
            await Central(radio).scan(2.0)
            assert len(record.packets) == count
        commands = [packet for packet, sent in record.packets if sent]
        events = [packet for packet, sent in record.packets if not sent]
        assert all(packet[0] == 1 for packet in commands)
        assert commands
        assert all(packet[0] == 4 for packet in events)
        assert events

    loop.run(main())
