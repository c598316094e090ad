"""Pouring into a sink over the virtual air: what is counted, what is timed, and what is said when there is none."""

from __future__ import annotations

import pytest

from hil.ble.cell import negotiated
from hil.ble.central import Central
from hil.ble.radio import Radio
from hil.ble.sink import Count, Sink, pour
from hil.ble.uuids import SINK_COUNTER
from hil.errors import DeviceError
from hil.virtual.bench import Bench
from hil.virtual.wire.hci import open_virtual_transport
from hil.virtual.wire.loop import VirtualEventLoop

TOTAL = 20_000


def test_every_byte_is_counted_and_the_rate_is_that_of_the_air() -> None:
    with Bench(1, kits=0) as bench:
        loop = VirtualEventLoop(bench.kernel)

        async def main() -> None:
            sink = Sink(await Radio.open(open_virtual_transport("hil:spare"), "C0:FF:EE:00:00:02"))
            central = Central(await Radio.open(open_virtual_transport("hil:central")))
            await sink.start()
            for mtu, phy in ((498, "2M"), (23, "1M")):  # it advertises again after the first
                peer = await central.find(name=sink.name)
                connection = await central.connect(peer, mtu=mtu, data_length=251)
                await connection.link.set_phy("2M" if phy == "2M" else "1M")
                cell = await negotiated(connection)
                assert (cell.phy, cell.mtu, cell.data_length, cell.interval_ms) == (phy, mtu, 251, 15.0)
                poured = await pour(connection, TOTAL)
                assert poured.sent == poured.counted == sink.count == Count(TOTAL, -(-TOTAL // (mtu - 3)))
                assert sink.last_at is not None
                took = sink.last_at - poured.started
                assert 0 <= poured.seconds - took < 2 * 0.015 + 0.001
                ceiling = cell.air(TOTAL).bytes_per_second
                # Less than an interval goes by before the first event.
                assert 1 / (1 / ceiling + 0.016 / TOTAL) < TOTAL / took <= ceiling
                await connection.disconnect()
            await central.close()
            await sink.radio.close()

        try:
            loop.run(main())
        finally:
            loop.close()


def test_a_write_to_the_counter_resets_it_and_a_device_without_one_is_named() -> None:
    with Bench(1, kits=0) as bench:
        loop = VirtualEventLoop(bench.kernel)

        async def main() -> None:
            sink = Sink(await Radio.open(open_virtual_transport("hil:spare"), "C0:FF:EE:00:00:02"))
            central = Central(await Radio.open(open_virtual_transport("hil:central")))
            await sink.start()
            connection = await central.connect(await central.find(name=sink.name))
            await pour(connection, 1000)
            assert bytes(await connection.client.read_gatt_char(SINK_COUNTER)) == bytes.fromhex(
                "e803000003000000"
            )
            await connection.client.write_gatt_char(SINK_COUNTER, b"\x07", response=True)
            assert (sink.count, sink.last_at) == (Count(0, 0), None)
            await connection.disconnect()
            without = await central.connect(
                await central.find(name=sink.name), services=["8d53dc1d-1db7-4cd3-868b-8a527460aa84"]
            )
            with pytest.raises(DeviceError, match="no throughput sink"):
                await pour(without, 1)
            await without.disconnect()
            await central.close()
            await sink.radio.close()

        try:
            loop.run(main())
        finally:
            loop.close()
