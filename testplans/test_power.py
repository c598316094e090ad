"""Power lost, sagging or low while the bootloader exchanges the images."""

from __future__ import annotations

import random
from typing import Literal

import pytest
from smp.image_management import ImageEraseRequest, ImageEraseResponse

from hil.case import case, measured, stage, swept, timed_random
from hil.dfu.errors import LinkLost, SmpTimeout
from hil.dfu.smp_client import Answer
from hil.errors import DeviceError
from hil.image.sign import SignedImage
from hil.image.trailer import Flag
from hil.image.variants import Behaviour
from hil.rig.boot_info import ResetReason
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run import recorder
from hil.run.reported import ReportedImages, ReportedUpdate

Phase = Literal["before", "during", "after"]
SWAP_TIMEOUT_S = 60.0
"""A swap of an application of some 64 KB takes a few seconds; a first start adds the signature checks."""


def _request(update: ReportedUpdate, image: SignedImage) -> None:
    """Upload `image` and ask for it to be tested at the next start."""
    update.start(image).run()
    update.test(image.hash)
    update.close()


def _start_swap(dut: Device) -> None:
    """Reset the device and wait until its bootloader has begun the swap that was asked for."""
    dut.rig.console.skip()
    dut.reset()
    dut.rig.console.wait_for("swap starts", SWAP_TIMEOUT_S)


def _wait_running(dut: Device, image: SignedImage, *, confirmed: bool = True) -> None:
    dut.wait_booted(SWAP_TIMEOUT_S)
    assert dut.version == image.version
    if confirmed:
        dut.rig.sleep(3.0)  # the self-test runs before the application confirms itself
        trailer = dut.slot("primary").trailer
        assert trailer.image_ok is Flag.SET


@case(
    "PWR-01",
    "Power cut in the middle of the swap: the swap is finished when power returns",
    evidence_for=["BRIEF-rollback", "BRIEF-dual-bank", "CRA-I.2.h", "ISVS-3.4.7"],
    needs=["central", "supply", "console", "device.boot-log"],
    controls=["swap_resume:1.0"],
)
@pytest.mark.parametrize("after_s", [0.2, 1.0, 2.0])
def test_power_cut_during_swap(
    dut: Device, update: ReportedUpdate, next_image: SignedImage, rig: Rig, after_s: float
) -> None:
    with stage("upload"):
        _request(update, next_image)
    with stage("swap"):
        _start_swap(dut)
        rig.sleep(after_s)
    with stage("power cut"):
        rig.console.skip()
        dut.power_cycle()
        rig.console.wait_for("swap resumes", SWAP_TIMEOUT_S)
        _wait_running(dut, next_image)


@case(
    "PWR-02",
    "Power cut inside a single flash operation of the swap: the torn word or page is recovered",
    evidence_for=["BRIEF-rollback", "BRIEF-dual-bank", "CRA-I.2.h", "ISVS-3.4.7"],
    needs=["central", "supply", "console", "faults"],
    controls=["swap_resume:2000"],
)
@pytest.mark.parametrize("operation", [0, 1, 2, 3, 5, 40, 2_000])
def test_torn_flash_operation_during_swap(
    dut: Device, update: ReportedUpdate, next_image: SignedImage, rig: Rig, operation: int
) -> None:
    faults = rig.faults
    assert faults is not None
    with stage("upload"):
        _request(update, next_image)
    with stage("swap"):
        faults.cut_power_at_flash_operation(faults.flash_operations + operation, "during", 0.5)
        dut.reset()
        for _ in range(100):
            if faults.cut_happened:
                break
            rig.sleep(0.1)
        assert faults.cut_happened
    with stage("power returns"):
        rig.console.skip()
        dut.power_cycle()
        if (
            operation >= 2_000 and "boot-log" in dut.file.supports
        ):  # before that, no step of the swap was done
            rig.console.wait_for("swap resumes", SWAP_TIMEOUT_S)
        _wait_running(dut, next_image)


@case(
    "PWR-07",
    "Power cut before, in and after flash operations all over a whole swap and a whole revert: no image is lost",
    evidence_for=["BRIEF-rollback", "BRIEF-dual-bank", "CRA-I.2.h", "ISVS-3.4.7"],
    needs=["central", "supply", "faults", "device.behaviours"],
    controls=["swap_resume:swap"],
)
@pytest.mark.parametrize("points", [24], ids=[pytest.HIDDEN_PARAM])
@pytest.mark.parametrize("scenario", ["swap", "revert"])
def test_cuts_over_a_whole_swap(
    dut: Device,
    update: ReportedUpdate,
    base_image: SignedImage,
    images: ReportedImages,
    rig: Rig,
    scenario: str,
    points: int,
) -> None:
    faults = rig.faults
    assert faults is not None
    behaviour = Behaviour.NORMAL if scenario == "swap" else Behaviour.NEVER_CONFIRM
    new = images.make("1.1.0", behaviour=behaviour)
    with stage("prepare"):
        _request(update, new)
        if scenario == "revert":
            dut.reset()
            dut.wait_booted(SWAP_TIMEOUT_S)
        before = dut.read_flash(0, dut.file.flash_size)
        dut.power_off()
    expected = new if scenario == "swap" else base_image
    with stage("count"):
        first = faults.flash_operations
        dut.power_on()
        _wait_swapped(dut, expected)
        total = faults.flash_operations - first
    measured("flash operations", total, "")
    lost = []
    for index in range(points):
        operation = round(index * (total - 1) / max(1, points - 1))
        phase: Phase = ("before", "during", "after")[index % 3]
        with stage(f"cut {index + 1}"):
            dut.restore_flash(before)
            faults.cut_power_at_flash_operation(faults.flash_operations + operation, phase, 0.5)
            dut.power_on()
            for _ in range(600):
                if faults.cut_happened:
                    break
                rig.sleep(0.1)
            faults.cancel()
            dut.power_cycle()
            try:
                _wait_swapped(dut, expected)
                held, what = True, f"runs {expected.version}"
            except (AssertionError, DeviceError) as error:
                held, what = False, str(error).splitlines()[0]
                lost.append(f"operation {operation} of {total}, {phase}: {what}")
            swept(
                scenario, operation=operation, operations=total, phase=phase, held=held, what=what, depth=0.5
            )
    assert not lost, f"{len(lost)} of {points} cuts cost an image; the first at {lost[0]}"


def _wait_swapped(dut: Device, image: SignedImage) -> None:
    """Wait, without air or console, until the primary slot holds this image and its trailer says that all is done."""
    for _ in range(200):
        dut.rig.sleep(0.5)
        trailer = dut.slot("primary").trailer
        if dut.holds(image) and trailer.copy_done is Flag.SET:
            return
    raise DeviceError(f"after {100:g} s the device does not hold {image.version}")


@case(
    "PWR-08",
    "Power cut by the supply at random moments of an update: the device starts, and the update can be finished",
    evidence_for=["BRIEF-rollback", "BRIEF-dual-bank", "CRA-I.2.h", "ISVS-3.4.7"],
    needs=["central", "supply"],
    controls=["swap_resume"],
)
@pytest.mark.parametrize("cuts", [12], ids=[pytest.HIDDEN_PARAM])
def test_cuts_at_random_moments(
    dut: Device,
    update: ReportedUpdate,
    base_image: SignedImage,
    images: ReportedImages,
    rig: Rig,
    cuts: int,
) -> None:
    """A timed random sweep, which needs a supply and a clock, so that it runs on any rig. It states N and the bound."""
    drawn = random.Random(recorder.current().seed)
    running, versions = base_image, iter(range(1, 2 * cuts + 2))

    def next_update() -> SignedImage:
        return images.make(f"{running.version.major}.{running.version.minor + next(versions)}.0")

    with stage("time"):
        new = next_update()
        began = rig.clock()
        update.start(new).run()
        uploaded = rig.clock()
        update.activate(new)
        upload_s, swap_s = uploaded - began, rig.clock() - uploaded
        running = new
    lost: list[str] = []
    for number in range(1, cuts + 1):
        new = next_update()
        when = drawn.uniform(0.0, upload_s + swap_s)
        with stage(f"cut {number}"):
            try:
                running = _cut_once(dut, update, rig, running, new, when, upload_s)
            except (AssertionError, DeviceError) as error:
                lost.append(f"cut {number} at {when:.3f} s: {str(error).splitlines()[0]}")
                break  # the device does not start any more
    done = number
    timed_random(done, len(lost))
    assert not lost, f"{len(lost)} of {done} cuts were not survived: {lost[0]}"


def _cut_once(
    dut: Device,
    update: ReportedUpdate,
    rig: Rig,
    running: SignedImage,
    new: SignedImage,
    when: float,
    upload_s: float,
) -> SignedImage:
    """Cut an update to `new` after `when` seconds, and finish it when the power is back. Returns what runs then."""
    transfer = update.start(new)
    if when < upload_s:
        transfer.run_until(fraction=when / upload_s)
    else:
        transfer.run()
        update.test(new.hash)
        update.close()
        dut.reset()
        rig.sleep(when - upload_s)
    dut.power_cycle()
    update.wait_alive()
    dut.wait_booted(SWAP_TIMEOUT_S)
    assert dut.version in (running.version, new.version), f"{dut.version} runs"
    if dut.version == running.version:
        # The cut came before the swap had been asked for, or before it began: the update is given again.
        update.start(new).run()
        update.activate(new)
    else:
        rig.sleep(3.0)  # it is on test, and confirms itself after its self-test
    assert dut.version == new.version
    return new


@case(
    "PWR-03",
    "Power cut in the middle of a revert: the former image runs again when power returns",
    evidence_for=["BRIEF-rollback", "BRIEF-dual-bank", "CRA-I.2.h", "ISVS-3.4.7"],
    needs=["central", "supply", "console", "device.behaviours", "device.boot-log"],
    controls=["swap_resume:1.5"],
)
@pytest.mark.parametrize("after_s", [0.2, 1.5])
def test_power_cut_during_revert(
    dut: Device,
    update: ReportedUpdate,
    base_image: SignedImage,
    images: ReportedImages,
    rig: Rig,
    after_s: float,
) -> None:
    unconfirmed = images.make("1.1.0", behaviour=Behaviour.NEVER_CONFIRM)
    with stage("upload"):
        _request(update, unconfirmed)
    with stage("swap"):
        dut.reset()
        _wait_running(dut, unconfirmed, confirmed=False)
    with stage("revert"):
        rig.console.skip()
        dut.reset()
        rig.console.wait_for("revert starts", SWAP_TIMEOUT_S)
        rig.sleep(after_s)
    with stage("power cut"):
        rig.console.skip()
        dut.power_cycle()
        rig.console.wait_for("revert resumes", SWAP_TIMEOUT_S)
        dut.wait_booted(SWAP_TIMEOUT_S)
        assert dut.version == base_image.version
        assert dut.slot("primary").trailer.image_ok is Flag.SET


@case(
    "PWR-04",
    "A swap cut off waits below the battery threshold with the flash untouched, and finishes on recovery",
    evidence_for=["BRIEF-battery", "CRA-I.2.h"],
    needs=["central", "supply.volts", "console", "device.battery", "device.boot-log"],
    controls=["battery"],
)
def test_swap_waits_at_low_voltage(
    dut: Device, update: ReportedUpdate, next_image: SignedImage, rig: Rig
) -> None:
    battery = dut.file.battery
    assert battery is not None
    with stage("upload"):
        _request(update, next_image)
    with stage("swap"):
        _start_swap(dut)
        rig.sleep(1.0)
        dut.power_off()
    with stage("low voltage"):
        rig.console.skip()
        dut.set_battery(battery.swap_minimum - 5)
        dut.power_on()
        rig.console.wait_for("swap waits: battery", SWAP_TIMEOUT_S)
        before = dut.read_flash(0, dut.file.flash_size)
        rig.sleep(20.0)
        dut.set_battery(battery.swap_minimum + 2)  # above the threshold, below where it goes on
        rig.sleep(20.0)
        assert dut.read_flash(0, dut.file.flash_size) == before, "the flash was changed below the threshold"
        info = rig.console.text()
        assert "swap goes on" not in info.split("swap waits: battery")[-1]
    with stage("full voltage"):
        dut.set_battery(100)
        rig.console.wait_for("swap goes on", SWAP_TIMEOUT_S)
        _wait_running(dut, next_image)


async def _ask_to_erase(update: ReportedUpdate) -> Answer[ImageEraseResponse]:
    """Ask for the update slot to be erased, and do not wait for it."""
    client = await update.session.client()
    return await client.send(ImageEraseRequest, ImageEraseResponse, "image erase")


def _pages_left(dut: Device, image: SignedImage) -> int:
    """How many pages of an uploaded image are whole in the update slot."""
    page = dut.file.flash_page
    start = page if dut.file.swap == "offset" else 0
    stored = dut.read_slot("secondary")[start:]
    return sum(
        stored[at : at + page] == image.data[at : at + page] for at in range(0, len(image.data) - page, page)
    )


@case(
    "PWR-05",
    "A brown-out while the flash is being erased leaves the old image running, and the next update is taken",
    evidence_for=["BRIEF-battery", "CRA-I.2.h"],
    needs=["central", "supply.ramp"],
)
def test_brown_out_during_erase(
    dut: Device, update: ReportedUpdate, base_image: SignedImage, next_image: SignedImage, rig: Rig
) -> None:
    with stage("upload"):
        update.start(next_image).run()
    with stage("brown-out"):
        volts = rig.file.supply.nominal_volts if rig.file.supply is not None else 3.0
        erasing = rig.run(_ask_to_erase(update))
        rig.sleep(0.5)  # the pages of the image take some 1.4 s
        # In less time than a page takes: a slower sag the device would see coming, and begin no further page.
        rig.supply.ramp(volts, 0.5, 0.03)
        with pytest.raises((LinkLost, SmpTimeout)):
            rig.run(erasing.result(30.0))
        dut.power_off()
    with stage("power returns"):
        rig.supply.set_volts(volts)
        dut.power_on()
        update.wait_alive()
        assert dut.version == base_image.version
        left = _pages_left(dut, next_image)
        assert 0 < left < len(next_image.data) // dut.file.flash_page, "the power did not go during the erase"
    with stage("update"):
        update.run(next_image)
        assert dut.version == next_image.version


@case(
    "PWR-06",
    "A supply that sags below the power-fail threshold during the swap pauses it, and no watchdog is needed",
    evidence_for=["BRIEF-battery", "CRA-I.2.h"],
    needs=["central", "supply.ramp", "console", "device.boot-log", "device.refusal-reason"],
    controls=["anomaly242"],
)
def test_sag_during_swap(dut: Device, update: ReportedUpdate, next_image: SignedImage, rig: Rig) -> None:
    volts = rig.file.supply.nominal_volts if rig.file.supply is not None else 3.0
    sag = 1.8  # below the bootloader's power-fail threshold of 1.9 V, above brown-out
    with stage("upload"):
        _request(update, next_image)
    with stage("swap"):
        _start_swap(dut)
        rig.sleep(0.5)
    with stage("sag"):
        rig.supply.ramp(volts, sag, 0.2)
        rig.sleep(5.0)
        rig.supply.ramp(sag, volts, 0.2)
    with stage("recovery"):
        _wait_running(dut, next_image)
        info = dut.boot_info
        assert info is not None
        assert not info.reset_reason & ResetReason.WATCHDOG, "the CPU hung until the watchdog reset it"
        text = rig.console.text()
        assert "reset: watchdog" not in text
        assert 0 < text.find("swap waits: battery") < text.find("swap goes on"), "the swap was not paused"
