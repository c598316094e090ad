"""The `link` extension: what bleak hides and an update's speed depends on.

PHY, data length and connection parameters of one connection, to read and to set. Where the driver
below cannot know (any operating system's own stack), reading gives None and setting raises
BenchError: unknown is reported as unknown, never as a default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, Protocol

from bumble import hci
from bumble.device import Connection

from hil.ble.bleak_errors import as_bleak_errors
from hil.errors import BenchError, InputError

Phy = Literal["1M", "2M", "S2", "S8", "coded"]
"""A PHY by its usual name. The controller reports "coded" without telling S=2 from S=8."""

PROCEDURE_TIMEOUT_S = 40.0
"""Link-layer procedure response time-out (Core 5.4, Vol 6, Part B, 5.2)."""

_PHYS: dict[str, hci.Phy] = {
    "1M": hci.Phy.LE_1M,
    "2M": hci.Phy.LE_2M,
    "S2": hci.Phy.LE_CODED,
    "S8": hci.Phy.LE_CODED,
    "coded": hci.Phy.LE_CODED,
}
_PHY_NAMES: dict[int, Phy] = {1: "1M", 2: "2M", 3: "coded"}
_CODING_OPTIONS = {"S2": 1, "S8": 2}  # HCI LE Set PHY, PHY_Options (Vol 4, Part E, 7.8.49)

_LONGEST_PDU_TIME_US = 17_040  # 251 octets on the coded PHY, the most a controller may be asked for
_LONGEST_UNCODED_TIME_US = 2_120


@dataclass(frozen=True)
class LinkPhys:
    """The PHY of each direction, seen from the central."""

    tx: Phy
    rx: Phy


@dataclass(frozen=True)
class DataLength:
    """Payload octets and time in microseconds of the longest data PDU in each direction."""

    tx_octets: int
    tx_time_us: int
    rx_octets: int
    rx_time_us: int


@dataclass(frozen=True)
class ConnectionParameters:
    """Connection interval in ms, peripheral latency in events, supervision time-out in ms."""

    interval_ms: float
    latency: int
    timeout_ms: float


class Link(Protocol):
    """One connection's link layer, as far as the driver can see and steer it."""

    @property
    def att_mtu(self) -> int | None:
        """ATT MTU in force, in bytes."""
        ...

    def data_length(self) -> DataLength | None: ...
    def parameters(self) -> ConnectionParameters | None: ...
    async def phy(self) -> LinkPhys | None: ...
    async def rssi(self) -> int | None: ...
    async def set_phy(self, tx: Phy, rx: Phy | None = None) -> LinkPhys: ...
    async def set_data_length(self, tx_octets: int) -> DataLength: ...
    async def set_parameters(
        self, interval_ms: float, latency: int = 0, timeout_ms: float = 4000
    ) -> ConnectionParameters: ...


class BumbleLink:
    """The link of a connection made through our own host. All calls raise BleakError if it is down."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    @property
    def att_mtu(self) -> int:
        return int(self._connection.att_mtu)

    def data_length(self) -> DataLength:
        """The data length in force; 27 octets until the first exchange (Vol 6, Part B, 4.5.10)."""
        now = self._connection.data_length
        return DataLength(now.max_tx_octets, now.max_tx_time, now.max_rx_octets, now.max_rx_time)

    def parameters(self) -> ConnectionParameters:
        """The connection parameters in force."""
        now = self._connection.parameters
        return ConnectionParameters(
            now.connection_interval, now.peripheral_latency, float(now.supervision_timeout)
        )

    async def phy(self) -> LinkPhys:
        """Ask the controller for the PHYs in force."""
        async with as_bleak_errors("read PHY"):
            now = await self._connection.get_phy()
        return LinkPhys(_PHY_NAMES[int(now.tx_phy)], _PHY_NAMES[int(now.rx_phy)])

    async def rssi(self) -> int | None:
        """Signal strength in dBm; None when the controller has no measurement (127)."""
        async with as_bleak_errors("read RSSI"):
            value = int(await self._connection.device.get_connection_rssi(self._connection))  # type: ignore[no-untyped-call]
        return None if value == 127 else value

    async def set_phy(self, tx: Phy, rx: Phy | None = None) -> LinkPhys:
        """Request a PHY and return what both sides settled on, which may be another one.

        Raises InputError for an unknown name, BleakError when the controller refuses, BenchError
        when the procedure does not end.
        """
        rx = rx or tx
        for name in (tx, rx):
            if name not in _PHYS:
                raise InputError(f"PHY {name!r} is unknown: use one of {', '.join(_PHYS)}")
        options = _CODING_OPTIONS.get(tx, 0)
        connection = self._connection
        done = _EventFuture(
            connection, connection.EVENT_CONNECTION_PHY_UPDATE, connection.EVENT_CONNECTION_PHY_UPDATE_FAILURE
        )
        with done:
            async with as_bleak_errors(f"set PHY {tx}"):
                await connection.set_phy([_PHYS[tx]], [_PHYS[rx]], options)
                await done.wait("PHY update")
        return await self.phy()

    async def set_data_length(self, tx_octets: int) -> DataLength:
        """Request a maximum of 27 to 251 octets a PDU and return what is in force after it.

        The controller tells of a change only, so when the request changes nothing (the peer is the
        limit, or the value was in force) this waits six connection intervals to be sure.
        """
        if not 27 <= tx_octets <= 251:
            raise InputError(f"data length {tx_octets}: the specification allows 27 to 251 octets")
        connection = self._connection
        phys = await self.phy()
        time_us = (
            _LONGEST_PDU_TIME_US
            if phys.tx == "coded"
            else min((tx_octets + 14) * 8, _LONGEST_UNCODED_TIME_US)
        )
        done = _EventFuture(connection, connection.EVENT_CONNECTION_DATA_LENGTH_CHANGE)
        with done:
            async with as_bleak_errors(f"set data length {tx_octets}"):
                await connection.set_data_length(tx_octets, time_us)
                if self.data_length().tx_octets != tx_octets:
                    await done.wait_at_most(0.05 + 6 * connection.parameters.connection_interval / 1000)
        return self.data_length()

    async def set_parameters(
        self, interval_ms: float, latency: int = 0, timeout_ms: float = 4000
    ) -> ConnectionParameters:
        """Update the connection: interval 7.5 to 4000 ms, latency 0 to 499, time-out 100 to 32000 ms.

        Raises InputError for values the specification does not allow together, BleakError on refusal.
        """
        if not 7.5 <= interval_ms <= 4000 or not 0 <= latency <= 499 or not 100 <= timeout_ms <= 32000:
            raise InputError(
                f"connection interval {interval_ms} ms, latency {latency}, time-out {timeout_ms} ms: allowed are "
                "7.5 to 4000 ms, 0 to 499 events, 100 to 32000 ms"
            )
        if timeout_ms <= (1 + latency) * interval_ms * 2:
            raise InputError(
                f"supervision time-out {timeout_ms} ms must be longer than two effective intervals "
                f"({(1 + latency) * interval_ms * 2} ms)"
            )
        update = self._connection.update_parameters(interval_ms, interval_ms, latency, timeout_ms)
        try:
            async with as_bleak_errors(f"set connection interval {interval_ms} ms"):
                await asyncio.wait_for(update, PROCEDURE_TIMEOUT_S)
        except TimeoutError:
            raise _no_end("connection update") from None
        return self.parameters()


class UnknownLink:
    """The link below an operating system's stack: nothing can be known of it, or set."""

    def __init__(self, att_mtu: int | None = None) -> None:
        self.att_mtu = att_mtu

    def data_length(self) -> None:
        return None

    def parameters(self) -> None:
        return None

    async def phy(self) -> None:
        return None

    async def rssi(self) -> None:
        return None

    async def set_phy(self, tx: Phy, rx: Phy | None = None) -> LinkPhys:
        raise _cannot("PHY")

    async def set_data_length(self, tx_octets: int) -> DataLength:
        raise _cannot("data length")

    async def set_parameters(
        self, interval_ms: float, latency: int = 0, timeout_ms: float = 4000
    ) -> ConnectionParameters:
        raise _cannot("connection interval")


def _cannot(what: str) -> BenchError:
    return BenchError(
        f"central: the operating system's Bluetooth stack does not let the {what} be set; use a HCI dongle "
        "(driver 'hci') or the virtual bench"
    )


def _no_end(what: str) -> BenchError:
    return BenchError(f"central: the controller did not end the {what} procedure")


class _EventFuture:
    """The outcome of a procedure that Bumble announces by one event, or another when it failed."""

    def __init__(self, connection: Connection, success: str, failure: str | None = None) -> None:
        self._future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._listeners: list[tuple[str, Callable[..., None]]] = [
            (success, self._succeed),
            (connection.EVENT_DISCONNECTION, self._lost),
        ]
        if failure is not None:
            self._listeners.append((failure, self._fail))

    def __enter__(self) -> None:
        for event, listener in self._listeners:
            self._connection.on(event, listener)

    def __exit__(self, *exception: object) -> None:
        for event, listener in self._listeners:
            self._connection.remove_listener(event, listener)
        self._future.cancel()

    async def wait(self, what: str) -> None:
        try:
            await asyncio.wait_for(self._future, PROCEDURE_TIMEOUT_S)
        except TimeoutError:
            raise _no_end(what) from None

    async def wait_at_most(self, seconds: float) -> None:
        await asyncio.wait([self._future], timeout=seconds)
        if self._future.done():
            self._future.result()

    def _succeed(self, *details: object) -> None:
        if not self._future.done():
            self._future.set_result(None)

    def _fail(self, code: int) -> None:
        if not self._future.done():
            self._future.set_exception(hci.HCI_Error(code))  # type: ignore[no-untyped-call]

    def _lost(self, *reason: object) -> None:
        self._future.cancel()
