"""Versions never go back: not by version, not by security counter."""

from __future__ import annotations

import pytest

from hil.case import case, stage
from hil.dfu.errors import SmpResultError
from hil.image.sign import SignedImage
from hil.rig.boot_info import Refusal
from hil.rig.device import Device
from hil.run.reported import ReportedImages, ReportedUpdate


@case(
    "VER-01",
    "A correctly signed image of an equal or lower version or a lower security counter is not installed",
    evidence_for=["BRIEF-downgrade", "CRA-I.2.f", "ISVS-3.4.6"],
    needs=["central"],
)
@pytest.mark.parametrize(("version", "counter"), [("0.9.9", 1), ("1.0.0", 1), ("1.0.0+0", 2), ("1.1.0", 0)])
def test_no_downgrade(
    dut: Device,
    update: ReportedUpdate,
    images: ReportedImages,
    base_image: SignedImage,
    version: str,
    counter: int,
) -> None:
    image = images.make(version, security_counter=counter)
    refused = False
    with stage("offer"):
        try:
            update.start(image).run()
            if image.hash != base_image.hash:
                update.test(image.hash)
        except SmpResultError:
            refused = True
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.holds(base_image), f"version {version} with security counter {counter} was installed"
        info = dut.boot_info
        assert info is not None
        if not refused and image.hash != base_image.hash:
            expected = Refusal.SECURITY_COUNTER if counter == 0 else Refusal.VERSION
            assert info.images[0].refusal is expected
