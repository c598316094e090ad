"""A virtual kit with the real bootloader on it, for the bootloader's own tests."""

from __future__ import annotations

import functools
import random
import struct
from uuid import UUID

from hil.image.keys import SigningKey, bench_key
from hil.image.mcuboot import ImageVersion
from hil.image.provisioning import PROVISIONING_ADDRESS, Policy, Provisioning, PublicKey
from hil.image.sign import sign_image
from hil.toolchain import build
from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.kit import Kit

VENDOR = UUID("7f0c1d1c-6a3e-4a0b-9b5e-2d1f8f6f0a01")
CLASS = UUID("7f0c1d1c-6a3e-4a0b-9b5e-2d1f8f6f0a02")
PRIMARY, PRIMARY_END = 0x12000, 0x85000
SECONDARY, UPDATE, SECONDARY_END = 0x85000, 0x86000, 0xF9000
COUNTER = 0x11000
MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")
SET = b"\x01\xff\xff\xff"


def key(algorithm: str = "ecdsa-p256") -> SigningKey:
    return bench_key("bootloader tests", algorithm)


def provisioning(algorithm: str = "ecdsa-p256", policy: Policy = Policy.NONE, **changes: int) -> Provisioning:
    keys = (PublicKey.from_raw(key(algorithm).public_raw),)
    return Provisioning(keys, VENDOR, CLASS, policy=policy, **changes)  # type: ignore[arg-type]


def payload(size: int = 5000, seed: int = 0) -> bytes:
    """A vector table, then a program that sleeps for good, then seeded filler."""
    vectors = struct.pack("<II", 0x2003FF00, PRIMARY + 0x200 + 0x100 + 1).ljust(0x100, b"\0")
    sleep_loop = bytes.fromhex("30bffde7")
    return vectors + sleep_loop + random.Random(seed).randbytes(size - 0x104)


@functools.cache
def image(
    version: str,
    size: int = 5000,
    *,
    algorithm: str = "ecdsa-p256",
    signer: str = "",
    counter: int | None = None,
    vendor: UUID | None = VENDOR,
    device_class: UUID | None = CLASS,
    depends_on: str = "",
) -> bytes:
    signed_by = bench_key(signer, algorithm) if signer else key(algorithm)
    signed = sign_image(
        payload(size, ImageVersion.parse(version).minor),
        signed_by,
        ImageVersion.parse(version),
        security_counter=counter,
        vendor=vendor,
        device_class=device_class,
        dependencies={0: ImageVersion.parse(depends_on)} if depends_on else None,
        slot_size=PRIMARY_END - PRIMARY,
    )
    return signed.data


class Console:
    """The far end of the kit's console."""

    def __init__(self) -> None:
        self.text = ""

    def receive(self, data: bytes) -> None:
        self.text += data.decode("ascii", "replace")


class Device:
    """A kit at 3 V that runs the bootloader; nothing has run yet. `volts` may be changed at any time."""

    def __init__(
        self,
        variant: str = "p256",
        *,
        defect: str | None = None,
        seed: int = 1,
        page: Provisioning | None = None,
    ) -> None:
        self.kernel = Kernel(seed)
        self.kit = Kit(self.kernel)
        self.console = Console()
        self.kit.console.far_end = self.console
        self.write(0, build(variant, defect=defect, application=False).boot.data)
        self.write(PROVISIONING_ADDRESS, (page or provisioning()).page())

    def write(self, address: int, data: bytes) -> None:
        self.kit.soc.memory.write(address, data)

    def read(self, address: int, length: int) -> bytes:
        return bytes(self.kit.soc.memory.read(address, length))

    def erase(self, start: int, end: int) -> None:
        self.write(start, b"\xff" * (end - start))

    def install(self, data: bytes) -> None:
        """As a probe programs it: no trailer."""
        self.write(PRIMARY, data)

    def request(self, data: bytes, *, permanent: bool = False) -> None:
        """As the application leaves an uploaded update: image, image_ok if permanent, magic."""
        self.write(UPDATE, data)
        if permanent:
            self.write(SECONDARY_END - 24, SET)
        self.write(SECONDARY_END - 16, MAGIC)

    def confirm(self) -> None:
        self.write(PRIMARY_END - 24, SET)

    @property
    def volts(self) -> float:
        return self.kit.rail.voltage()

    @volts.setter
    def volts(self, volts: float) -> None:
        self.kit.rail.set_voltage(volts)

    def advance(self, milliseconds: float) -> None:
        self.kernel.advance(self.kernel.now + int(milliseconds * TICKS_PER_MS))

    def settle(self, limit_ms: int = 20_000) -> str:
        """Runs until an image was started, nothing can be, or the power went; returns the console since then."""
        for _ in range(limit_ms // 20):
            self.advance(20)
            last = self.console.text.rstrip("\r\n").rpartition("\n")[2]
            if " starts" in last and "steps" not in last and last.startswith("boot: image"):
                break
            if "waiting for a probe" in last or "nothing is started" in last or self.kit.faults.cut_happened:
                break
        text, self.console.text = self.console.text, ""
        return text

    def power_cycle(self) -> str:
        """Off, on, and the console until it settles."""
        self.kit.faults.cut_power()
        self.advance(50)
        return self.power_on()

    def power_on(self) -> str:
        self.kit.faults.cut_happened = False
        self.kit.faults.restore_power()
        return self.settle()

    def start(self) -> str:
        """First power-on at 3 V."""
        self.volts = 3.0
        return self.settle()
