"""The update as it should go: over the air and over the console, to a confirmed new version."""

from __future__ import annotations

from hil.case import case, measured, stage
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.run.reported import ReportedUpdate


@case(
    "UPD-01",
    "A signed update of a higher version is taken over the air, boots, and confirms itself",
    evidence_for=["BRIEF-architecture", "CRA-I.2.c", "ETSI-5.3-2"],
    needs=["central"],
)
def test_full_update(dut: Device, update: ReportedUpdate, next_image: SignedImage) -> None:
    outcome = update.run(next_image)
    measured("upload", outcome.upload.goodput_bytes_per_s, "B/s")
    assert dut.version == next_image.version
