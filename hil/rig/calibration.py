"""What a record says of the instruments behind its figures: virtual evidence is never taken for hardware evidence."""

from __future__ import annotations

import datetime

from hil.rig.schema import RigFile


def told(rig: RigFile, today: datetime.date) -> dict[str, str]:
    """Each instrument that gives figures, and how far its figures can be believed."""
    if rig.bench == "served":
        return {"bench": "a model of an nRF52840 and its instruments behind `hil serve`, not an instrument"}
    if rig.bench == "virtual":
        revision = rig.virtual.revision if rig.virtual is not None else "Rev2"
        return {"bench": f"a model of an nRF52840 {revision} and its instruments, not an instrument"}
    if rig.supply is None:
        return {}
    table = rig.supply.calibration
    if table is None:
        return {"supply": "calibration not stated"}
    text = f"calibrated {table.date}"
    if table.laboratory is not None:
        text += f" by {table.laboratory}"
    if table.certificate is not None:
        text += f", certificate {table.certificate}"
    if table.due is not None:
        text += f", due {table.due}" + (": OVERDUE" if table.due < today else "")
    return {"supply": text}
