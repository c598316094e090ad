"""What a rig file says: a bench, the device on it, and the instrument for each job. One table a file.

A rig file is TOML. Volts are V, currents A, resistances ohm, times s, addresses and sizes bytes, frequencies Hz. Keys
that are not listed here are refused. The file describes a bench of any kind in the same words: on the virtual bench the
drivers are the real ones, and only the addresses of the instruments (`hil://...`) differ.
"""

from hil.rig.schema.base import BleAddress, ShortName, Table, Text, Uuid
from hil.rig.schema.central import CentralFile, SpareFile
from hil.rig.schema.console import ConsoleFile
from hil.rig.schema.device import DeviceFile, Policy
from hil.rig.schema.initiator import InitiatorFile
from hil.rig.schema.probe import ProbeFile
from hil.rig.schema.rig import RigFile
from hil.rig.schema.supply import SupplyFile
from hil.rig.schema.sweep import PartFile, PureFile, ScenarioFile, SweepFile
from hil.rig.schema.virtual import VirtualFile

__all__ = [
    "BleAddress",
    "CentralFile",
    "ConsoleFile",
    "DeviceFile",
    "InitiatorFile",
    "PartFile",
    "Policy",
    "ProbeFile",
    "PureFile",
    "RigFile",
    "ScenarioFile",
    "ShortName",
    "SpareFile",
    "SupplyFile",
    "SweepFile",
    "Table",
    "Text",
    "Uuid",
    "VirtualFile",
]
