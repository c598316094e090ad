"""Versions never go back: not by version, not by security counter."""

from __future__ import annotations

import pytest

from hil.case import case, stage
from hil.dfu.errors import ImageTestOfActiveDenied, SmpResultError
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
    answer: SmpResultError | None = None
    with stage("offer"):
        try:
            update.start(image).run()
            update.test(image.hash)
        except SmpResultError as refusal:
            answer = refusal
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.holds(base_image), f"version {version} with security counter {counter} was installed"
        if image.hash == base_image.hash:
            # The same image again: the flash cannot tell it from the one that runs, the answer can.
            assert isinstance(answer, ImageTestOfActiveDenied), f"the application's answer was: {answer}"
            return
        # A refusal for another reason, such as a battery that is low, would say nothing of the version.
        assert answer is None, f"the application's answer was: {answer}"
        info = dut.boot_info
        assert info is not None
        expected = Refusal.SECURITY_COUNTER if counter == 0 else Refusal.VERSION
        assert info.images[0].refusal is expected
