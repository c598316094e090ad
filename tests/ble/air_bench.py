"""Two virtual controllers on the virtual air: our radio on one, a Bumble SMP peripheral on the other."""

from __future__ import annotations

import struct
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bumble import att
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address

from hil.ble.bumble_host import QuietDevice, QuietHost
from hil.ble.central import Central
from hil.ble.radio import Radio
from hil.ble.uuids import SMP_CHARACTERISTIC, SMP_SERVICE
from hil.virtual.air.controller import Controller
from hil.virtual.air.medium import Medium
from hil.virtual.wire.hci import controller_transport
from hil.virtual.wire.loop import VirtualEventLoop
from tests.dfu.smp_server import SmpServer


class SmpPeripheral:
    """A GATT server with the SMP service, in front of an `SmpServer`."""

    def __init__(self, loop: VirtualEventLoop, controller: Controller, server: SmpServer, mtu: int) -> None:
        source, sink = controller_transport(loop.kernel, controller)
        configuration = DeviceConfiguration(name="kit", address=Address("F0:F1:F2:F3:F4:F5"))
        self.device = QuietDevice(config=configuration, host=QuietHost(source, sink))
        self.device.gatt_server.max_mtu = mtu
        self.server = server
        self.connection: Connection | None = None
        self._outbound: deque[bytes] = deque()
        server.send = self._notify
        kinds = Characteristic.Properties
        self.characteristic: Characteristic[bytes] = Characteristic(
            SMP_CHARACTERISTIC,
            kinds.WRITE_WITHOUT_RESPONSE | kinds.NOTIFY,
            Characteristic.WRITEABLE,
            CharacteristicValue(write=self._on_write),
        )
        self.device.add_service(Service(SMP_SERVICE, [self.characteristic]))
        self.device.on("connection", self._on_connection)

    async def start(self) -> None:
        await self.device.power_on()
        self.device.advertising_data = bytes(
            AdvertisingData(
                [
                    (AdvertisingData.FLAGS, b"\x06"),
                    (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, bytes(UUID(SMP_SERVICE))),
                ]
            )
        )
        self.device.scan_response_data = bytes(
            AdvertisingData([(AdvertisingData.COMPLETE_LOCAL_NAME, b"kit")])
        )
        await self.device.start_advertising(
            auto_restart=True, advertising_interval_min=100, advertising_interval_max=100
        )

    def _on_connection(self, connection: Connection) -> None:
        self.connection = connection
        connection.on("disconnection", self._on_disconnection)

    def _on_disconnection(self, reason: int) -> None:
        self.connection = None
        self.server.link_lost()

    def _on_write(self, connection: Connection, value: bytes) -> None:
        self.server.feed(value)

    def _notify(self, message: bytes) -> None:
        if self.connection is None:
            return
        size = self.connection.att_mtu - 3
        for offset in range(0, len(message), size):
            head = struct.pack("<BH", att.Opcode.ATT_HANDLE_VALUE_NOTIFICATION, self.characteristic.handle)
            self.connection.send_l2cap_pdu(att.ATT_CID, head + message[offset : offset + size])


class AirBench:
    """The parts of a bench on the air."""

    def __init__(self, loop: VirtualEventLoop, server: SmpServer, mtu: int) -> None:
        self.air = Medium(loop.kernel)
        self.near = Controller(loop.kernel, self.air, "central", bytes.fromhex("010203040506"))
        self.far = Controller(loop.kernel, self.air, "kit", bytes.fromhex("111213141516"))
        self.peripheral = SmpPeripheral(loop, self.far, server, mtu)
        self.server = server
        self.radio: Radio
        self.central: Central

    def lose_link(self, lost: bool = True) -> None:
        """Take the kit out of range without a word, or back."""
        self.air.out_of_range(self.far, lost)


@asynccontextmanager
async def air_bench(
    loop: VirtualEventLoop, server: SmpServer | None = None, *, mtu: int = 498
) -> AsyncIterator[AirBench]:
    bench = AirBench(loop, server or SmpServer(lambda _: None), mtu)
    await bench.peripheral.start()
    bench.radio = await Radio.open(controller_transport(loop.kernel, bench.near))
    bench.central = Central(bench.radio)
    try:
        yield bench
    finally:
        await bench.radio.close()
        await bench.peripheral.device.power_off()
