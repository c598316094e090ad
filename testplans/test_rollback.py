"""An update that does not prove itself is taken back."""

from __future__ import annotations

import pytest

from hil.case import case, stage
from hil.image.sign import SignedImage
from hil.image.variants import Behaviour
from hil.rig.device import Device
from hil.run.reported import ReportedImages, ReportedUpdate


@case(
    "RB-01",
    "An image that never confirms, hangs, faults or resets is reverted, and the former image runs confirmed",
    evidence_for=["BRIEF-rollback", "CRA-I.2.k", "ISVS-3.4.7"],
    needs=["central", "console", "device.behaviours"],
)
@pytest.mark.parametrize("behaviour", ["NEVER_CONFIRM", "HANG", "FAULT", "RESET"])
def test_a_bad_image_is_reverted(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, behaviour: str
) -> None:
    bad = images.make("1.1.0", behaviour=Behaviour[behaviour])
    with stage("upload"):
        update.start(bad).run()
        update.test(bad.hash)
        update.close()
    with stage("swap"):
        dut.rig.console.skip()
        dut.reset()
        dut.rig.console.wait_for(r"1\.1\.0.* starts, unconfirmed", 60.0)
    if behaviour == "NEVER_CONFIRM":
        with stage("unconfirmed"):
            dut.wait_booted(60.0)
            dut.rig.sleep(10.0)
            assert dut.version == bad.version
            dut.reset()
    with stage("revert"):
        started = dut.rig.console.wait_for(r"(\d+\.\d+\.\d+)\S* starts", 60.0)[1]
        assert started == str(base_image.version), f"{started} was started again though it never confirmed"
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.version == base_image.version, f"an update that proved itself bad was kept ({behaviour})"
        running = next(state for state in update.states() if state.active)
        assert (running.hash, running.confirmed) == (base_image.hash, True)
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.version == base_image.version
