"""A device description as a team writes it: the bundled firmware, described as if it were somebody else's."""

from __future__ import annotations

from pathlib import Path

from intelhex import IntelHex

from hil.image.keys import bench_key
from hil.rig import files
from hil.rig.product import KEY_NAME, bundled_product
from hil.toolchain.builder import build

RIG = """
schema = 1
name = "theirs"
bench = "virtual"

[device]
name = "their device"
board = "nrf52840dk"
soc = "nRF52840"
firmware = "none"
transport = "ble"
flash_size = 0x100000
flash_page = 0x1000
swap = "offset"
supports = ["smp-serial", "resume-after-reset"]

[[device.slots]]
role = "primary"
start = 0x12000
size = 0x73000

[[device.slots]]
role = "secondary"
start = 0x85000
size = 0x74000

[device.ble]
name = "hil-dut"

[device.install]
files = ["boot.hex", "page.hex"]

[device.images]
{images}

[device.policy]
{policy}

[probe]
driver = "pyocd"
unique_id = "kit0"

[supply]
driver = "scpi"
resource = "ASRLhil://psu0?visa::INSTR"
nominal_volts = 3.0
max_volts = 3.6
max_amperes = 0.5

[central]
driver = "bumble"
transport = "hil:central"
address = "C0:FF:EE:00:00:01"

[console]
driver = "serial"
port = "hil://kit0/console"
"""
SIGNED_BY_US = """payload = "app.bin"
key = "key.pem"
vendor = "5b1d2c3e-7a54-5f0e-9d0c-1f6f1c0a7d11"
device_class = "9e0c8a47-51a2-5d6b-8a3f-62f3c0b4e922"
"""


def write(folder: Path, *, images: str = SIGNED_BY_US, policy: str = "", defect: str | None = None) -> Path:
    """The rig file with all that it names beside it; returns its path."""
    bundled = files.load("virtual")
    product = bundled_product(bundled.device)
    boot = IntelHex(str(build(defect=defect).boot.hex_path))
    boot.write_hex_file(str(folder / "boot.hex"))
    page = IntelHex()
    assert bundled.device.provisioning is not None
    page.frombytes(product.provisioning.page(), bundled.device.provisioning.start)
    page.write_hex_file(str(folder / "page.hex"))
    assert product.build.application is not None
    (folder / "app.bin").write_bytes(product.build.application.data)
    (folder / "key.pem").write_bytes(bench_key(KEY_NAME).private_pem())
    for version in ("1.0.0", "1.1.0", "1.2.0"):
        (folder / f"{version}.bin").write_bytes(product.images().make(version).data)
    path = folder / "theirs.toml"
    path.write_text(RIG.format(images=images, policy=policy))
    return path
