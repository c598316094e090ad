"""One HCI controller with Bumble's host on it: a dongle, or a controller of the virtual bench."""

from __future__ import annotations

import asyncio
from typing import Any, Protocol

from bumble import core, hci
from bumble.device import DeviceConfiguration
from bumble.keys import MemoryKeyStore
from bumble.pairing import PairingConfig
from bumble.transport import open_transport
from bumble.transport.common import Transport

from hil.ble.adapter_trouble import of_dongle
from hil.ble.bumble_host import QuietDevice, QuietHost
from hil.ble.client import BumbleClient
from hil.ble.scanner import BumbleScanner
from hil.errors import BenchError
from hil.wire import DIRECT, Wires

DEFAULT_ADDRESS = "C4:11:22:33:44:55"
"""A static random address (its two top bits are 1; Core 5.4, Vol 6, Part B, 1.3.2.1)."""

OPEN_TIMEOUT_S = 20.0
POWER_ON_TIMEOUT_S = 10.0
CHECK_TIMEOUT_S = 5.0


class PacketCapture(Protocol):
    """Where the packets at the host-controller boundary are recorded (`hil.ble.btsnoop.BtsnoopWriter`)."""

    def write(self, packet: bytes, from_controller: bool) -> None:
        """Add one H4 packet."""
        ...


class Radio:
    """A Bluetooth LE host of our own on one controller.

    `client_backend` and `scanner_backend` are classes for bleak's `backend=`, bound to this radio.
    """

    def __init__(
        self, transport: Transport, address: str = DEFAULT_ADDRESS, name: str = "hil central"
    ) -> None:
        self._transport = transport
        self.label = "controller"
        self._source = _Tap(transport.source, transport.sink)
        configuration = DeviceConfiguration(name=name, address=hci.Address(address), eatt_enabled=False)
        self.device = QuietDevice(config=configuration, host=QuietHost(self._source, self._source))
        # Keys of devices that were paired with last as long as this host does: a case.
        self.device.keystore = MemoryKeyStore()
        self.device.pairing_config_factory = _pairing
        self.client_backend: type[BumbleClient] = type("HilClient", (BumbleClient,), {"radio": self})
        self.scanner_backend: type[BumbleScanner] = type("HilScanner", (BumbleScanner,), {"radio": self})

    @classmethod
    async def open(
        cls,
        transport: Transport | str,
        address: str = DEFAULT_ADDRESS,
        name: str = "hil central",
        *,
        wire: str = "central",
        wires: Wires = DIRECT,
    ) -> Radio:
        """Open and reset a controller: a transport, or Bumble's name of one ("usb:0", "serial:/dev/ttyACM0,1000000").

        Raises BenchError when it cannot be opened or does not answer the reset.
        """
        label = transport if isinstance(transport, str) else "controller"
        opened: Transport = await wires.hci(wire, lambda: _open(transport))
        radio = cls(opened, address, name)
        radio.label = label
        try:
            await asyncio.wait_for(radio.device.power_on(), POWER_ON_TIMEOUT_S)
        except TimeoutError:
            await opened.close()
            raise BenchError(
                f"BLE adapter {label}: no answer to HCI Reset; is it a HCI controller, and at this bit rate?"
            ) from None
        except core.BaseBumbleError as error:
            await opened.close()
            raise BenchError(f"BLE adapter {label}: {error}") from error
        return radio

    @property
    def is_gone(self) -> bool:
        """The transport ended by itself: a dongle that was pulled out, a server that ended."""
        return self._source.is_lost or bool(self._source.terminated.done())

    async def check(self) -> None:
        """Ask the controller for its version (Core 5.4, Vol 4, Part E, 7.4.1). Raises BenchError when it is gone."""
        if self.is_gone:
            raise BenchError(f"BLE adapter {self.label}: is gone; is it unplugged?")
        try:
            command = hci.HCI_Read_Local_Version_Information_Command()
            await asyncio.wait_for(self.device.host.send_sync_command(command), CHECK_TIMEOUT_S)
        except (TimeoutError, core.BaseBumbleError, OSError) as error:
            raise BenchError(
                f"BLE adapter {self.label}: does not answer any more: {error or type(error).__name__}"
            ) from None

    def capture_to(self, capture: PacketCapture | None) -> None:
        """Record all HCI packets from now on; None stops."""
        self._source.capture = capture

    @property
    def acl_octets(self) -> int:
        """Longest HCI data packet that the controller takes (Core 5.4, Vol 4, Part E, 7.8.2)."""
        queue = self.device.host.le_acl_packet_queue
        assert queue is not None  # the host has it since its reset
        return queue.max_packet_size

    async def close(self) -> None:
        """Drop every link, power off, close the transport. Never raises for a controller that is gone."""
        try:
            await asyncio.wait_for(self._shut_down(), POWER_ON_TIMEOUT_S)
        except (TimeoutError, core.BaseBumbleError):
            pass  # it does not answer any more; there is nothing left to tell it
        finally:
            await self._transport.close()

    async def crash(self) -> None:
        """Reset the controller without ending its links, and close the transport (Core 5.4, Vol 4, Part E, 7.3.2)."""
        try:
            await asyncio.wait_for(self.device.host.reset(), POWER_ON_TIMEOUT_S)
        except (TimeoutError, core.BaseBumbleError):
            pass
        finally:
            await self._transport.close()

    async def _shut_down(self) -> None:
        if self.device.is_scanning:
            await self.device.stop_scanning()
        for connection in list(self.device.connections.values()):
            try:
                await connection.disconnect()
            except hci.HCI_Error:
                continue  # it went by itself
        await self.device.power_off()


def _pairing(connection: Any) -> PairingConfig:
    """Bonding without a passkey. The identity that the peer keeps is the static random address that we connect with."""
    return PairingConfig(
        sc=True, mitm=False, bonding=True, identity_address_type=PairingConfig.AddressType.RANDOM
    )


async def _open(transport: Transport | str) -> Transport:
    if not isinstance(transport, str):
        return transport
    try:
        return await asyncio.wait_for(open_transport(transport), OPEN_TIMEOUT_S)
    except TimeoutError:
        raise BenchError(f"BLE adapter {transport}: was not open within {OPEN_TIMEOUT_S:g} s") from None
    except Exception as error:  # pyusb, libusb, pyserial, sockets: each has its own
        raise BenchError(f"BLE adapter {transport}: {of_dongle(transport, error)}") from error


class _Tap:
    """Between transport and host, both ways, so that a capture can begin and end at any time."""

    def __init__(self, source: Any, sink: Any) -> None:
        self._sink = sink
        self._host: Any = None
        self.capture: PacketCapture | None = None
        self.is_lost = False
        self.metadata = getattr(source, "metadata", {})
        self.terminated = source.terminated
        self._to_host = _ToHost(self)
        source.set_packet_sink(self._to_host)

    def set_packet_sink(self, host: Any) -> None:
        self._host = host

    def on_packet(self, packet: bytes) -> None:
        if self.capture is not None:
            self.capture.write(packet, from_controller=False)
        self._sink.on_packet(packet)

    def received(self, packet: bytes) -> None:
        if self.capture is not None:
            self.capture.write(packet, from_controller=True)
        if self._host is not None:
            self._host.on_packet(packet)

    def lost(self) -> None:
        self.is_lost = True
        if self._host is not None:
            self._host.on_transport_lost()


class _ToHost:
    """The sink that the transport's source delivers to."""

    def __init__(self, tap: _Tap) -> None:
        self._tap = tap

    def on_packet(self, packet: bytes) -> None:
        self._tap.received(packet)

    def on_transport_lost(self) -> None:
        self._tap.lost()
