"""What each instrument is asked to do, so that its whole way to the device is seen to work."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from hil.ble.central import Seen
from hil.dfu.reach import SerialReach
from hil.dfu.session import Session
from hil.errors import BenchError, DeviceError
from hil.rig.device import Device
from hil.rig.rig import Rig

RAM = 0x2000_2000
"""Where in RAM a pattern is written, well above the vectors of what runs there; the device is reset
afterwards.
"""
PATTERN_BYTES = 256
FICR_PART = 0x1000_0100
"""INFO.PART of the nRF52 family (nRF52840 Product Specification, FICR)."""
OFF_VOLTS = 0.3
SETTLE_S = 0.2
OFF_S = 1.0
FIND_S = 15.0
SCAN_S = 3.0
ADAPTER_S = 0.5
"""How long the system's adapter has to listen to show that it can, s."""


@dataclass(frozen=True)
class Said:
    """What a step that went well has to tell, and its figures."""

    text: str
    figures: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Step:
    """One thing to try. `after` names steps ("supply: identity") without which it makes no sense."""

    instrument: str
    name: str
    run: Callable[[], Said]
    after: tuple[str, ...] = ()


def steps(rig: Rig) -> list[Step]:
    """The steps for the instruments of a rig, in their order."""
    file = rig.file
    found: list[Step] = []
    powered: tuple[str, ...] = ()
    if file.supply is not None:
        found += [
            Step("supply", "identity", lambda: Said(rig.supply.identity())),
            Step("supply", "voltage", lambda: _voltage(rig), ("supply: identity",)),
            Step("supply", "current", lambda: _current(rig), ("supply: voltage",)),
        ]
        powered = ("supply: voltage",)
    if file.probe is not None:
        found += [
            Step("probe", "identity", lambda: _probe(rig), powered),
            Step("probe", "memory", lambda: _memory(rig), ("probe: identity",)),
            Step("probe", "core", lambda: _core(rig), ("probe: memory",)),
        ]
    if file.device.firmware == "bundled" and file.probe is not None and file.supply is not None:
        found.append(Step("device", "firmware", lambda: _firmware(rig), ("probe: core",)))
        powered = ("device: firmware",)
    if file.console is not None:
        found.append(Step("console", "open", lambda: _console(rig)))
        found.append(Step("console", "answers", lambda: _answers(rig), ("console: open", *powered)))
    if file.central is not None:
        found.append(Step("central", "adapter", lambda: _central(rig)))
        found.append(Step("central", "connects", lambda: _connects(rig), ("central: adapter", *powered)))
    if file.spare is not None:
        found.append(Step("spare", "adapter", lambda: _spare(rig)))
    return found


def _voltage(rig: Rig) -> Said:
    table = rig.file.supply
    assert table is not None
    supply, told = rig.supply, []
    if not table.measures_volts:
        supply.set_volts(table.nominal_volts)
        supply.on()
        rig.sleep(SETTLE_S)
        return Said(f"on at {table.nominal_volts:.2f} V; this supply has no voltmeter")
    for volts in (0.9 * table.nominal_volts, table.nominal_volts):
        supply.set_volts(volts)
        supply.on()
        rig.sleep(SETTLE_S)
        found = supply.measure_volts()
        if abs(found - volts) > max(0.05, 0.05 * volts):
            raise BenchError(
                f"supply: set to {volts:.2f} V it measures {found:.3f} V; look at the current limit of "
                f"{table.max_amperes:g} A, the leads and the channel"
            )
        told.append(f"{found:.3f} V at {volts:.2f} V set")
    return Said(", ".join(told), {"volts": told})


def _current(rig: Rig) -> Said:
    table = rig.file.supply
    assert table is not None
    if not table.measures_amperes or table.max_amperes is None:
        return Said("this supply has no ammeter")
    found = rig.supply.measure_amperes()
    if found >= 0.98 * table.max_amperes:
        raise BenchError(
            f"supply: {found:.3f} A flow, the limit of {table.max_amperes:g} A: a short circuit, or max_amperes is "
            "too low"
        )
    if found <= 0.0:
        raise BenchError(
            "supply: no current flows: the device is not connected to this output, is fed by something else, or takes "
            f"more than the limit of {table.max_amperes:g} A, so that it does not start"
        )
    return Said(f"{found * 1000:.2f} mA flow into the device", {"amperes": found})


def _probe(rig: Rig) -> Said:
    text = rig.probe.identity()
    if rig.probe.locked():
        raise BenchError(
            f"probe: {text} answers, but the chip is locked (APPROTECT): recover() in a case erases it and opens it"
        )
    part = rig.probe.read_words(FICR_PART, 1)[0] if rig.file.device.soc.lower().startswith("nrf52") else None
    return Said(text if part is None else f"{text}; the chip says nRF{part:x}", {"part": part})


def _memory(rig: Rig) -> Said:
    pattern = random.Random(0).randbytes(PATTERN_BYTES)
    probe = rig.probe
    probe.halt()
    kept = probe.read(RAM, PATTERN_BYTES)
    probe.write(RAM, pattern)
    back = probe.read(RAM, PATTERN_BYTES)
    probe.write(RAM, kept)
    if back != pattern:
        wrong = sum(a != b for a, b in zip(back, pattern, strict=True))
        raise BenchError(
            f"probe: {wrong} of {PATTERN_BYTES} bytes of RAM read back wrong; lower [probe] frequency, shorten the "
            "leads"
        )
    return Said(f"{PATTERN_BYTES} bytes of RAM written and read back")


def _core(rig: Rig) -> Said:
    probe = rig.probe
    probe.reset(halt=True)
    table = rig.file.probe
    if table is not None and table.driver == "nrfutil":  # which reads no registers
        where = ""
        if probe.is_running():
            raise BenchError("probe: the core runs although it was halted")
    else:
        where = f" at 0x{probe.registers()['pc']:08x}"
    probe.run()
    probe.reset()
    rig.release_probe()
    return Said(f"reset, halted{where}, and let run")


def _firmware(rig: Rig) -> Said:
    """The bundled firmware, as each case puts it there."""
    from hil.rig.product import bundled_product

    product = bundled_product(rig.file.device)
    image = product.images().make("1.0.0")
    Device(rig).provision(
        bootloader=product.bootloader, provisioning=product.provisioning.page(), image=image
    )
    return Said(f"bootloader, provisioning page and application {image.version} written and verified")


def _console(rig: Rig) -> Said:
    rig.console.pump()
    table = rig.file.console
    assert table is not None
    return Said(
        f"{table.port} is open" if table.driver == "serial" else f"RTT channel {table.channel}, by the probe"
    )


def _answers(rig: Rig) -> Said:
    """The device prints when it starts, or answers an echo."""
    rig.console.skip()
    before = len(rig.console.lines)
    if rig.file.supply is not None:
        Device(rig).power_cycle()
    elif rig.file.probe is not None:
        Device(rig).reset()
    rig.sleep(2.0)
    lines = rig.console.lines[before:]
    if lines:
        return Said(f'the device prints: "{lines[0].text[:60]}"')
    if "smp-serial" in rig.file.device.supports:
        session = Session(SerialReach(rig.console))
        try:
            if rig.run(session.echo("hil")) == "hil":
                return Said("the device answers an SMP echo")
        finally:
            rig.run(session.close())
    raise DeviceError(
        "console: the device printed nothing in 2 s after its start; look at the pins (TXD and RXD crossed?), the "
        "bit rate, and whether its firmware prints at all"
    )


def _central(rig: Rig) -> Said:
    controls = rig.central.controls_link
    if not controls:
        # Opening the system's adapter asks nothing of it: only its use tells whether it is there, on and allowed.
        rig.run(rig.central.scan(ADAPTER_S))
    table = rig.file.central
    where = (table.transport or table.adapter or "the default adapter") if table is not None else ""
    return Said(f"{where} answers; PHY, data length and interval {'can' if controls else 'cannot'} be set")


def _is_meant(seen: Seen, name: str | None, service: str) -> bool:
    return seen.name == name if name is not None else service.lower() in seen.services


def _connects(rig: Rig) -> Said:
    async def connect() -> tuple[str, int]:
        ble = rig.file.device.ble
        if ble.address is None:
            everyone = await rig.central.scan(SCAN_S)
            same = [each for each in everyone if _is_meant(each, ble.name, ble.service)]
            if len(same) > 1:
                listed = ", ".join(f"{each.address} at {each.rssi} dBm" for each in same[:5])
                what = f"name {ble.name}" if ble.name is not None else f"service {ble.service}"
                raise BenchError(
                    f"central: {len(same)} devices advertise the {what}: {listed}; say which by device.ble.address, or "
                    "switch the others off"
                )
        seen = await rig.central.find(name=ble.name, address=ble.address, service=None, timeout_s=FIND_S)
        connection = await rig.central.connect(seen)
        try:
            return seen.address, connection.client.mtu_size
        finally:
            await connection.disconnect()

    # The adapter is opened before: what opens it runs the loop itself.
    _ = rig.central
    address, mtu = rig.run(connect())
    return Said(f"found at {address} and connected to, ATT MTU {mtu}", {"mtu": mtu})


def _spare(rig: Rig) -> Said:
    address = rig.spare.device.random_address
    table = rig.file.spare
    return Said(f"{table.transport if table is not None else ''} answers; it advertises as {address}")
