"""Updates at low battery are refused by the device itself, before anything is put at risk."""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.dfu.errors import BatteryLow
from hil.image.sign import SignedImage
from hil.rig.boot_info import Refusal
from hil.rig.device import Device
from hil.run.reported import ReportedUpdate

EVIDENCE = ["BRIEF-battery", "CRA-I.2.h"]


@case(
    "BAT-01",
    "An upload is refused below the battery threshold and taken above it",
    evidence_for=EVIDENCE,
    needs=["central", "supply.volts", "device.battery"],
    controls=["upload_battery"],
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
    evidence_for=EVIDENCE,
    needs=["central", "supply.volts", "device.battery"],
    controls=["battery"],
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
        dut.expect_refusal(Refusal.BATTERY)
    with stage("above"):
        dut.set_battery(100)
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.version == next_image.version, "charged, the device did not take the update"


@case(
    "BAT-03",
    "At its battery threshold the device takes an upload, and a hundredth of its range below it does not",
    evidence_for=EVIDENCE,
    needs=["central", "supply.volts", "device.battery"],
    controls=["upload_battery:below"],
)
@pytest.mark.parametrize("side", ["below", "at", "above"])
def test_threshold(dut: Device, update: ReportedUpdate, next_image: SignedImage, side: str) -> None:
    battery = dut.file.battery
    assert battery is not None
    # The device measures to some 0.4 % of its range, and its leads cost a little: "at" is where it must be taken.
    margin = {"below": -1.5, "at": 1.0, "above": 3.0}[side]
    with stage("set"):
        dut.set_battery(battery.upload_minimum + margin)
        dut.rig.sleep(1.0)
    with stage("offer"):
        refused = False
        try:
            update.start(next_image).run()
        except BatteryLow:
            refused = True
        assert refused == (side == "below"), (
            f"the upload was {'refused' if refused else 'taken'} {side} the threshold"
        )


@case(
    "BAT-04",
    "A battery that falls below the threshold during the transfer stops it, and it goes on once it is charged",
    evidence_for=[*EVIDENCE, "BRIEF-resume"],
    needs=["central", "supply.volts", "device.battery"],
    controls=["upload_battery"],
)
def test_falls_during_the_transfer(
    dut: Device, update: ReportedUpdate, base_image: SignedImage, next_image: SignedImage
) -> None:
    battery = dut.file.battery
    assert battery is not None
    with stage("upload"):
        transfer = update.start(next_image)
        transfer.run_until(fraction=0.5)
        confirmed = transfer.offset
    with stage("falls"):
        dut.set_battery(battery.upload_minimum - 3)
        with pytest.raises(BatteryLow):
            transfer.run()
        assert dut.holds(base_image), "the running image was touched"
    with stage("charged"):
        dut.set_battery(100)
        outcome = update.resume(transfer)
        measured("resumed at", outcome.start_offset, "B")
        assert outcome.start_offset >= confirmed, "the device lost bytes that it had confirmed"
    with stage("activate"):
        update.activate(next_image)
        assert dut.holds(next_image)


@case(
    "BAT-05",
    "A battery that falls below the threshold between upload and restart starts no swap until it is charged",
    evidence_for=EVIDENCE,
    needs=["central", "supply.volts", "device.battery"],
    controls=["battery"],
)
def test_falls_before_the_restart(
    dut: Device, update: ReportedUpdate, base_image: SignedImage, next_image: SignedImage
) -> None:
    battery = dut.file.battery
    assert battery is not None
    with stage("upload"):
        update.start(next_image).run()
        update.test(next_image.hash)
    with stage("falls"):
        dut.set_battery(battery.swap_minimum - 3)
        for _ in range(3):
            update.reset()
            update.wait_alive()
            assert dut.holds(base_image), "the swap was done below the battery threshold"
    with stage("charged"):
        update.close()
        dut.set_battery(100)
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.holds(next_image), "charged, the device did not take the update"
