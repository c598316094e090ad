"""The scenarios of a rig: those of the bundled device, or of the one that its file describes."""

from __future__ import annotations

from hil.errors import InputError
from hil.rig.schema import RigFile
from hil.sweep import bundled, described
from hil.sweep.scenario import Scenario


def names(rig: RigFile) -> dict[str, str]:
    """The scenarios that there are, and what each is."""
    return dict(bundled.NAMES) if rig.device.firmware == "bundled" else described.names(rig)


def of(rig: RigFile, name: str, *, size: int | None = None, defect: str | None = None) -> Scenario:
    """A scenario of the rig's device. `size` pads the bundled application to so many bytes; `defect` builds the
    bundled bootloader with a check left out. Raises InputError.
    """
    if rig.device.firmware == "bundled":
        from hil.rig.product import bundled_product

        return bundled.scenario(name, bundled_product(rig.device, defect=defect), size)
    if size is not None:
        raise InputError(f"--size: rig {rig.name} has images of its own")
    return described.scenario(name, rig)
