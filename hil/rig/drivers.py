"""Opens the instrument that a rig file names. A new driver is a file of its own and a line in one of these functions.

Drivers are imported when a rig asks for them: their third-party stacks take time to load, and a bench that has no
probe needs no pyOCD.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hil.rig.schema import CentralFile, ConsoleFile, ProbeFile, SpareFile, SupplyFile
from hil.wire import DIRECT, Wires

if TYPE_CHECKING:
    from bumble.transport.common import Transport

    from hil.ble.btsnoop import BtsnoopWriter
    from hil.ble.central import Central
    from hil.ble.radio import Radio
    from hil.console.serial import SerialConsole
    from hil.probe.base import Probe
    from hil.supply.base import Supply


def open_probe(file: ProbeFile, wires: Wires = DIRECT) -> Probe:
    """The debug probe. Raises BenchError when it is not there."""
    from hil.probe.pyocd import PyocdProbe

    return PyocdProbe(
        target=file.target,
        unique_id=file.unique_id,
        frequency=file.frequency,
        auto_unlock=file.auto_unlock,
        wires=wires,
    )


def open_supply(file: SupplyFile, wires: Wires = DIRECT) -> Supply:
    """The power supply, within the rig file's limits. Raises BenchError when it is not there."""
    from hil.supply.scpi import ScpiSupply
    from hil.supply.visa import DEFAULT_BAUD

    return ScpiSupply(
        file.resource,
        max_volts=file.max_volts,
        max_amperes=file.max_amperes,
        channel=file.channel,
        timeout_s=file.timeout_seconds,
        baud=file.baud or DEFAULT_BAUD,
        wires=wires,
    )


def open_console(file: ConsoleFile, log: Path | None, wires: Wires = DIRECT) -> SerialConsole:
    """The serial console; what the device prints is appended to `log`. Raises BenchError when the port is not there."""
    from hil.console.serial import open_console as open_serial

    return open_serial(file.port, file.baud, log=log, wires=wires, panic=file.panic)


async def open_central(file: CentralFile, wires: Wires = DIRECT) -> Central:
    """The Bluetooth LE adapter. Raises BenchError when it is not there."""
    from hil.ble.central import Central
    from hil.ble.radio import DEFAULT_ADDRESS

    if file.driver == "os" or file.transport is None:
        return Central(None, adapter=file.adapter)
    address = file.address or DEFAULT_ADDRESS
    return Central(await _open_radio(file.transport, address, "hil central", "central", wires))


async def open_spare(file: SpareFile, wires: Wires = DIRECT) -> Radio:
    """The second controller, with a host of our own. Raises BenchError when it is not there."""
    return await _open_radio(file.transport, file.address, "hil spare", "spare", wires)


async def _open_radio(transport: str, address: str, name: str, wire: str, wires: Wires) -> Radio:
    from hil.ble.radio import Radio

    if transport.startswith("hil:"):
        from hil.rig.virtual import open_virtual_transport

        async def virtual() -> Transport:
            return open_virtual_transport(transport)

        return await Radio.open(await wires.hci(wire, virtual), address, name)
    return await Radio.open(transport, address, name, wire=wire, wires=wires)


def open_capture(path: Path, clock: Callable[[], float]) -> BtsnoopWriter:
    """A btsnoop file that Wireshark opens, for `Central.capture_to`.

    The times in it count from 1970-01-01, where the case begins: so that of a virtual bench is the same in each run.
    """
    from hil.ble.btsnoop import UNIX_EPOCH_US, BtsnoopWriter

    return BtsnoopWriter(path, lambda: UNIX_EPOCH_US + round(clock() * 1_000_000))
