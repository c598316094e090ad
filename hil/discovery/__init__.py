"""What is plugged in: debug probes, serial ports, instruments, HCI dongles and Bluetooth adapters of the system.

Each kind is looked for in a process of its own with a time-out: libraries for USB and for instruments may hang, crash
or be missing, and none of that may keep the others from being found.
"""

from __future__ import annotations

from hil.discovery.found import KINDS, Discovery, Found, Kind
from hil.discovery.isolated import find, find_all

__all__ = ["KINDS", "Discovery", "Found", "Kind", "find", "find_all"]
