"""Two of Bumble's own controllers on its own link: GATT without a radio model underneath.

It has no timing and no link-layer procedures; those are tested with the virtual air. Here it keeps
the tests of the bleak backend independent of it.
"""

from __future__ import annotations

import asyncio

from bumble.controller import Controller
from bumble.core import UUID, AdvertisingData
from bumble.device import Connection, Device, DeviceConfiguration
from bumble.gatt import Characteristic, CharacteristicValue, Service
from bumble.hci import Address
from bumble.host import Host
from bumble.link import LocalLink
from bumble.transport.common import AsyncPipeSink, Transport

SERVICE = "6e400001-b5a3-f393-e0a9-e50e24dcca9e"
READ = "6e400002-b5a3-f393-e0a9-e50e24dcca9e"
WRITE = "6e400003-b5a3-f393-e0a9-e50e24dcca9e"
NOTIFY = "6e400004-b5a3-f393-e0a9-e50e24dcca9e"
SILENT = "6e400005-b5a3-f393-e0a9-e50e24dcca9e"
FORBIDDEN = "6e400006-b5a3-f393-e0a9-e50e24dcca9e"


def transport(name: str, link: LocalLink) -> Transport:
    """A transport to a fresh controller on `link`."""
    controller = Controller(name, link=link)
    controller.terminated = asyncio.get_running_loop().create_future()
    return Transport(controller, AsyncPipeSink(controller))


class Peripheral:
    """A GATT server with one characteristic of each kind the tests need."""

    def __init__(self, link: LocalLink, address: str = "F0:F1:F2:F3:F4:F5", name: str = "kit") -> None:
        source, sink = transport("peripheral", link)
        configuration = DeviceConfiguration(name=name, address=Address(address))
        self.device = Device(config=configuration, host=Host(source, sink))
        self.written: list[bytes] = []
        self.connection: Connection | None = None
        self.name = name
        kinds = Characteristic.Properties
        self.notifier = Characteristic(
            NOTIFY, kinds.NOTIFY | kinds.READ, Characteristic.READABLE, CharacteristicValue(read=_hello)
        )
        self.device.add_service(
            Service(
                SERVICE,
                [
                    Characteristic(READ, kinds.READ, Characteristic.READABLE, bytes(range(200))),
                    Characteristic(
                        WRITE,
                        kinds.WRITE | kinds.WRITE_WITHOUT_RESPONSE,
                        Characteristic.WRITEABLE,
                        CharacteristicValue(write=self._on_write),
                    ),
                    self.notifier,
                    Characteristic(
                        SILENT, kinds.READ, Characteristic.READABLE, CharacteristicValue(read=_never)
                    ),
                    Characteristic(FORBIDDEN, kinds.READ, Characteristic.READ_REQUIRES_ENCRYPTION, b"secret"),
                ],
            )
        )
        self.device.on("connection", self._on_connection)

    async def start(self) -> None:
        """Power on and advertise."""
        await self.device.power_on()
        self.device.advertising_data = bytes(
            AdvertisingData(
                [
                    (AdvertisingData.FLAGS, b"\x06"),
                    (AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS, bytes(UUID(SERVICE))),
                    # This controller answers scan requests with the advertising data, so all is here.
                    (AdvertisingData.COMPLETE_LOCAL_NAME, self.name.encode()),
                ]
            )
        )
        await self.device.start_advertising(auto_restart=True)

    async def stop(self) -> None:
        """Power off."""
        await self.device.power_off()

    async def notify(self, value: bytes) -> None:
        """Notify every subscriber."""
        await self.device.notify_subscribers(self.notifier, value)

    def _on_connection(self, connection: Connection) -> None:
        self.connection = connection

    def _on_write(self, connection: Connection, value: bytes) -> None:
        self.written.append(value)


def _hello(connection: Connection) -> bytes:
    return b"hello"


async def _never(connection: Connection) -> bytes:
    await asyncio.sleep(3600)
    return b""
