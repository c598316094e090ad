"""Opens the instrument that a rig file names. A new driver is a file of its own and a line in one of these functions.

Drivers are imported when a rig asks for them: their third-party stacks take time to load, and a bench that has no
probe needs no pyOCD.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from hil.rig.schema import CentralFile, ConsoleFile, ProbeFile, RigFile, SpareFile, SupplyFile
from hil.wire import DIRECT, Wires

if TYPE_CHECKING:
    from bumble.transport.common import Transport

    from hil.ble.btsnoop import BtsnoopWriter
    from hil.ble.central import Central
    from hil.ble.radio import Radio
    from hil.console.serial import SerialConsole
    from hil.probe.base import Probe, Rtt
    from hil.supply.base import Supply


_RECORDED = {
    "probe": {"pyocd"},
    "supply": {"scpi", "relay"},
    "central": {"bumble"},
    "spare": {"bumble"},
    "console": {"serial"},
}
"""The drivers that open their wire through `Wires`, so that a run with them can be recorded and replayed."""


def not_recorded(file: RigFile) -> list[str]:
    """The tables of a rig whose drivers keep no record of their wire, such as `central driver os`."""
    found = []
    for name, known in _RECORDED.items():
        table = getattr(file, name)
        if table is not None and table.driver not in known:
            found.append(f"{name} driver {table.driver}")
    if file.initiator is not None:
        found.append("the program of [initiator]")
    return found


def open_probe(file: ProbeFile, wires: Wires = DIRECT) -> Probe:
    """The debug probe. Raises BenchError when it is not there."""
    if file.driver == "nrfjprog":
        from hil.probe.nrfjprog import NrfjprogProbe

        return NrfjprogProbe(
            unique_id=file.unique_id,
            frequency=file.frequency,
            auto_unlock=file.auto_unlock,
            reset_type=file.reset_type,
        )
    if file.driver == "nrfutil":
        from hil.probe.nrfutil import NrfutilProbe

        return NrfutilProbe(
            unique_id=file.unique_id, auto_unlock=file.auto_unlock, reset_type=file.reset_type
        )
    from hil.probe.pyocd import PyocdProbe

    return PyocdProbe(
        target=file.target,
        unique_id=file.unique_id,
        frequency=file.frequency,
        auto_unlock=file.auto_unlock,
        reset_type=file.reset_type,
        wires=wires,
    )


def open_supply(
    file: SupplyFile,
    wires: Wires = DIRECT,
    *,
    path: Callable[[str], Path],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
    current_trace: Path | None = None,
) -> Supply:
    """The power supply, within the rig file's limits. Raises BenchError when it is not there.

    `path` makes paths of the rig file absolute; `clock` and `sleep` are the bench's time; `current_trace` is where a
    supply that samples the current writes it.
    """
    if file.driver == "scpi":
        from hil.supply.profile import AUTO, named
        from hil.supply.scpi import ScpiSupply

        name = file.profile or AUTO
        own = path(name) if name.endswith(".toml") else None
        return ScpiSupply(
            file.resource or "",
            max_volts=file.max_volts,
            max_amperes=file.max_amperes or 0.0,
            channel=file.channel or 1,
            timeout_s=file.timeout_seconds,
            baud=file.baud,
            profile=None if name == AUTO else named(name, own),
            clock=clock,
            sleep=sleep,
            library=file.library or "@py",
            wires=wires,
        )
    if file.driver == "ppk2":
        from hil.supply.ppk2 import Ppk2

        return Ppk2(
            file.port or "",
            max_volts=file.max_volts,
            max_amperes=file.max_amperes or 0.0,
            timeout_s=file.timeout_seconds,
            trace=current_trace,
            clock=clock,
            sleep=sleep,
        )
    if file.driver == "relay":
        from hil.supply.relay import BAUD, Relay, lcus_message

        own_words = file.on_message is not None and file.off_message is not None
        channel = file.channel or 1
        return Relay(
            file.port or "",
            on_message=bytes.fromhex(file.on_message or "") if own_words else lcus_message(channel, True),
            off_message=bytes.fromhex(file.off_message or "") if own_words else lcus_message(channel, False),
            nominal_volts=file.nominal_volts,
            max_volts=file.max_volts,
            baud=file.baud or BAUD,
            timeout_s=file.timeout_seconds,
            wires=wires,
        )
    from hil.supply.uhubctl import UhubctlPort

    return UhubctlPort(
        file.hub or "",
        int(file.port or 0),
        nominal_volts=file.nominal_volts,
        max_volts=file.max_volts,
        program=file.program or "uhubctl",
        timeout_s=file.timeout_seconds,
    )


def open_console(
    file: ConsoleFile,
    log: Path | None,
    wires: Wires = DIRECT,
    *,
    rtt: Callable[[], Rtt | None],
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> SerialConsole:
    """The console; what the device prints is appended to `log`. Raises BenchError when the port is not there.

    `rtt` gives access to the device's RTT, None while the device has no power.
    """
    if file.driver == "rtt":
        from hil.console.rtt import RttPort
        from hil.console.serial import SerialConsole

        port = RttPort(rtt, channel=file.channel, poll_s=file.poll_seconds, now=clock, sleep=sleep)
        return SerialConsole(port, log=log, panic=file.panic)
    from hil.console.serial import open_console as open_serial

    return open_serial(file.port or "", file.baud, log=log, wires=wires, panic=file.panic)


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
