"""An update that does not prove itself is taken back."""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.dfu.errors import SmpResultError
from hil.image.sign import SignedImage
from hil.image.variants import Behaviour
from hil.rig.device import Device
from hil.rig.product import Product
from hil.run.reported import ReportedImages, ReportedUpdate

EVIDENCE = ["BRIEF-rollback", "BRIEF-confirm", "CRA-I.2.k", "CRA-I.2.h", "ISVS-3.4.7"]


@case(
    "RB-01",
    "An image that never confirms, hangs, faults, resets or overruns its RAM is reverted to the former, confirmed one",
    evidence_for=[*EVIDENCE, "BRIEF-test-broken-image", "BRIEF-status"],
    needs=["central", "console", "device.behaviours", "device.boot-log"],
    controls=["confirm:NEVER_CONFIRM"],
)
@pytest.mark.parametrize("behaviour", ["NEVER_CONFIRM", "HANG", "FAULT", "RESET", "BAD_RAM"])
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
        started = dut.rig.console.wait_for(r"(\d+\.\d+\.\d+)\S* starts", 60.0, expect_panic=True)[1]
        assert started == str(base_image.version), f"{started} was started again though it never confirmed"
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.version == base_image.version, f"an update that proved itself bad was kept ({behaviour})"
        running = next(state for state in update.states() if state.active)
        assert (running.hash, running.confirmed) == (base_image.hash, True)
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.version == base_image.version


@case(
    "RB-02",
    "While an image is on trial, nothing that arrives over the air overwrites the image to go back to",
    evidence_for=[*EVIDENCE, "BRIEF-dual-bank"],
    needs=["central", "device.behaviours"],
    controls=["taken:upload"],
)
@pytest.mark.parametrize("attempt", ["upload", "erase"])
def test_way_back_stays_open(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, attempt: str
) -> None:
    trial = images.make("1.1.0", behaviour=Behaviour.NEVER_CONFIRM)
    with stage("trial"):
        update.start(trial).run()
        update.test(trial.hash)
        update.reset()
        update.wait_alive()
        assert dut.version == trial.version
    with stage(attempt):
        try:
            update.start(images.make("1.2.0")).run() if attempt == "upload" else update.erase()
        except SmpResultError as refusal:
            measured("refused", 1, "")
            assert str(refusal)
        update.close()
    with stage("revert"):
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.holds(base_image), (
            f"after an {attempt} during the trial the former image does not come back"
        )


@case(
    "RB-03",
    "An image becomes permanent by confirming itself only: use, state requests and time do not do it",
    evidence_for=EVIDENCE,
    needs=["central", "device.behaviours"],
    controls=["confirm"],
)
def test_nothing_else_confirms(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage
) -> None:
    trial = images.make("1.1.0", behaviour=Behaviour.NEVER_CONFIRM)
    with stage("trial"):
        update.start(trial).run()
        update.test(trial.hash)
        update.reset()
        update.wait_alive()
    with stage("use"):
        for _ in range(5):
            update.echo("hil")
            running = next(state for state in update.states() if state.active)
            assert (running.hash, running.confirmed) == (trial.hash, False)
            dut.rig.sleep(60.0)
    with stage("revert"):
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.holds(base_image), "an image that never confirmed was kept"


@case(
    "RB-04",
    "An image that confirms itself and faults at every later start is not reverted, and a probe recovers the device",
    evidence_for=["BRIEF-confirm", "CRA-I.2.h", "CRA-I.2.k"],
    needs=["central", "console", "probe", "device.behaviours", "device.provisioning", "device.boot-log"],
)
def test_confirmed_then_faulting(
    dut: Device,
    update: ReportedUpdate,
    images: ReportedImages,
    base_image: SignedImage,
    product: Product,
) -> None:
    # To go back to a former version after a confirmation would be a downgrade: the device does not, whatever happens
    # later. This is what a self-test before the confirmation is for. What must hold: it starts nothing else.
    bad = images.make("1.1.0", behaviour=Behaviour.FAULT_CONFIRMED)
    with stage("update"):
        update.run(bad)
        update.close()
    with stage("faults"):
        dut.rig.console.skip()
        dut.reset()
        for _ in range(3):
            started = dut.rig.console.wait_for(r"(\d+\.\d+\.\d+)\S* starts", 60.0, expect_panic=True)[1]
            assert started == str(bad.version), f"{started} was started"
    with stage("check"):
        boot, page = dut.file.bootloader, dut.file.provisioning
        assert boot is not None and page is not None
        length = len(product.bootloader)
        assert dut.read_flash(boot.start, length) == product.bootloader, "the bootloader was changed"
        expected = product.provisioning.page()
        assert dut.read_flash(page.start, len(expected)) == expected, "the provisioning page was changed"
    with stage("recover"):
        dut.provision(bootloader=product.bootloader, provisioning=expected, image=base_image)
        dut.wait_booted(60.0)
        assert dut.holds(base_image)
