"""Ways to reach a device's SMP server: over the air, or over its console."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Protocol

from smp.os_management import EchoWriteRequest, EchoWriteResponse

from hil.ble.central import Central, Connection
from hil.ble.client import DEFAULT_MTU
from hil.ble.link import Phy
from hil.ble.uuids import SMP_SERVICE
from hil.dfu.ble import BleTransport
from hil.dfu.errors import SmpError, SmpTimeout
from hil.dfu.serial import Console, SerialTransport
from hil.dfu.smp_client import SmpClient
from hil.errors import DeviceError


class Reach(Protocol):
    """Opens transports to one device, again and again as it resets."""

    async def open(self, timeout_s: float) -> SmpClient:
        """Reach the device within `timeout_s`. Raises DeviceError if it cannot be."""
        ...

    async def close(self) -> None:
        """End the present transport in an orderly way, if there is one."""
        ...

    async def drop(self) -> None:
        """Lose the link in the middle of whatever is under way."""
        ...

    async def wait_reset(self, timeout_s: float) -> None:
        """Wait until the device that was told to reset has gone down. DeviceError if it has not."""
        ...


@dataclass
class LinkSettings:
    """How to connect. None leaves the choice to the controllers (or to the operating system)."""

    mtu: int = DEFAULT_MTU
    interval_ms: float = 15.0
    latency: int = 0
    supervision_timeout_ms: int = 4000
    phy: Phy | None = None
    data_length: int | None = None


class BleReach:
    """Reaches the device by its advertised name or address (or, with neither, any SMP server)."""

    def __init__(
        self,
        central: Central,
        *,
        name: str | None = None,
        address: str | None = None,
        link: LinkSettings | None = None,
    ) -> None:
        self._central = central
        self._name = name
        self._address = address
        self.link = link or LinkSettings()
        """For the next connection; may be changed at any time."""
        self.connection: Connection | None = None
        """The present connection, or the last one."""

    async def open(self, timeout_s: float) -> SmpClient:
        # An address is enough to tell a device apart; a device need not advertise the SMP service then.
        service = SMP_SERVICE if self._address is None and self._name is None else None
        seen = await self._central.find(
            name=self._name, address=self._address, service=service, timeout_s=timeout_s
        )
        settings = self.link
        self.connection = await self._central.connect(
            seen,
            mtu=settings.mtu,
            interval_ms=settings.interval_ms,
            latency=settings.latency,
            supervision_timeout_ms=settings.supervision_timeout_ms,
            phy=settings.phy,
            data_length=settings.data_length,
            services=[SMP_SERVICE],
        )
        try:
            return SmpClient(await BleTransport.open(self.connection))
        except BaseException:
            await asyncio.shield(self.connection.disconnect())
            raise

    async def close(self) -> None:
        if self.connection is not None:
            await self.connection.disconnect()

    async def drop(self) -> None:
        """Terminate the link with requests in flight.

        What the controller had not sent yet is lost, as when a phone walks off. (A silent loss, without
        LL_TERMINATE_IND, is the air's to make: it is one of the rig's faults.)
        """
        await self.close()

    async def wait_reset(self, timeout_s: float) -> None:
        # A device that resets says nothing: the central notices by the supervision time-out.
        if self.connection is not None:
            await self.connection.wait_disconnected(timeout_s + self.link.supervision_timeout_ms / 1000)


class SerialReach:
    """Reaches the device over its console."""

    SETTLE_S = 1.0
    """Zephyr answers a reset request and resets 250 ms later; nothing on a UART tells when it did."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._transport: SerialTransport | None = None

    async def open(self, timeout_s: float) -> SmpClient:
        await self.close()
        self._transport = SerialTransport(self._console)
        client = SmpClient(self._transport)
        deadline = asyncio.get_running_loop().time() + timeout_s
        while True:
            try:
                await client.request(EchoWriteRequest, EchoWriteResponse, "echo", timeout_s=1.0, d="hil")
                return client
            except SmpTimeout:
                if asyncio.get_running_loop().time() >= deadline:
                    await self.close()
                    raise DeviceError(
                        f"no SMP server answers on the console within {timeout_s:g} s"
                    ) from None
            except SmpError as error:
                if asyncio.get_running_loop().time() >= deadline:
                    await self.close()
                    raise DeviceError(f"console: {error}") from error

    async def close(self) -> None:
        if self._transport is not None:
            await self._transport.close()
            self._transport = None

    async def drop(self) -> None:
        await self.close()

    async def wait_reset(self, timeout_s: float) -> None:
        await asyncio.sleep(self.SETTLE_S)
