"""Our backend on the virtual air: the link extension, losing the link, and programs that use bleak."""

from __future__ import annotations

import asyncio
import random
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from bleak.exc import BleakError
from smpclient import SMPClient
from smpclient.transport.ble import SMPBLETransport

from hil.ble.bleak_platform import bleak_on
from hil.ble.btsnoop import UNIX_EPOCH_US, BtsnoopWriter
from hil.ble.link import LinkPhys
from hil.ble.uuids import SMP_CHARACTERISTIC
from hil.dfu.errors import LinkLost
from hil.dfu.reach import BleReach, LinkSettings
from hil.dfu.session import Session
from hil.dfu.transfer import Upload
from hil.dfu.update import Update
from hil.errors import DeviceError
from hil.virtual.wire.loop import VirtualEventLoop
from tests.ble.air_bench import AirBench, air_bench
from tests.dfu.conftest import Image
from tests.dfu.smp_server import SmpServer

IMAGE = Image(random.Random(1).randbytes(64 * 1024))
FAST = LinkSettings(mtu=498, interval_ms=15, phy="2M", data_length=251)


async def upload(bench: AirBench, link: LinkSettings) -> tuple[Upload, Session]:
    session = Session(BleReach(bench.central, name="kit", link=link))
    upload = Upload(IMAGE)
    await upload.begin(await session.client(), await session.parameters())
    return upload, session


def test_the_link_can_be_read_and_set(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with air_bench(loop) as bench:
            connection = await bench.central.connect(await bench.central.find(name="kit"), interval_ms=30)
            link = connection.link
            parameters = link.parameters()
            assert parameters is not None
            assert (parameters.interval_ms, parameters.latency, parameters.timeout_ms) == (30, 0, 4000)
            assert await link.phy() == LinkPhys("1M", "1M")
            assert await link.set_phy("2M") == LinkPhys("2M", "2M")
            assert await link.set_phy("2M") == LinkPhys("2M", "2M")  # asking again ends too
            assert await link.set_phy("S8") == LinkPhys("coded", "coded")
            await link.set_phy("1M")
            assert (await link.set_data_length(251)).tx_octets == 251
            assert (await link.set_data_length(251)).tx_octets == 251
            assert (await link.set_data_length(27)).tx_octets == 27
            changed = await link.set_parameters(7.5, latency=2, timeout_ms=1000)
            assert (changed.interval_ms, changed.latency, changed.timeout_ms) == (7.5, 2, 1000)
            rssi = await link.rssi()
            assert rssi is not None
            assert -100 < rssi < 0
            assert link.att_mtu == 498

    loop.run(main())


def test_a_silent_loss_is_noticed_after_the_supervision_timeout(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        async with air_bench(loop) as bench:
            connection = await bench.central.connect(
                await bench.central.find(name="kit"), supervision_timeout_ms=1000
            )
            bench.lose_link()
            lost_at = loop.time()
            for _ in range(10_000):
                try:
                    await connection.client.write_gatt_char(SMP_CHARACTERISTIC, bytes(100), response=False)
                except BleakError:
                    break
            else:
                pytest.fail("writes to a dead link are queued without end")
            assert 0.9 < loop.time() - lost_at < 1.2
            await connection.wait_disconnected(0.1)
            with pytest.raises(DeviceError, match="seen advertising"):
                await bench.central.find(name="kit", timeout_s=1)
            bench.lose_link(False)
            assert (await bench.central.connect(await bench.central.find(name="kit"))).is_connected

    loop.run(main())


@pytest.mark.parametrize("mtu", [23, 247, 498])
def test_an_upload_arrives_whole(loop: VirtualEventLoop, mtu: int) -> None:
    server = SmpServer(lambda _: None)

    async def main() -> None:
        async with air_bench(loop, server) as bench:
            transfer, _ = await upload(bench, LinkSettings(mtu=mtu, phy="2M", data_length=251))
            await transfer.advance()
            assert transfer.outcome().resent_bytes == 0

    loop.run(main())
    assert bytes(server.received) == IMAGE.data
    assert server.violations == []


def test_a_silent_loss_in_an_upload_is_resumed(loop: VirtualEventLoop) -> None:
    server = SmpServer(lambda _: None)

    async def main() -> None:
        async with air_bench(loop, server) as bench:
            transfer, session = await upload(bench, FAST)
            await transfer.advance(30_000)
            bench.lose_link()
            with pytest.raises(LinkLost):
                await transfer.advance()
            bench.lose_link(False)
            await transfer.begin(await session.client(), await session.parameters())
            await transfer.advance()
            assert transfer.outcome().resent_bytes <= transfer.window_bytes

    loop.run(main())
    assert bytes(server.received) == IMAGE.data


def test_the_window_fills_the_air(loop: VirtualEventLoop) -> None:
    """2M, 251 octets, 15 ms: 162.7 kB/s is the air's ceiling for ATT payload in whole events."""

    async def main() -> float:
        async with air_bench(loop) as bench:
            transfer, _ = await upload(bench, FAST)
            await transfer.advance()
            return transfer.outcome().goodput_bytes_per_s

    goodput = loop.run(main())
    assert 0.75 * 162_700 < goodput < 165_000


def test_smpclient_runs_unmodified_on_our_backend(loop: VirtualEventLoop) -> None:
    server = SmpServer(lambda _: None)

    async def main() -> None:
        async with air_bench(loop, server) as bench:
            with bleak_on(bench.radio):
                async with SMPClient(SMPBLETransport(), "kit", timeout_s=10) as client:
                    async for _ in client.upload(IMAGE.data):
                        pass

    loop.run(main())
    assert bytes(server.received) == IMAGE.data
    assert server.violations == []


def test_a_whole_update_through_the_facade(loop: VirtualEventLoop) -> None:
    """Synchronous, with a drop at half and a device that is away for five seconds while it swaps."""
    server = SmpServer(lambda _: None)
    old = {"slot": 0, "version": "1.0.0", "hash": bytes(32), "active": True, "confirmed": True}
    new = {"slot": 1, "version": IMAGE.version, "hash": IMAGE.hash}
    server.slots = [old, new]
    stack = AsyncExitStack()
    bench = loop.run(stack.enter_async_context(air_bench(loop, server)))

    def reset() -> None:
        server.slots = [
            {**new, "slot": 0, "active": True, "confirmed": True},
            {**old, "slot": 1, "active": False},
        ]
        bench.lose_link()
        loop.call_later(5.0, bench.lose_link, False)

    server.on_reset = reset
    try:
        update = Update(loop.run, BleReach(bench.central, name="kit", link=FAST))
        transfer = update.start(IMAGE)
        transfer.run_until(fraction=0.5)
        transfer.drop_link()
        assert update.resume(transfer).resent_bytes <= transfer.window_bytes
        states = update.activate(IMAGE)
        assert [(state.version, state.active) for state in states] == [("1.2.3", True), ("1.0.0", False)]
        update.close()
    finally:
        loop.run(stack.aclose())
    assert bytes(server.received) == IMAGE.data
    assert server.violations == []


def test_a_capture_of_a_connection_is_whole(loop: VirtualEventLoop, tmp_path: Path) -> None:
    path = tmp_path / "central.btsnoop"

    async def main() -> None:
        async with air_bench(loop) as bench:
            writer = BtsnoopWriter(path, lambda: UNIX_EPOCH_US + round(loop.time() * 1_000_000))
            bench.central.capture_to(writer)
            connection = await bench.central.connect(await bench.central.find(name="kit"))
            await connection.disconnect()
            bench.central.capture_to(None)
            writer.close()

    loop.run(main())
    data = path.read_bytes()
    assert data.startswith(b"btsnoop\x00")
    assert b"\x02\x01" in data  # ACL data of the first connection, handle flags first
    assert len(data) > 500


def test_the_same_seed_gives_the_same_times(loop: VirtualEventLoop) -> None:
    from hil.virtual.kernel import Kernel

    def once() -> tuple[int, float]:
        fresh = VirtualEventLoop(Kernel(seed=5))
        try:

            async def main() -> float:
                async with air_bench(fresh) as bench:
                    transfer, _ = await upload(bench, FAST)
                    await transfer.advance()
                    return transfer.outcome().duration_s

            duration = fresh.run(main())
            return fresh.kernel.now, duration
        finally:
            fresh.close()

    assert once() == once()


def test_no_task_is_left(loop: VirtualEventLoop) -> None:
    async def main() -> None:
        before = asyncio.all_tasks()
        async with air_bench(loop) as bench:
            transfer, session = await upload(bench, FAST)
            await transfer.advance(20_000)
            await session.drop()
            await bench.central.scan(0.5)
        await asyncio.sleep(1)
        assert asyncio.all_tasks() == before

    loop.run(main())
