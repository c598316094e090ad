"""What a rig file says: a bench, the device on it, and the instrument for each job.

A rig file is TOML. Volts are V, currents A, resistances ohm, times s, addresses and sizes bytes, frequencies Hz. Keys
that are not listed here are refused. The file describes a bench of any kind in the same words: on the virtual bench the
drivers are the real ones, and only the addresses of the instruments (`hil://...`) differ.
"""

from __future__ import annotations

import datetime
import itertools
import re
import string
from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, PrivateAttr, model_validator

SCHEMA_VERSION = 1

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
Capability = Literal[
    "probe",
    "supply",
    "supply.ramp",
    "console",
    "central",
    "link.phy",
    "link.data-length",
    "link.interval",
    "btsnoop",
    "faults",
    "spare-controller",
    "initiator",
]


def _uuid(text: str) -> str:
    if re.fullmatch(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}", text) is None:
        raise ValueError(f'expected a UUID such as 8d53dc1d-1db7-4cd3-868b-8a527460aa84, got "{text}"')
    return text.lower()


def _address(text: str) -> str:
    if re.fullmatch(r"([0-9a-fA-F]{2}:){5}[0-9a-fA-F]{2}", text) is None:
        raise ValueError(f'expected a Bluetooth address such as C0:FF:EE:00:00:01, got "{text}"')
    return text.upper()


def _name(text: str) -> str:
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", text) is None:
        raise ValueError(f'expected 1 to 64 letters, digits, ".", "_" or "-", got "{text}"')
    return text


Uuid = Annotated[str, AfterValidator(_uuid)]
BleAddress = Annotated[str, AfterValidator(_address)]
ShortName = Annotated[str, AfterValidator(_name)]
Percent = Annotated[float, Field(ge=0, le=100)]
Offset = Annotated[int, Field(ge=0, le=0xFFFF_FFFF)]
Size = Annotated[int, Field(gt=0, le=0xFFFF_FFFF)]
Text = Annotated[str, Field(min_length=1, max_length=200)]


class Table(BaseModel):
    """A table of a rig file: unknown keys and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, populate_by_name=True)


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
            raise ValueError(
                f"expected empty_volts below full_volts, got {self.empty_volts:g} and {self.full_volts:g}"
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
            if region.start % self.flash_page or region.size % self.flash_page:
                raise ValueError(f"{name}: expected start and size in whole pages of {self.flash_page} bytes")
            if region.end > self.flash_size:
                raise ValueError(
                    f"{name}: ends at 0x{region.end:x}, past the flash of 0x{self.flash_size:x} bytes"
                )
        for (name, region), (other, after) in itertools.combinations(regions, 2):
            if region.start < after.end and after.start < region.end:
                raise ValueError(f"{name} and {other} overlap")
        roles = [(slot.image, slot.role) for slot in self.slots]
        for image, role in roles:
            if roles.count((image, role)) > 1:
                raise ValueError(f"slots: image {image} has more than one {role} slot")
            if (image, "primary") not in roles and role != "scratch":
                raise ValueError(f"slots: image {image} has no primary slot")
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


class Calibration(Table):
    """When an instrument was calibrated, and by whom; without it its figures are recorded as not calibrated."""

    date: datetime.date = Field(description="when, e.g. 2026-03-01")
    due: datetime.date | None = Field(default=None, description="until when that holds")
    laboratory: Text | None = Field(default=None, description="by whom")
    certificate: Text | None = Field(default=None, description="number of the certificate")


class ProbeFile(Table):
    """[probe]: the debug probe on the device's SWD pins."""

    driver: Literal["pyocd"] = Field(
        description="pyocd: CMSIS-DAP, J-Link and ST-Link probes, and the virtual kit"
    )
    target: Text = Field(default="nrf52840", description="the driver's name of the target")
    unique_id: Text | None = Field(
        default=None, description="serial number of the probe; needed where there are several"
    )
    frequency: int = Field(default=4_000_000, ge=1_000, le=50_000_000, description="SWD clock, Hz")
    auto_unlock: bool = Field(
        default=False, description="true: connecting to a locked chip erases ALL of it to unlock it"
    )


class SupplyFile(Table):
    """[supply]: the power supply that feeds the device."""

    driver: Literal["scpi"] = Field(description="scpi: a supply that speaks SCPI, through PyVISA")
    resource: Text = Field(
        description="VISA resource, e.g. TCPIP0::192.0.2.1::INSTR or ASRL/dev/ttyUSB0::INSTR"
    )
    channel: int = Field(default=1, ge=1, le=8, description="output channel")
    baud: int | None = Field(
        default=None,
        ge=300,
        le=4_000_000,
        description="bit rate of a serial resource (ASRL...); 9600 if absent",
    )
    nominal_volts: float = Field(gt=0, le=60, description="voltage at which a case begins, V")
    max_volts: float = Field(gt=0, le=60, description="no case can set more than this, V")
    max_amperes: float = Field(gt=0, le=20, description="current limit set on the instrument, A")
    off_seconds: float = Field(default=0.5, ge=0, le=60, description="how long a power cycle stays off, s")
    timeout_seconds: float = Field(
        default=2.0, gt=0, le=60, description="how long the instrument may take to answer, s"
    )
    calibration: Calibration | None = Field(default=None, description="when the supply was calibrated")

    @model_validator(mode="after")
    def _within(self) -> SupplyFile:
        if self.nominal_volts > self.max_volts:
            raise ValueError(
                f"expected nominal_volts of at most max_volts ({self.max_volts:g}), got {self.nominal_volts:g}"
            )
        if self.baud is not None and not self.resource.upper().startswith("ASRL"):
            raise ValueError(f'baud is for serial resources (ASRL...), and the resource is "{self.resource}"')
        return self


class CentralFile(Table):
    """[central]: the Bluetooth LE adapter that updates the device."""

    driver: Literal["bumble", "os"] = Field(
        description="bumble: an HCI controller of our own, whose link can be set up; os: the system's adapter"
    )
    transport: Text | None = Field(
        default=None,
        description="bumble: where the controller is, e.g. usb:0, serial:/dev/ttyACM0,1000000, hil:central",
    )
    adapter: Text | None = Field(
        default=None, description="os: which adapter, on Linux, e.g. hci0; absent: the system's default"
    )
    address: BleAddress | None = Field(
        default=None, description="bumble: the central's own static random address"
    )

    @model_validator(mode="after")
    def _has_transport(self) -> CentralFile:
        if self.driver == "bumble" and self.transport is None:
            raise ValueError('driver "bumble" needs the key transport, e.g. transport = "usb:0"')
        if self.driver == "os" and self.transport is not None:
            raise ValueError('driver "os" has no transport; name the adapter by adapter = "hci0"')
        if self.driver == "bumble" and self.adapter is not None:
            raise ValueError('driver "bumble" has no adapter; say where its controller is by transport')
        if self.driver == "os" and self.address is not None:
            raise ValueError('driver "os" has no address: the operating system decides on it')
        return self


class SpareFile(Table):
    """[spare]: a second controller of our own. It plays a peripheral: the far end when the link alone is measured."""

    driver: Literal["bumble"] = Field(description="bumble: an HCI controller of our own")
    transport: Text = Field(
        description="where the controller is, e.g. usb:1, serial:/dev/ttyACM1,1000000, hil:spare"
    )
    address: BleAddress = Field(
        default="C4:11:22:33:44:66", description="the static random address that it advertises with"
    )


class ConsoleFile(Table):
    """[console]: the device's serial console."""

    driver: Literal["serial"] = Field(description="serial: a UART, through pyserial")
    port: Text = Field(description="pyserial port or URL, e.g. /dev/ttyACM0, COM5, hil://kit0/console")
    baud: int = Field(default=115_200, ge=300, le=4_000_000, description="bit rate, bit/s")


class BatteryModel(Table):
    """[virtual.battery]: the virtual supply plays a battery; what it is set to is the open-circuit voltage."""

    internal_ohms: float = Field(
        ge=0, le=1000, description="internal resistance, which makes the voltage sag under load, ohm"
    )


_PLACEHOLDERS = ("image", "version", "hash", "console", "hci", "ble_name", "ble_address")


class InitiatorFile(Table):
    """[initiator]: a program that drives the update: smpmgr, a companion app through adb, a vendor's tool."""

    command: list[Text] = Field(
        min_length=1,
        max_length=64,
        description="program and arguments, no shell; {image}, {version}, {hash}, {console}, {hci}, {ble_name} and "
        "{ble_address} are filled in",
    )
    timeout_seconds: float = Field(default=300.0, gt=0, le=7200, description="when it is killed, s")
    environment: list[ShortName] = Field(
        default_factory=lambda: ["PATH", "HOME", "LANG"], description="variables that are passed on to it"
    )

    @model_validator(mode="after")
    def _known_placeholders(self) -> InitiatorFile:
        for word in self.command:
            try:
                named = [name for _, name, _, _ in string.Formatter().parse(word) if name is not None]
            except ValueError as error:
                raise ValueError(f'command: "{word}": {error}') from None
            for name in named:
                if name not in _PLACEHOLDERS:
                    raise ValueError(f'command: "{{{name}}}" is none of {", ".join(_PLACEHOLDERS)}')
        return self


class VirtualFile(Table):
    """[virtual]: what only a virtual bench has to be told."""

    revision: Literal["Rev1", "Rev2", "Rev3"] = Field(
        default="Rev2",
        description="nRF52840 revision, which decides its anomalies and how its debug port is protected",
    )
    without_anomalies: list[Literal[242]] = Field(
        default_factory=list,
        description="anomalies that this chip shall not have, to see a case with and without one",
    )
    wire_ohms: float = Field(default=0.2, ge=0, le=100, description="resistance of the supply's leads, ohm")
    battery: BatteryModel | None = Field(default=None, description="the supply plays a battery")
    spare_controllers: int = Field(
        default=1, ge=0, le=8, description="controllers besides the kit's and the central's"
    )


class RigFile(Table):
    """A whole rig file."""

    schema_version: Literal[1] = Field(alias="schema", description="version of this schema: 1")
    name: ShortName = Field(description="the rig's name in reports")
    bench: Literal["virtual", "real"] = Field(description="evidence from a virtual bench is marked as such")
    description: str = Field(default="", max_length=500, description="one sentence for people")
    without: list[Capability] = Field(
        default_factory=list,
        description="what this bench cannot do although its drivers could; such cases are skipped",
    )
    device: DeviceFile = Field(description="the device under test")
    probe: ProbeFile | None = Field(default=None, description="the debug probe")
    supply: SupplyFile | None = Field(default=None, description="the power supply")
    central: CentralFile | None = Field(default=None, description="the Bluetooth LE adapter")
    spare: SpareFile | None = Field(default=None, description="a second controller, which plays a peripheral")
    console: ConsoleFile | None = Field(default=None, description="the serial console")
    initiator: InitiatorFile | None = Field(default=None, description="a program that drives the update")
    virtual: VirtualFile | None = Field(default=None, description="settings of a virtual bench")

    _folder: Path = PrivateAttr(default_factory=Path)

    def path(self, name: str) -> Path:
        """A path of the rig file: relative ones are relative to the file itself."""
        return self._folder / name

    @model_validator(mode="after")
    def _kinds_agree(self) -> RigFile:
        if self.bench == "real" and self.virtual is not None:
            raise ValueError('a rig with bench = "real" has no [virtual] table')
        if self.device.transport == "serial" and self.console is None:
            raise ValueError('device.transport = "serial" needs a [console]')
        if self.central is not None and self.spare is not None:
            if self.central.transport == self.spare.transport:
                raise ValueError(
                    f'central and spare are both at "{self.spare.transport}"; expected two controllers'
                )
            if self.central.address == self.spare.address:
                raise ValueError(f"central and spare both have the address {self.spare.address}")
        return self

    def capabilities(self) -> frozenset[str]:
        """What a case may need and this bench has: instruments and what they can do, and `device.` features."""
        can: set[str] = {f"device.{feature}" for feature in self.device.supports}
        if self.probe is not None:
            can.add("probe")
        if self.supply is not None:
            can |= {"supply", "supply.ramp"}
        if self.console is not None:
            can.add("console")
        if self.central is not None:
            can.add("central")
            if self.central.driver == "bumble":
                can |= {"link.phy", "link.data-length", "link.interval", "btsnoop"}
        if self.bench == "virtual":
            can.add("faults")
        if self.spare is not None:
            can.add("spare-controller")
        if self.initiator is not None:
            can.add("initiator")
        return frozenset(can - set(self.without))
