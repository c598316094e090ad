"""The bench's BLE central: find the device, connect to it, drop it. Asynchronous.

`Central(radio)` works on our own host (driver "hci", and the virtual bench); `Central(None)` on the
operating system's stack (driver "os"), where the link cannot be steered and is reported as unknown.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from bleak import BleakClient, BleakScanner
from bleak.backends.device import BLEDevice
from bleak.backends.scanner import AdvertisementData
from bleak.exc import BleakError

from hil.ble.adapter_trouble import of_system
from hil.ble.client import DEFAULT_MTU, BumbleClient
from hil.ble.link import Link, Phy, UnknownLink
from hil.ble.radio import PacketCapture, Radio
from hil.errors import BenchError, DeviceError

_MOST_TOLD = 8
"""Devices that an error names."""


@dataclass(frozen=True)
class Seen:
    """A device seen advertising: pass it to `Central.connect`."""

    device: BLEDevice
    advertisement: AdvertisementData

    @property
    def address(self) -> str:
        return self.device.address

    @property
    def name(self) -> str | None:
        return self.advertisement.local_name

    @property
    def rssi(self) -> int:
        """Signal strength in dBm."""
        return self.advertisement.rssi

    @property
    def services(self) -> list[str]:
        """Advertised service UUIDs, 128-bit, lower case."""
        return self.advertisement.service_uuids


class _LinkEnd:
    """bleak's disconnect callback of one client."""

    def __init__(self) -> None:
        self.happened = asyncio.Event()
        self.callbacks: list[Callable[[], None]] = []

    def __call__(self, client: BleakClient) -> None:
        self.happened.set()
        for callback in self.callbacks:
            callback()


class Connection:
    """A connection to a device: its GATT client (bleak's API) and its link."""

    def __init__(self, client: BleakClient, link: Link, peer: Seen, end: _LinkEnd) -> None:
        self.client = client
        self.link = link
        self.peer = peer
        self._end = end

    @property
    def is_connected(self) -> bool:
        return self.client.is_connected

    async def wait_disconnected(self, timeout_s: float) -> None:
        """Wait until the link is down. Raises DeviceError if it is still up after `timeout_s`."""
        try:
            await asyncio.wait_for(self._end.happened.wait(), timeout_s)
        except TimeoutError:
            raise DeviceError(f"{self.peer.address}: the link is still up after {timeout_s:g} s") from None

    def on_disconnect(self, callback: Callable[[], None]) -> None:
        """Call `callback` when the link ends, whoever ends it; at once if it has ended."""
        if self._end.happened.is_set():
            callback()
        else:
            self._end.callbacks.append(callback)

    @property
    def mtu(self) -> int | None:
        """ATT MTU of this connection, bytes; None where the operating system does not tell. A new connection
        has a new one, whatever the last one had.
        """
        return self.link.att_mtu

    async def pair(self) -> None:
        """Pair with the device, without a passkey (Just Works), and encrypt the link.

        The keys last as long as the adapter is open; the operating system's stack keeps its own. Raises
        DeviceError when the device refuses, BenchError when the adapter fails.
        """
        async with _told(f"{self.peer.address}: cannot be paired with"):
            await self.client.pair()

    async def encrypt(self) -> None:
        """Encrypt the link with the keys of an earlier `pair`.

        With the operating system's stack nothing is done: it encrypts by itself when it has keys. Raises
        DeviceError when there are none, or the device has lost them.
        """
        backend = self.client._backend
        if isinstance(backend, BumbleClient):
            async with _told(f"{self.peer.address}: the link cannot be encrypted"):
                await backend.encrypt()

    @property
    def is_encrypted(self) -> bool | None:
        """Whether the link is encrypted; None where the operating system does not tell."""
        backend = self.client._backend
        return backend.is_encrypted if isinstance(backend, BumbleClient) else None

    async def disconnect(self) -> None:
        """Terminate the link; harmless when it is down."""
        await self.client.disconnect()


class Central:
    """Find and connect devices with one radio, or with the system's adapter, on Linux the one of that name."""

    def __init__(self, radio: Radio | None, *, adapter: str | None = None) -> None:
        self.radio = radio
        self._adapter: dict[str, Any] = {"bluez": {"adapter": adapter}} if adapter is not None else {}

    @property
    def controls_link(self) -> bool:
        """True when PHY, data length and connection interval can be read and set."""
        return self.radio is not None

    def capture_to(self, capture: PacketCapture | None) -> None:
        """Record HCI packets; nothing is recorded with the operating system's stack."""
        if self.radio is not None:
            self.radio.capture_to(capture)

    async def scan(self, duration_s: float = 5.0, service: str | None = None) -> list[Seen]:
        """All devices (or those advertising `service`) seen within `duration_s`, strongest first."""
        scanner = self._scanner(service)
        async with _bench_errors("scan", self._label), scanner:
            await asyncio.sleep(duration_s)
        seen = [Seen(*entry) for entry in scanner.discovered_devices_and_advertisement_data.values()]
        return sorted(seen, key=lambda entry: (-entry.rssi, entry.address))

    async def find(
        self,
        *,
        name: str | None = None,
        address: str | None = None,
        service: str | None = None,
        timeout_s: float = 10.0,
    ) -> Seen:
        """The first device seen that matches everything given: name, address and service.

        Raises DeviceError when none is seen within `timeout_s`: it is not advertising. What was seen instead
        is named.
        """
        wanted = address.upper() if address is not None else None
        others: dict[str, str] = {}
        async with _bench_errors("scan", self._label), self._scanner(service) as scanner:
            try:
                async with asyncio.timeout(timeout_s):
                    async for device, advertisement in scanner.advertisement_data():
                        if len(others) < _MOST_TOLD or device.address in others:
                            others[device.address] = advertisement.local_name or others.get(
                                device.address, ""
                            )
                        if name is not None and advertisement.local_name != name:
                            continue
                        if wanted is not None and device.address.upper() != wanted:
                            continue
                        return Seen(device, advertisement)
            except TimeoutError:
                pass
        what = ", ".join(
            f"{key} {value}"
            for key, value in (("name", name), ("address", address), ("service", service))
            if value
        )
        told = ", ".join(f"{found} {_printable(called)}".strip() for found, called in sorted(others.items()))
        raise DeviceError(
            f"no device with {what or 'any name'} seen advertising in {timeout_s:g} s; seen: {told or 'none at all'}"
        )

    async def connect(
        self,
        peer: Seen,
        *,
        mtu: int = DEFAULT_MTU,
        interval_ms: float = 15.0,
        latency: int = 0,
        supervision_timeout_ms: int = 4000,
        phy: Phy | None = None,
        data_length: int | None = None,
        services: list[str] | None = None,
        timeout_s: float = 10.0,
        attempts: int = 3,
    ) -> Connection:
        """Connect, exchange the MTU, discover (only `services`, if given), and set up the link.

        `phy` and `data_length` None leave the link as the controllers negotiate it. A connection that
        fails to establish (one in a few does, on a real radio) is tried again, `attempts` in all.
        Raises DeviceError when the device does not accept a connection, BenchError for settings that
        this driver cannot make.
        """
        if self.radio is None and (phy is not None or data_length is not None):
            raise BenchError(
                "central: PHY and data length cannot be set through the operating system's stack (driver 'os')"
            )
        options: dict[str, Any] = {
            "mtu": mtu,
            "interval_ms": interval_ms,
            "latency": latency,
            "supervision_timeout_ms": supervision_timeout_ms,
        }
        for attempt in range(1, attempts + 1):
            end = _LinkEnd()
            client = self._client(peer, services, timeout_s, options, end)
            try:
                await client.connect()
                break
            except (BleakError, TimeoutError, OSError, EOFError) as error:
                if (trouble := self._trouble(error)) is not None:
                    raise BenchError(f"{self._label}: {trouble}") from error
                if attempt == attempts:
                    text = str(error) or f"no answer within {timeout_s:g} s"
                    raise DeviceError(f"{peer.address}: cannot be connected to: {text}") from error
        connection = Connection(client, await _link_of(client), peer, end)
        try:
            if data_length is not None:
                await connection.link.set_data_length(data_length)
            if phy is not None:
                await connection.link.set_phy(phy)
        except BaseException:
            await asyncio.shield(connection.disconnect())
            raise
        return connection

    async def crash(self) -> None:
        """Reset the controller at once, so that the peers of its links are told nothing, and close it.

        Raises BenchError for the operating system's adapter.
        """
        if self.radio is None:
            raise BenchError("central: the operating system's adapter cannot be reset (driver 'os')")
        await self.radio.crash()

    async def check(self) -> None:
        """Raises BenchError when the adapter is gone. The operating system's own is not asked: it hides that."""
        if self.radio is not None:
            await self.radio.check()

    async def close(self) -> None:
        """Drop all links and power the radio off."""
        if self.radio is not None:
            await self.radio.close()

    @property
    def _label(self) -> str:
        """For error texts: which adapter it is."""
        if self.radio is not None:
            return f"BLE adapter {self.radio.label}"
        named = self._adapter.get("bluez", {}).get("adapter")
        return f"central: the system's Bluetooth adapter{f' {named}' if named else ''}"

    def _trouble(self, error: BaseException) -> str | None:
        """What is wrong with the adapter; None where an error is about the device."""
        if self.radio is None:
            return None if isinstance(error, TimeoutError) else of_system(error)
        return "is gone; is it unplugged?" if self.radio.is_gone else None

    def _scanner(self, service: str | None) -> BleakScanner:
        uuids = [service] if service is not None else None
        if self.radio is None:
            return BleakScanner(service_uuids=uuids, **self._adapter)
        return BleakScanner(service_uuids=uuids, backend=self.radio.scanner_backend)

    def _client(
        self,
        peer: Seen,
        services: list[str] | None,
        timeout_s: float,
        options: dict[str, Any],
        on_disconnect: Callable[[BleakClient], None],
    ) -> BleakClient:
        if self.radio is None:
            return BleakClient(
                peer.device, on_disconnect, services=services, timeout=timeout_s, **self._adapter
            )
        return BleakClient(
            peer.device,
            on_disconnect,
            services=services,
            timeout=timeout_s,
            backend=self.radio.client_backend,
            **options,
        )


@asynccontextmanager
async def _bench_errors(what: str, label: str) -> AsyncIterator[None]:
    """A scan that an adapter refuses is the bench's failure."""
    try:
        yield
    except (BleakError, OSError, EOFError) as error:
        raise BenchError(f"{label}: {of_system(error) or f'{what}: {error}'}") from error


@asynccontextmanager
async def _told(what: str) -> AsyncIterator[None]:
    """What the device refuses is its failure, what the adapter does not do is the bench's."""
    try:
        yield
    except (BleakError, TimeoutError, OSError, EOFError) as error:
        trouble = None if isinstance(error, TimeoutError) else of_system(error)
        if trouble is not None:
            raise BenchError(f"central: {trouble}") from error
        raise DeviceError(f"{what}: {error or 'no answer'}") from error


async def _link_of(client: BleakClient) -> Link:
    backend = client._backend
    if isinstance(backend, BumbleClient):
        return backend.link
    # BlueZ knows the MTU only once it was asked for it (and forgets it on a reconnect).
    if hasattr(backend, "_acquire_mtu"):
        await backend._acquire_mtu()
    return UnknownLink(client.mtu_size if client.mtu_size > 23 else None)


def _printable(name: str) -> str:
    """A name from the air as it can stand in a line: without line ends and what commands a terminal."""
    return "".join(each if each.isprintable() else "\ufffd" for each in name)
