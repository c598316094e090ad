"""Debug probes: one small protocol, one driver a file."""

from hil.probe.base import Probe
from hil.probe.pyocd import PyocdProbe

__all__ = ["Probe", "PyocdProbe"]
