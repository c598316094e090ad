"""The update as it should go: over the air and over the console, to a confirmed new version."""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.dfu.reach import SerialReach
from hil.dfu.update import Update
from hil.image.sign import SignedImage
from hil.image.trailer import Flag
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages, ReportedUpdate


@case(
    "UPD-01",
    "A signed update of a higher version is taken over the air, boots and confirms itself",
    evidence_for=[
        "BRIEF-architecture",
        "BRIEF-transport",
        "BRIEF-dual-bank",
        "BRIEF-status",
        "CRA-I.2.c",
        "CRA-II.2",
        "CRA-II.7",
        "ETSI-5.3-1",
        "ETSI-5.3-2",
        "ETSI-5.3-7",
        "EN18031-SUM-1",
    ],
    needs=["central"],
    controls=["install"],
)
def test_update_over_the_air(dut: Device, update: ReportedUpdate, next_image: SignedImage) -> None:
    with stage("update"):
        outcome = update.run(next_image)
    measured("upload", round(outcome.upload.goodput_bytes_per_s), "B/s")
    measured("swap and boot", round(outcome.boot_s, 3), "s")
    with stage("check"):
        assert dut.version == next_image.version
        assert dut.slot("primary").trailer.image_ok is Flag.SET
        running = next(state for state in update.states() if state.active)
        assert (running.hash, running.confirmed, running.pending) == (next_image.hash, True, False)


@case(
    "UPD-02",
    "The same update is taken over the serial console",
    evidence_for=["BRIEF-architecture", "BRIEF-transport", "CRA-I.2.c"],
    needs=["console", "device.smp-serial"],
)
def test_update_over_the_console(dut: Device, rig: Rig, next_image: SignedImage) -> None:
    update = Update(rig.run, SerialReach(rig.console))
    with stage("update"):
        update.run(next_image)
    with stage("check"):
        assert dut.version == next_image.version
        assert dut.slot("primary").trailer.image_ok is Flag.SET


@case(
    "UPD-03",
    "Two updates in a row end at the second version, and the slot of the first is used again",
    evidence_for=["BRIEF-dual-bank", "CRA-I.2.c"],
    needs=["central"],
)
def test_a_chain_of_updates(dut: Device, update: ReportedUpdate, images: ReportedImages) -> None:
    for version in ("1.1.0", "1.2.0"):
        image = images.make(version)
        with stage(f"update to {version}"):
            update.run(image)
        assert dut.version == image.version


@case(
    "UPD-04",
    "A 256 KB update over 2M, ATT MTU 498 and 251-byte PDUs is taken",
    evidence_for=["BRIEF-throughput"],
    needs=["central"],
)
@pytest.mark.parametrize("payload_bytes", [256 * 1024])
def test_a_large_update(
    dut: Device, update: ReportedUpdate, images: ReportedImages, rig: Rig, payload_bytes: int
) -> None:
    image = images.make("1.1.0", size=payload_bytes)
    if "link.phy" in rig.capabilities:
        update.session.reach = dut.air()
        update.session.reach.link.phy = "2M"
        update.session.reach.link.data_length = 251
    with stage("update"):
        outcome = update.run(image)
    measured("upload", round(outcome.upload.goodput_bytes_per_s), "B/s")
    measured("swap and boot", round(outcome.boot_s, 3), "s")
    assert dut.version == image.version
