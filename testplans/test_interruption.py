"""Whatever happens to the link, the host or the power at whatever stage of an update: it does no harm, and it goes on.

Each case is one kind of fault, at each stage of an update. Afterwards the device runs a whole image, its bootloader and
provisioning are as they were, and a program that has only the image's file finishes the update.
"""

from __future__ import annotations

import contextlib

import pytest
from interruption import STAGES, Interrupted, Stage

from hil.ble.central import Central
from hil.case import case, measured, stage
from hil.dfu.errors import SmpError
from hil.dfu.reach import BleReach
from hil.dfu.update import Update
from hil.errors import DeviceError
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages

EVIDENCE = ["BRIEF-resume", "BRIEF-dual-bank", "BRIEF-transport", "CRA-I.2.h"]
SUSPENSION_S = 30.0

_stages = pytest.mark.parametrize("where", STAGES)


@case(
    "INT-01",
    "The link is dropped at any stage of an update: the device keeps a whole image, and the update is finished",
    evidence_for=[*EVIDENCE, "ETSI-5.3-12"],
    needs=["central"],
)
@_stages
def test_link_dropped(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, where: Stage
) -> None:
    update = Interrupted(dut, next_image, base_image)
    update.to(where, lambda: rig.run(update.update.session.drop()))
    update.finish()


@case(
    "INT-02",
    "Power is cut at any stage of an update: the device keeps a whole image, and the update is finished",
    evidence_for=[*EVIDENCE, "BRIEF-rollback", "BRIEF-battery"],
    needs=["central", "supply"],
    controls=["swap_resume:swap"],
)
@_stages
def test_power_cut(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, where: Stage
) -> None:
    update = Interrupted(dut, next_image, base_image)
    update.to(where, dut.power_off)
    with stage("power returns"):
        dut.power_on()
    # An upload that is not complete, or not asked for, leaves the old image; a swap that has begun is finished.
    early = where in ("metadata", "upload", "end of upload")
    update.finish(expect=base_image if early else next_image if where in ("reset", "swap") else None)


@case(
    "INT-03",
    "The host is suspended for half a minute at any stage of an update: nothing is lost, and the update goes on",
    evidence_for=[*EVIDENCE, "BRIEF-suspension", "BRIEF-initiator"],
    needs=["central"],
)
@_stages
def test_host_suspended(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, where: Stage
) -> None:
    update = Interrupted(dut, next_image, base_image)
    # The controller keeps the link alive while the program on the host does nothing.
    update.to(where, lambda: rig.sleep(SUSPENSION_S))
    update.finish()


@case(
    "INT-04",
    "The program is killed at any stage of an update: a new one that knows only the file finishes it",
    evidence_for=[*EVIDENCE, "BRIEF-suspension", "BRIEF-initiator"],
    needs=["central"],
    controls=["resume:upload"],
)
@_stages
def test_program_killed(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, where: Stage
) -> None:
    update = Interrupted(dut, next_image, base_image)
    # The operating system ends the links of a program that is gone; its requests in flight get no answer.
    update.to(where, lambda: rig.run(update.update.session.drop()))
    if where in ("upload", "end of upload"):
        with stage("new program"):
            fresh = Update(rig.run, dut.air())
            outcome = fresh.start(next_image).run()
            measured("taken up at", outcome.start_offset, "B")
            fresh.close()
            assert outcome.start_offset > 0, "the device began the upload again from its first byte"
    update.finish()


@case(
    "INT-05",
    "The host goes out of range without a word at any stage of an update, and comes back: the update goes on",
    evidence_for=EVIDENCE,
    needs=["central", "faults"],
)
@_stages
def test_out_of_range(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, where: Stage
) -> None:
    faults = rig.faults
    assert faults is not None
    update = Interrupted(dut, next_image, base_image)

    def walk_off() -> None:
        faults.set_packet_loss(1.0)
        rig.sleep(10.0)  # longer than the supervision time-out
        faults.set_packet_loss(0.0)

    update.to(where, walk_off)
    update.finish()


@case(
    "INT-06",
    "The host's Bluetooth restarts without a word at any stage of an update: the update goes on",
    evidence_for=[*EVIDENCE, "BRIEF-suspension", "BRIEF-hosts"],
    needs=["central", "link.phy"],
)
@_stages
def test_central_restarts(
    dut: Device, base_image: SignedImage, next_image: SignedImage, rig: Rig, where: Stage
) -> None:
    update = Interrupted(dut, next_image, base_image)
    # A reset controller forgets its links and tells nobody: the device finds out by its supervision time-out.
    update.to(where, rig.restart_central)
    update.finish()


@case(
    "INT-07",
    "A second central that tries to update at the same time changes nothing of what the first one gets",
    evidence_for=[*EVIDENCE, "BRIEF-initiator", "CRA-I.2.d"],
    needs=["central", "spare-controller"],
)
@_stages
def test_two_centrals(
    dut: Device,
    base_image: SignedImage,
    next_image: SignedImage,
    images: ReportedImages,
    rig: Rig,
    where: Stage,
) -> None:
    update = Interrupted(dut, next_image, base_image)
    other = images.make("1.3.0")
    ble = dut.file.ble
    second = Update(rig.run, BleReach(Central(rig.spare), name=ble.name, address=ble.address))

    def intrude() -> None:
        with contextlib.suppress(SmpError, DeviceError):
            second.start(other)
        with contextlib.suppress(SmpError, DeviceError):
            second.test(other.hash)
        with contextlib.suppress(SmpError, DeviceError):
            second.close()

    update.to(where, intrude)
    update.finish()
