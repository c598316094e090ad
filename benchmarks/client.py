"""Our SMP client against smpclient: the same device, link and image, side by side, on the virtual bench.

    python -m benchmarks.client [--size BYTES] [--cells "PHY/MTU/DLE/INTERVAL ..."]

Both upload into a slot that was erased ahead. smpclient runs unmodified, by its own BLE transport and bleak; only PHY,
data length, interval and ATT MTU, which it cannot ask for, are set for it. Asked for: twice its rate wherever it stays
below half of the ceiling, and never slower.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from smpclient import SMPClient
from smpclient.transport.ble import SMPBLETransport

from hil.ble.bleak_platform import bleak_on
from hil.ble.cell import narrowest
from hil.ble.client import BumbleClient
from hil.ble.radio import Radio
from hil.dfu.update import Update
from hil.image.sign import SignedImage
from hil.rig import files
from hil.rig.device import Device
from hil.rig.product import Product, bundled_product
from hil.rig.rig import Rig, open_rig
from hil.throughput.matrix import Matrix, Setting
from hil.throughput.measure import Bench

CELLS = (
    "1M/23/27/15 1M/23/251/45 1M/65/251/45 1M/185/251/30 1M/247/27/15 1M/247/251/15 1M/498/251/45 "
    "2M/23/251/15 2M/65/251/30 2M/247/251/7.5 2M/247/251/45 2M/498/251/15 2M/498/251/100"
)


def parsed(cell: str) -> Setting:
    """A cell such as 2M/247/251/15."""
    phy, mtu, octets, interval = cell.split("/")
    assert phy in ("1M", "2M"), phy
    return Setting("1M" if phy == "1M" else "2M", int(mtu), int(octets), float(interval))


def theirs(rig: Rig, setting: Setting, image: SignedImage) -> float:
    """Bytes per second of smpclient's upload, from its first request to its last answer."""
    radio = rig.central.radio
    assert radio is not None

    async def upload() -> float:
        async with SMPClient(SMPBLETransport(), rig.file.device.ble.name or "", timeout_s=60) as client:
            backend = client._transport._client._backend  # type: ignore[attr-defined]
            await backend.link.set_data_length(setting.data_length)
            await backend.link.set_phy(setting.phy)
            began = rig.clock()
            async for _ in client.upload(image.data):
                pass
            return len(image.data) / (rig.clock() - began)

    with bleak_on(_asking(radio, setting)):
        return rig.run(upload())


def _asking(radio: Radio, setting: Setting) -> Radio:
    """The radio with a bleak backend that asks for the cell's ATT MTU and interval, as a system's settings would."""
    base: type[BumbleClient] = radio.client_backend

    class Asking(base):  # type: ignore[misc, valid-type]
        def __init__(self, *words: object, **options: object) -> None:
            super().__init__(*words, **options | {"mtu": setting.mtu, "interval_ms": setting.interval_ms})

    radio.client_backend = Asking
    return radio


def measure(setting: Setting, size: int) -> tuple[float, float, float]:
    """Ours, theirs, and the ceiling of an upload, bytes/s."""
    file = files.load("virtual")
    product: Product = bundled_product(file.device)
    matrix = Matrix(schema=1, name="client", payload_bytes=size)
    images = product.images()
    with tempfile.TemporaryDirectory() as folder, open_rig(file) as rig:
        rig.begin_case("BENCHMARK", 1, Path(folder))
        dut = Device(rig)
        dut.provision(
            bootloader=product.bootloader,
            provisioning=product.provisioning.page(),
            image=images.make("1.0.0"),
        )
        dut.wait_booted()
        image = images.make("1.1.0", size=size)
        ours = Bench(rig, matrix, dut, image).measure(setting, "dfu")
        update = Update(rig.run, dut.air())
        update.erase()
        update.close()
        their_rate = theirs(rig, setting, image)
        rig.end_case(failed=False)
    return ours.bytes_per_second, their_rate, narrowest(ours.stages).bytes_per_second


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--size", type=int, default=256 * 1024, help="bytes of the image (default: 262144)")
    parser.add_argument("--cells", default=CELLS, help="PHY/MTU/DLE/INTERVAL, apart by spaces")
    arguments = parser.parse_args()
    print("cell                     ours  smpclient   ratio   ceiling   ours of it  smpclient of it   (kB/s)")
    for name in arguments.cells.split():
        ours, their_rate, ceiling = measure(parsed(name), arguments.size)
        asked = 2.0 if their_rate < ceiling / 2 else 1.0
        verdict = "" if ours / their_rate >= asked else f"  below the {asked:g} that was asked for"
        print(
            f"{name:20s} {ours / 1000:8.1f} {their_rate / 1000:10.1f} {ours / their_rate:7.2f} {ceiling / 1000:9.1f}"
            f" {ours / ceiling:12.0%} {their_rate / ceiling:16.0%}{verdict}",
            flush=True,
        )


if __name__ == "__main__":
    main()
