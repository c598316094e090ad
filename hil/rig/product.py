"""The bundled device as a product: its firmware, the key that signs for it, and what its provisioning page says."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID

from hil.errors import InputError
from hil.image.factory import ImageFactory
from hil.image.keys import SigningKey, bench_key
from hil.image.provisioning import Provisioning, PublicKey
from hil.rig.schema import DeviceFile
from hil.toolchain.builder import FirmwareBuild, build

# Made up for the bundled device: a UUID of version 5 says nothing but that it is not somebody else's.
VENDOR = UUID("5b1d2c3e-7a54-5f0e-9d0c-1f6f1c0a7d11")
DEVICE_CLASS = UUID("9e0c8a47-51a2-5d6b-8a3f-62f3c0b4e922")
KEY_NAME = "product"


@dataclass(frozen=True)
class Product:
    """What a kit is provisioned with."""

    build: FirmwareBuild
    key: SigningKey
    provisioning: Provisioning
    device: DeviceFile

    @property
    def bootloader(self) -> bytes:
        """The bootloader's binary."""
        return self.build.boot.data

    def variant(self, name: str) -> bytes:
        """Another variant of the bootloader (hil.toolchain.variants), with the defect of this one if it has any."""
        return build(name, defect=self.build.defect, application=False).boot.data

    def images(self) -> ImageFactory:
        """Signs variants of the bundled application for this product."""
        if self.build.application is None:
            raise InputError("the firmware was built without its application")
        return ImageFactory(
            self.build.application.data,
            self.key,
            vendor=self.provisioning.vendor,
            device_class=self.provisioning.device_class,
            slot_size=self.device.slot("primary").size,
        )


def bundled_product(device: DeviceFile, *, defect: str | None = None) -> Product:
    """The bundled firmware, built when needed, as a product with the device's thresholds.

    `defect` builds a bootloader with that check left out, to see that the case for it fails.
    """
    algorithm = "ecdsa-p256"
    key = bench_key(KEY_NAME, algorithm)
    battery = device.battery
    provisioning = Provisioning(
        keys=(PublicKey.from_raw(key.public_raw),), vendor=VENDOR, device_class=DEVICE_CLASS
    )
    if battery is not None:
        provisioning = Provisioning(
            keys=provisioning.keys,
            vendor=VENDOR,
            device_class=DEVICE_CLASS,
            battery_empty_mv=round(battery.empty_volts * 1000),
            battery_full_mv=round(battery.full_volts * 1000),
            upload_minimum_percent=round(battery.upload_minimum),
            swap_minimum_percent=round(battery.swap_minimum),
        )
    return Product(build(defect=defect), key, provisioning, device)
