"""Asks each instrument of a rig who it is."""

from __future__ import annotations

import time
from dataclasses import dataclass

from hil.errors import HilError
from hil.rig.rig import open_rig
from hil.rig.schema import RigFile


@dataclass(frozen=True)
class Finding:
    """What one instrument said, or what is wrong with it."""

    instrument: str
    ok: bool
    text: str
    wall_seconds: float


def check(file: RigFile) -> list[Finding]:
    """One finding for each instrument in the rig file; the supply is off when this returns."""
    found = []
    with open_rig(file) as rig:
        began = time.perf_counter()
        try:
            rig.begin_case("check", 0)
        except HilError as error:
            return [Finding("bench", False, str(error), time.perf_counter() - began)]
        for name, ask in rig.identify().items():
            began = time.perf_counter()
            try:
                ok, text = True, ask()
            except HilError as error:
                ok, text = False, str(error)
            found.append(Finding(name, ok, text, round(time.perf_counter() - began, 3)))
        began = time.perf_counter()
        try:
            # In good order: the probe lets go of the device before the power goes.
            rig.end_case(failed=False)
        except HilError as error:
            found.append(Finding("bench", False, str(error), round(time.perf_counter() - began, 3)))
    return found
