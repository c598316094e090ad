"""[device]: the device under test."""

from __future__ import annotations

import itertools
from typing import Literal

from pydantic import Field, model_validator

from hil.rig.schema.base import BleAddress, Offset, Percent, Size, Table, Text, Uuid
from hil.tomlfile import Mistake

Feature = Literal[
    "behaviours",
    "hostile-app",
    "provisioning",
    "smp-serial",
    "battery",
    "resume-after-reset",
    "throughput-sink",
    "refusal-reason",
    "boot-log",
    "factory-reset",
    "security-counter",
    "hardware-id",
    "dependencies",
    "encrypted-images",
]


def _key(region: str) -> tuple[str | int, ...]:
    """The key of a region by its name: `slots[1]` is entry 1 of the list `slots`."""
    name, _, index = region.rstrip("]").partition("[")
    return (name, int(index)) if index else (name,)


class Region(Table):
    """A stretch of flash."""

    start: Offset = Field(description="first address, bytes")
    size: Size = Field(description="length, bytes")

    @property
    def end(self) -> int:
        """The address after the last byte."""
        return self.start + self.size


class Slot(Region):
    """Where an image lives. A device of several images has a primary and a secondary slot for each number."""

    image: int = Field(default=0, ge=0, le=15, description="image number, as SMP and MCUboot count them")
    role: Literal["primary", "secondary", "scratch"] = Field(
        description="primary: runs from here; secondary: updates land here; scratch: swap area of swap-scratch"
    )


class Battery(Table):
    """How the device reckons its battery: percent rises linearly from `empty_volts` to `full_volts` at its supply."""

    empty_volts: float = Field(gt=0, le=60, description="voltage that the device calls 0 %, V")
    full_volts: float = Field(gt=0, le=60, description="voltage that the device calls 100 %, V")
    upload_minimum: Percent = Field(default=20.0, description="below this the device refuses an upload, %")
    swap_minimum: Percent = Field(default=15.0, description="below this the bootloader starts no swap, %")

    @model_validator(mode="after")
    def _ordered(self) -> Battery:
        if self.empty_volts >= self.full_volts:
            raise Mistake(
                f"expected empty_volts below full_volts, got {self.empty_volts:g} and {self.full_volts:g}",
                "empty_volts",
            )
        return self

    def volts(self, percent: float) -> float:
        """The supply voltage, V, at which the device reads `percent`."""
        return self.empty_volts + (self.full_volts - self.empty_volts) * percent / 100.0


class Policy(Table):
    """What the device itself promises to refuse; cases judge it against its own policy."""

    version: Literal["strictly-greater", "not-lower", "counter-only"] = Field(
        default="strictly-greater", description="which image versions are taken as an update"
    )
    build_number: bool = Field(
        default=True, description="whether the version's build number counts in that comparison"
    )
    security_counter: bool = Field(default=True, description="whether a lower security counter is refused")


class Limits(Table):
    """[device.limits]: what the device cannot exceed by its build; throughput is held against it.

    A key that is absent says that the device has no such limit, or that it is not known.
    """

    hci_baud: int | None = Field(
        default=None,
        ge=9_600,
        le=4_000_000,
        description="bit rate of the UART between the device's controller and its host, bit/s",
    )
    flash_write_rate: float | None = Field(
        default=None, gt=0, le=1e9, description="writing erased flash, bytes/s"
    )
    flash_erase_seconds: float | None = Field(
        default=None, gt=0, le=60, description="time to erase one page, s"
    )
    processing_rate: float | None = Field(
        default=None,
        gt=0,
        le=1e9,
        description="what the processor takes in and checks of an upload between the flash's operations, bytes/s; its "
        "time adds to theirs, as it does where the code runs from that flash",
    )


class Ble(Table):
    """How the central finds the device."""

    name: Text | None = Field(default=None, description="advertised local name")
    service: Uuid = Field(
        default="8d53dc1d-1db7-4cd3-868b-8a527460aa84",
        description="service to look for; SMP's unless said otherwise",
    )
    address: BleAddress | None = Field(
        default=None, description="the device's address; without it name and service decide"
    )


class ImagesFile(Table):
    """[device.images]: where the images of a device that is not ours come from.

    With `payload` and `key` hil signs every version that a case asks for. With `files` alone the cases have those
    versions and no others. Paths are relative to the rig file.
    """

    payload: Text | None = Field(
        default=None, description="the application, from its vector table on (.bin or .hex)"
    )
    key: Text | None = Field(default=None, description="private key in PEM that signs for the device")
    vendor: Uuid | None = Field(default=None, description="vendor id that goes into each image")
    device_class: Uuid | None = Field(default=None, description="class id that goes into each image")
    files: list[Text] = Field(default_factory=list, description="images that are signed already")

    @model_validator(mode="after")
    def _has_a_source(self) -> ImagesFile:
        if (self.payload is None) != (self.key is None):
            raise ValueError("payload and key go together: without a key nothing can be signed")
        if (self.payload is None) == (not self.files):
            raise ValueError("give either payload and key, or files")
        return self


class InstallFile(Table):
    """[device.install]: what is written over SWD before each case, into an erased chip. Without it the device is used
    as it is. Paths are relative to the rig file.
    """

    files: list[Text] = Field(min_length=1, description="Intel HEX files, such as the bootloader's")
    base_image: bool = Field(
        default=True, description="write the cases' base image into the primary slot as well"
    )


class DeviceFile(Table):
    """[device]: the device under test."""

    name: Text = Field(description="what people call the device")
    board: Text = Field(description="board, e.g. nrf52840dk")
    soc: Text = Field(description="system on chip, e.g. nRF52840")
    firmware: Literal["bundled", "none"] = Field(
        default="bundled",
        description="bundled: cases provision hil's own bootloader and application; none: the device is used as it is",
    )
    protocol: Literal["smp"] = Field(default="smp", description="update protocol")
    transport: Literal["ble", "serial"] = Field(default="ble", description="what carries the update protocol")
    flash_size: Size = Field(description="internal flash, bytes")
    flash_page: Size = Field(description="smallest erasable unit of the flash, bytes")
    header_size: Size = Field(
        default=0x200, description="bytes from the start of an image to its first instruction table"
    )
    swap: Literal["offset", "move", "scratch", "overwrite", "none"] = Field(
        default="offset", description="how the bootloader exchanges the slots, in MCUboot's words"
    )
    bootloader: Region | None = Field(default=None, description="flash that belongs to the bootloader")
    provisioning: Region | None = Field(
        default=None, description="flash page with keys and policy, written over SWD"
    )
    counter: Region | None = Field(
        default=None, description="flash page with the highest confirmed security counter"
    )
    settings: Region | None = Field(default=None, description="flash pages with the application's settings")
    slots: list[Slot] = Field(min_length=1, description="the slot map, one entry a slot")
    ble: Ble = Field(default_factory=Ble, description="how the central finds the device")
    battery: Battery | None = Field(
        default=None, description="battery thresholds; absent: the device has no such guard"
    )
    images: ImagesFile | None = Field(
        default=None, description="images of a device whose firmware is not bundled"
    )
    install: InstallFile | None = Field(default=None, description="what is written before each case")
    policy: Policy = Field(default_factory=Policy, description="what the device itself promises to refuse")
    limits: Limits = Field(default_factory=Limits, description="what the device cannot exceed by its build")
    supports: list[Feature] = Field(
        default_factory=list, description="features that a case may need of the device"
    )

    @model_validator(mode="after")
    def _map_fits(self) -> DeviceFile:
        regions = self.regions()
        for name, region in regions:
            for edge, value in (("start", region.start), ("size", region.size)):
                if value % self.flash_page:
                    raise Mistake(
                        f"expected whole pages of 0x{self.flash_page:x} bytes, got 0x{value:x}",
                        *_key(name),
                        edge,
                    )
            if region.end > self.flash_size:
                raise Mistake(
                    f"ends at 0x{region.end:x}, past the flash of 0x{self.flash_size:x} bytes",
                    *_key(name),
                    "size",
                )
        for (name, region), (other, after) in itertools.combinations(regions, 2):
            if region.start < after.end and after.start < region.end:
                raise Mistake(
                    f"{name} (0x{region.start:x} to 0x{region.end:x}) and "
                    f"{other} (0x{after.start:x} to 0x{after.end:x}) overlap",
                    *_key(other),
                    "start",
                )
        roles = [(slot.image, slot.role) for slot in self.slots]
        for index, (image, role) in enumerate(roles):
            if (image, role) in roles[:index]:
                raise Mistake(f"image {image} has more than one {role} slot", "slots", index)
        for index, (image, role) in enumerate(roles):
            if (image, "primary") not in roles and role != "scratch":
                raise Mistake(f"image {image} has no primary slot", "slots", index)
        return self

    def regions(self) -> list[tuple[str, Region]]:
        """Every named stretch of flash, by its name in the rig file."""
        named = [
            ("bootloader", self.bootloader),
            ("provisioning", self.provisioning),
            ("counter", self.counter),
            ("settings", self.settings),
        ]
        found = [(name, region) for name, region in named if region is not None]
        return found + [(f"slots[{index}]", slot) for index, slot in enumerate(self.slots)]

    def slot(self, role: str, image: int = 0) -> Slot:
        """The slot of `role` for image number `image`. Raises KeyError when the device has none."""
        for slot in self.slots:
            if (slot.image, slot.role) == (image, role):
                return slot
        raise KeyError(f"the device has no {role} slot for image {image}")
