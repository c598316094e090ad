"""The pyOCD plugin: unmodified pyOCD lists and drives the virtual kits as if they hung on a probe.

With no bench open in this process and no HIL_KIT it shows nothing, so that it never gets in the way of a real bench.

pyOCD loads its plugins while it is being imported. So this file imports none of it at its head: whoever comes
first, pyOCD or this file, finds the other whole.
"""

from __future__ import annotations

from typing import Any


def HilProbePlugin() -> Any:  # the name that pyOCD's entry point calls
    """A `pyocd.core.plugin.Plugin`, made when pyOCD asks for it."""
    from hil.virtual.wire.swdprobe import ProbePlugin

    return ProbePlugin()


def probe_class() -> Any:
    """The class of the virtual probes, `hil.virtual.wire.swdprobe.HilProbe`."""
    import pyocd.probe.aggregator  # noqa: F401  # pyOCD whole first

    from hil.virtual.wire.swdprobe import HilProbe

    return HilProbe


def install() -> None:
    """Have pyOCD ask this plugin first in this process, before it searches the USB for probes.

    It also works where the package's entry points are not installed.
    """
    hil = probe_class()
    from pyocd.probe.aggregator import PROBE_CLASSES

    others = {name: kind for name, kind in PROBE_CLASSES.items() if name != "hil"}
    PROBE_CLASSES.clear()
    PROBE_CLASSES.update({"hil": hil, **others})
