"""In the guest: updates the kit through BlueZ with hil's own client and bleak as it is; tells each step as a
line of JSON.
"""

import asyncio
import importlib.metadata
import json
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from bleak import BleakScanner

from hil.ble.central import Central
from hil.ble.uuids import SMP_SERVICE
from hil.dfu.reach import BleReach
from hil.dfu.update import Update
from hil.image.mcuboot import parse_image

NAME = "hil-dut"
IMAGE = Path("/exchange/update.bin")
PATIENCE_S = 120.0
"""An emulated machine on a busy host is slow."""


@dataclass(frozen=True)
class Image:
    """An image that was signed elsewhere."""

    data: bytes
    hash: bytes
    version: object


def tell(step: str, **what: object) -> None:
    print("guest-step " + json.dumps({"step": step, **what}), flush=True)


async def adapter_is_there() -> None:
    """BlueZ needs a moment to set the controller up."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        subprocess.run(["bluetoothctl", "power", "on"], capture_output=True, timeout=60, check=False)
        try:
            async with BleakScanner():
                return
        except Exception as error:
            if time.monotonic() > deadline:
                raise
            print(f"guest: waiting for the adapter: {type(error).__name__}: {error}", flush=True)
            await asyncio.sleep(1.0)


async def look(central: Central) -> None:
    """Find the kit by each of the things it can be found by."""
    by_name = await central.find(name=NAME, timeout_s=PATIENCE_S)
    tell("found by name", address=by_name.address, services=by_name.services)
    by_service = await central.find(service=SMP_SERVICE, timeout_s=PATIENCE_S)
    tell("found by service", address=by_service.address)
    by_address = await central.find(address=by_name.address.lower(), timeout_s=PATIENCE_S)
    tell("found by address", name=by_address.name)


def main() -> None:
    loop = asyncio.new_event_loop()
    bluez = subprocess.run(
        ["/usr/libexec/bluetooth/bluetoothd", "--version"], capture_output=True, text=True, check=True
    )
    tell(
        "versions",
        bluez=bluez.stdout.strip(),
        bleak=importlib.metadata.version("bleak"),
        python=sys.version.split()[0],
    )
    loop.run_until_complete(adapter_is_there())
    central = Central(None)
    loop.run_until_complete(look(central))
    reach = BleReach(central, name=NAME)
    update = Update(loop.run_until_complete, reach)
    versions = [state.version for state in update.states()]
    tell("states", versions=versions, mtu=mtu(reach), link=loop.run_until_complete(link(reach)))
    update.close()
    tell("reconnected", versions=[state.version for state in update.states()], mtu=mtu(reach))
    data = IMAGE.read_bytes()
    parsed = parse_image(data)
    image = Image(data, parsed.hash, parsed.header.version)
    began = time.monotonic()
    transfer = update.start(image)
    transfer.run_until(fraction=0.5)
    transfer.drop_link()
    tell("link dropped", offset=transfer.offset, total=transfer.total)
    outcome = update.resume(transfer)
    tell(
        "uploaded",
        resent=outcome.resent_bytes,
        window=outcome.window_bytes,
        seconds=round(time.monotonic() - began, 1),
        mtu=mtu(reach),
    )
    done = update.activate(image)
    tell("updated", versions=[str(state) for state in done])


async def link(reach: BleReach) -> dict[str, object]:
    """What the operating system tells of the link, which is nothing."""
    assert reach.connection is not None
    of = reach.connection.link
    return {
        "phy": await of.phy(),
        "data_length": of.data_length(),
        "parameters": of.parameters(),
    }


def mtu(reach: BleReach) -> int:
    assert reach.connection is not None
    return reach.connection.client.mtu_size


main()
