"""Updates at low battery are refused by the device itself, before anything is put at risk."""

from __future__ import annotations

import pytest

from hil.case import case, stage
from hil.dfu.errors import BatteryLow
from hil.image.sign import SignedImage
from hil.rig.boot_info import Refusal
from hil.rig.device import Device
from hil.run.reported import ReportedUpdate


@case(
    "BAT-01",
    "An upload is refused below the battery threshold and taken above it",
    evidence_for=["BRIEF-battery", "CRA-I.2.h"],
    needs=["central", "supply", "device.battery"],
)
def test_upload_refused_at_low_battery(dut: Device, update: ReportedUpdate, next_image: SignedImage) -> None:
    battery = dut.file.battery
    assert battery is not None
    with stage("below"):
        dut.set_battery(battery.upload_minimum - 2)
        with pytest.raises(BatteryLow):
            update.start(next_image)
        slot = dut.file.slot("secondary")
        assert set(dut.read_flash(slot.start, slot.size)) == {0xFF}, (
            "something was written below the threshold"
        )
    with stage("above"):
        dut.set_battery(battery.upload_minimum + 2)
        update.start(next_image).run()
        assert dut.holds(next_image, "secondary"), "the upload above the threshold is not in the update slot"


@case(
    "BAT-02",
    "The bootloader starts no swap below its battery threshold, runs the old image, and swaps once it is charged",
    evidence_for=["BRIEF-battery", "CRA-I.2.h"],
    needs=["central", "supply", "device.battery"],
)
def test_swap_not_started_at_low_battery(
    dut: Device, update: ReportedUpdate, base_image: SignedImage, next_image: SignedImage
) -> None:
    battery = dut.file.battery
    assert battery is not None
    with stage("upload"):
        update.start(next_image).run()
        update.test(next_image.hash)
        update.close()
    with stage("below"):
        dut.set_battery(battery.swap_minimum - 5)
        dut.reset()
        dut.wait_booted()
        assert dut.version == base_image.version, "the swap was done below the battery threshold"
        info = dut.boot_info
        assert info is not None
        assert info.images[0].refusal is Refusal.BATTERY
    with stage("above"):
        dut.set_battery(100)
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.version == next_image.version, "charged, the device did not take the update"
