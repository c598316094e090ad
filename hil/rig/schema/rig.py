"""A whole rig file: its tables together, and what they let a bench do."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import Field, PrivateAttr, model_validator

from hil.errors import InputError
from hil.rig.schema.base import ShortName, Table, Text
from hil.rig.schema.central import CentralFile, SpareFile
from hil.rig.schema.console import ConsoleFile
from hil.rig.schema.device import DeviceFile
from hil.rig.schema.initiator import InitiatorFile
from hil.rig.schema.probe import ProbeFile
from hil.rig.schema.recovery import RecoveryFile
from hil.rig.schema.supply import SupplyFile
from hil.rig.schema.sweep import SweepFile
from hil.rig.schema.virtual import VirtualFile
from hil.supply.profile import AUTO, named
from hil.tomlfile import Mistake

Capability = Literal[
    "probe",
    "supply",
    "supply.volts",
    "supply.ramp",
    "supply.measure",
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


class RigFile(Table):
    """A whole rig file."""

    include: list[Text] = Field(
        default_factory=list,
        max_length=31,
        description="files that this one builds on; paths relative to it, hil:common/... for those that come with hil",
    )
    schema_version: Literal[1] = Field(alias="schema", description="version of this schema: 1")
    name: ShortName = Field(description="the rig's name in reports")
    bench: Literal["virtual", "served", "real"] = Field(
        description="virtual: a bench inside this program; served: one that `hil serve` holds open, reached as a real "
        "one is; real: hardware. Evidence from the first two is marked as virtual"
    )
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
    recovery: RecoveryFile = Field(
        default_factory=RecoveryFile, description="what is done about faults of the bench itself"
    )
    sweep: SweepFile | None = Field(
        default=None, description="what a power-fail sweep needs to know of a device that is not ours"
    )
    virtual: VirtualFile | None = Field(default=None, description="settings of a virtual bench")

    _folder: Path = PrivateAttr(default_factory=Path)
    _replays: Path | None = PrivateAttr(default=None)
    _files: tuple[Path, ...] = PrivateAttr(default=())
    _written: dict[tuple[str | int, ...], str] = PrivateAttr(default_factory=dict)

    def path(self, name: str) -> Path:
        """A path of the rig file: relative ones are relative to the file itself."""
        return self._folder / name

    @property
    def files(self) -> tuple[Path, ...]:
        """The rig file, and those that it includes: the one that counts most first."""
        return self._files

    def record(self) -> dict[str, Any]:
        """The rig as records of runs keep it: each value as it was for this run, from wherever it came.

        Only words of [initiator] that environment variables were filled into are as they are written: a program may be
        handed a secret.
        """
        data: dict[str, Any] = self.model_dump(mode="json", by_alias=True)
        if self.initiator is not None:
            command = self.initiator.command
            data["initiator"]["command"] = [self.written(index, word) for index, word in enumerate(command)]
        return data

    def written(self, index: int, word: str) -> str:
        """Word `index` of [initiator] command for people: as the file has it where a variable was filled in."""
        return self._written.get(("initiator", "command", index), word)

    @model_validator(mode="after")
    def _kinds_agree(self) -> RigFile:
        device = self.device
        if device.firmware == "bundled" and (device.images is not None or device.install is not None):
            raise Mistake(
                'device.images and device.install are for firmware = "none"',
                *("device", "images" if device.images is not None else "install"),
            )
        if self.bench != "virtual" and self.virtual is not None:
            raise Mistake(f'a rig with bench = "{self.bench}" has no [virtual] table', "virtual")
        if self.device.transport == "serial" and self.console is None:
            raise Mistake('device.transport = "serial" needs a [console]', "device", "transport")
        if self.console is not None and self.console.driver == "rtt":
            if self.probe is None:
                raise Mistake(
                    'driver "rtt" goes through the debug probe: [probe] is missing', "console", "driver"
                )
            if self.probe.driver == "nrfutil":
                raise Mistake('the probe driver "nrfutil" has no RTT', "console", "driver")
            if self.device.transport == "serial":
                raise Mistake(
                    'device.transport = "serial" needs a [console] with driver "serial"', "console", "driver"
                )
        if self.central is not None and self.spare is not None:
            if self.central.transport == self.spare.transport:
                raise Mistake(
                    f'central and spare are both at "{self.spare.transport}"; expected two controllers',
                    "spare",
                    "transport",
                )
            if self.central.address == self.spare.address:
                raise Mistake(
                    f"central and spare both have the address {self.spare.address}", "spare", "address"
                )
        return self

    @property
    def replays(self) -> Path | None:
        """The run folder whose wire logs stand for the bench; None where there is a bench."""
        return self._replays

    @property
    def kind(self) -> Literal["virtual", "real", "replayed"]:
        """What evidence from this bench is marked as: only hardware gives evidence about hardware."""
        if self._replays is not None:
            return "replayed"
        return "real" if self.bench == "real" else "virtual"

    def _ramps(self) -> bool:
        """Whether the supply draws a straight line by itself; one that is played in steps is not taken for it.

        Where the rig file leaves the profile to the instrument, which nobody has asked yet, only the virtual bench's
        own supply is known to.
        """
        supply = self.supply
        if supply is None or supply.driver != "scpi":
            return False
        if supply.profile is None or supply.profile == AUTO:
            return self.bench != "real"
        own = self.path(supply.profile) if supply.profile.endswith(".toml") else None
        try:
            return named(supply.profile, own).ramps
        except InputError:
            return False  # said when the rig is loaded for a run

    def capabilities(self) -> frozenset[str]:
        """What a case may need and this bench has: instruments and what they can do, and `device.` features."""
        can: set[str] = {f"device.{feature}" for feature in self.device.supports}
        if self.probe is not None:
            can.add("probe")
        if self.supply is not None:
            can |= self.supply.capabilities()
            if self._ramps():
                can.add("supply.ramp")
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
