"""Transfers that are cut off: the update goes on from where the device got to."""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.dfu.errors import LinkLost
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages, ReportedUpdate


@case(
    "XFER-01",
    "A dropped link resumes from the last confirmed offset, and the update is taken",
    evidence_for=["BRIEF-resume", "CRA-I.2.h", "ETSI-5.3-12"],
    needs=["central"],
    controls=["resume:0.5"],
)
@pytest.mark.parametrize("fraction", [0.01, 0.5, 0.99])
def test_link_drop_resumes(
    dut: Device, update: ReportedUpdate, next_image: SignedImage, fraction: float
) -> None:
    with stage("upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=fraction)
        confirmed = transfer.offset
        transfer.drop_link()
    with stage("resume"):
        outcome = update.resume(transfer)
        measured("resent", outcome.resent_bytes, "B")
        assert outcome.start_offset >= confirmed, "the device lost bytes it had confirmed"
        assert outcome.resent_bytes <= transfer.window_bytes
    with stage("activate"):
        update.activate(next_image)
        assert dut.version == next_image.version


@case(
    "XFER-02",
    "Power lost during the upload: the device starts its old image, and the upload resumes from flash",
    evidence_for=["BRIEF-resume", "CRA-I.2.h"],
    needs=["central", "supply", "device.resume-after-reset"],
    controls=["persist"],
)
def test_power_cut_during_upload_resumes(
    dut: Device, update: ReportedUpdate, base_image: SignedImage, next_image: SignedImage
) -> None:
    with stage("upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=0.6)
        confirmed = transfer.offset
    with stage("power cut"):
        dut.power_cycle()
        update.wait_alive()
        assert dut.version == base_image.version
    with stage("resume"):
        outcome = update.resume(transfer)
        measured("resumed at", outcome.start_offset, "B")
        # The page under way when the power went is written again, and what was in flight is sent again.
        assert outcome.start_offset >= confirmed - 2 * dut.file.flash_page
        assert outcome.resent_bytes <= transfer.window_bytes + 2 * dut.file.flash_page
    with stage("activate"):
        update.activate(next_image)
        assert dut.version == next_image.version


@case(
    "XFER-03",
    "A link lost by silence, as out of range, ends the transfer with a clear error, and the update resumes",
    evidence_for=["BRIEF-resume", "CRA-I.2.h"],
    needs=["central", "faults"],
)
def test_silent_loss_resumes(dut: Device, update: ReportedUpdate, next_image: SignedImage, rig: Rig) -> None:
    faults = rig.faults
    assert faults is not None
    with stage("upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=0.5)
    with stage("out of range"):
        faults.set_packet_loss(1.0)
        with pytest.raises(LinkLost):
            transfer.run()
        confirmed = transfer.offset
        assert confirmed < transfer.total
        faults.set_packet_loss(0.0)
    with stage("resume"):
        outcome = update.resume(transfer)
        assert outcome.start_offset >= confirmed, "the device lost bytes it had confirmed"
        assert outcome.resent_bytes <= transfer.window_bytes
    with stage("activate"):
        update.activate(next_image)
        assert dut.version == next_image.version


@case(
    "XFER-04",
    "A link that drops again and again costs no more than a window each time, and the update is taken",
    evidence_for=["BRIEF-resume", "BRIEF-initiator", "CRA-I.2.h"],
    needs=["central"],
    controls=["resume"],
)
def test_many_drops(dut: Device, update: ReportedUpdate, next_image: SignedImage) -> None:
    transfer = update.start(next_image)
    for number in range(1, 6):
        with stage(f"drop {number}"):
            transfer.run_until(fraction=number / 6)
            confirmed = transfer.offset
            transfer.drop_link()
            begun = update.take_up(transfer)
            assert begun >= confirmed, (
                f"the device lost bytes that it had confirmed: {begun} after {confirmed}"
            )
    with stage("rest"):
        transfer.run()
        update.activate(next_image)
        assert dut.holds(next_image)


@case(
    "XFER-05",
    "After another image was begun, the first one starts from its beginning and is taken whole: never a mixture",
    evidence_for=["BRIEF-resume", "BRIEF-metadata", "ISVS-3.4.4", "CRA-I.2.f"],
    needs=["central"],
    controls=["mixed"],
)
def test_another_image_in_between(
    dut: Device, update: ReportedUpdate, images: ReportedImages, next_image: SignedImage
) -> None:
    other = images.make("1.3.0", size=40 * 1024)
    with stage("first image"):
        update.start(next_image).run_until(fraction=0.6)
    with stage("other image"):
        transfer = update.start(other)
        transfer.run_until(fraction=0.3)
        transfer.drop_link()
    with stage("first image again"):
        outcome = update.start(next_image).run()
        measured("begun at", outcome.start_offset, "B")
        assert outcome.start_offset == 0, (
            f"the upload was taken up at {outcome.start_offset} of another image"
        )
        assert dut.holds(next_image, "secondary"), "the update slot holds a mixture"
    with stage("activate"):
        update.activate(next_image)
        assert dut.holds(next_image)


@case(
    "XFER-06",
    "Another file of the same length is not taken for the one that was begun, over a reset either",
    evidence_for=["BRIEF-resume", "BRIEF-metadata", "CRA-I.2.f"],
    needs=["central", "supply", "device.resume-after-reset"],
    controls=["mixed"],
)
def test_another_file_of_the_same_length(dut: Device, update: ReportedUpdate, images: ReportedImages) -> None:
    first = images.make("1.1.0", size=48 * 1024)
    # A DER signature has one of a few lengths, so not every version makes a file as long as the first one.
    others = (images.make(f"1.1.{revision}", size=48 * 1024) for revision in range(1, 100))
    second = next(image for image in others if len(image.data) == len(first.data))
    with stage("first file"):
        update.start(first).run_until(fraction=0.5)
    with stage("power cut"):
        dut.power_cycle()
        update.wait_alive()
    with stage("second file"):
        outcome = update.start(second).run()
        measured("begun at", outcome.start_offset, "B")
        assert outcome.start_offset == 0, "another file of the same length was taken up"
        assert dut.holds(second, "secondary"), "the update slot holds a mixture"
