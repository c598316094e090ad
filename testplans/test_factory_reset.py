"""A factory reset forgets settings, and neither security fixes nor the ability to be updated."""

from __future__ import annotations

from hil.case import case, measured, stage
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.run.reported import ReportedImages, ReportedUpdate

EVIDENCE = ["BRIEF-factory-reset", "CRA-I.2.b"]


@case(
    "FR-01",
    "A factory reset does not bring back the version that an update replaced, and the next update is taken",
    evidence_for=[*EVIDENCE, "CRA-I.2.a", "ISVS-3.4.6", "BRIEF-downgrade"],
    needs=["central", "device.factory-reset"],
    controls=["factory_reset"],
)
def test_fix_survives(dut: Device, update: ReportedUpdate, images: ReportedImages) -> None:
    fixed, later = images.make("1.1.0", security_counter=2), images.make("1.2.0", security_counter=2)
    with stage("update"):
        update.run(fixed)
    with stage("factory reset"):
        update.factory_reset()
        update.reset()
        update.wait_alive()
        assert dut.holds(fixed), "a factory reset brought the former version back"
        running = next(state for state in update.states() if state.active)
        assert running.confirmed, "after a factory reset the image is no longer confirmed"
    with stage("next update"):
        update.run(later)
        assert dut.holds(later), "after a factory reset the device takes no update"


@case(
    "FR-02",
    "A factory reset forgets an upload under way: the next one begins at its first byte and is taken",
    evidence_for=EVIDENCE,
    needs=["central", "device.factory-reset"],
)
def test_upload_forgotten(dut: Device, update: ReportedUpdate, next_image: SignedImage) -> None:
    with stage("half an upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=0.5)
        transfer.drop_link()
    with stage("factory reset"):
        update.factory_reset()
    with stage("upload"):
        outcome = update.start(next_image).run()
        measured("begun at", outcome.start_offset, "B")
        assert outcome.start_offset == 0, f"the upload was taken up at {outcome.start_offset}"
        assert dut.holds(next_image, "secondary")
    with stage("activate"):
        update.activate(next_image)


@case(
    "FR-03",
    "A factory reset leaves a request to install an update as it was, and provisioning and keys untouched",
    evidence_for=[*EVIDENCE, "ISVS-3.4.5", "BRIEF-protection"],
    needs=["central", "probe", "device.factory-reset", "device.provisioning"],
)
def test_pending_update_survives(dut: Device, update: ReportedUpdate, next_image: SignedImage) -> None:
    page = dut.file.provisioning
    assert page is not None
    before = dut.read_flash(page.start, page.size)
    with stage("request"):
        update.start(next_image).run()
        update.test(next_image.hash)
    with stage("factory reset"):
        update.factory_reset()
        update.reset()
        update.wait_alive()
    with stage("check"):
        assert dut.holds(next_image), "the update that was asked for was lost by a factory reset"
        assert dut.read_flash(page.start, page.size) == before, "the provisioning page was changed"
