"""A program of the maker's, such as the companion app, drives the update: the brief says that most updates fail there.

hil starts it, injects the fault, and judges the device's state and the program's exit code: 0 says that the update is
done, anything else that it is not.
"""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.image.sign import SignedImage
from hil.initiator.program import Initiator
from hil.rig.device import Device
from hil.run.reported import ReportedImages

EVIDENCE = ["BRIEF-initiator", "BRIEF-hosts", "CRA-I.2.c"]
SETTLE_S = 10.0
"""For a device to swap, start and confirm itself after the program has ended."""


def _settled(dut: Device) -> None:
    dut.wait_booted(90.0)
    dut.rig.sleep(SETTLE_S)


def _to_mid_transfer(dut: Device, initiator: Initiator, image: SignedImage, seconds: float) -> None:
    """Let the program run for a while, and see to it that it is still at work."""
    initiator.start(image)
    initiator.pass_time(seconds)
    if not initiator.running:
        code = initiator.wait()
        pytest.fail(
            f"the program ended after less than {seconds:g} s, with exit code {code}: nothing to interrupt"
        )


@case(
    "INI-01",
    "The program updates the device, and ends with success when the device runs the new image",
    evidence_for=EVIDENCE,
    needs=["initiator"],
)
def test_update(dut: Device, initiator: Initiator, next_image: SignedImage) -> None:
    with stage("update"):
        initiator.start(next_image)
        code = initiator.wait()
    with stage("check"):
        assert code == 0, f"the program ended with exit code {code}"
        _settled(dut)
        assert dut.holds(next_image), "the program reports success, and the device does not run the new image"


@case(
    "INI-02",
    "The program is killed in mid-transfer: the device keeps its image, and the program started again finishes",
    evidence_for=[*EVIDENCE, "BRIEF-suspension", "BRIEF-resume"],
    needs=["initiator"],
)
@pytest.mark.parametrize("after_s", [1.5], ids=[pytest.HIDDEN_PARAM])
def test_killed(
    dut: Device, initiator: Initiator, base_image: SignedImage, next_image: SignedImage, after_s: float
) -> None:
    with stage("kill"):
        _to_mid_transfer(dut, initiator, next_image, after_s)
        initiator.kill()
        initiator.close()
        _settled(dut)
        assert dut.holds(base_image), "a transfer that was cut off changed the running image"
    with stage("again"):
        initiator.start(next_image)
        code = initiator.wait()
        assert code == 0, f"started again the program ended with exit code {code}"
        _settled(dut)
        assert dut.holds(next_image)


@case(
    "INI-03",
    "Power is lost in mid-transfer: the program does not report success, and started again it finishes",
    evidence_for=[*EVIDENCE, "BRIEF-resume", "CRA-I.2.h"],
    needs=["initiator", "supply"],
)
@pytest.mark.parametrize("after_s", [1.5], ids=[pytest.HIDDEN_PARAM])
def test_power_lost(
    dut: Device, initiator: Initiator, base_image: SignedImage, next_image: SignedImage, after_s: float
) -> None:
    with stage("power cut"):
        _to_mid_transfer(dut, initiator, next_image, after_s)
        dut.power_off()
        code = initiator.wait()
        measured("exit code", code, "")
        assert code != 0, "the program reports success though the device was without power"
    with stage("power returns"):
        dut.power_on()
        _settled(dut)
        assert dut.holds(base_image), "a transfer that was cut off changed the running image"
    with stage("again"):
        initiator.start(next_image)
        code = initiator.wait()
        assert code == 0, f"started again the program ended with exit code {code}"
        _settled(dut)
        assert dut.holds(next_image)


@case(
    "INI-04",
    "An image that the device refuses is not reported as a success by the program",
    evidence_for=[*EVIDENCE, "BRIEF-signing", "BRIEF-status"],
    needs=["initiator"],
)
def test_refused_image(
    dut: Device,
    initiator: Initiator,
    images: ReportedImages,
    base_image: SignedImage,
    next_image: SignedImage,
) -> None:
    broken = images.broken("payload-rehashed", str(next_image.version))
    with stage("update"):
        initiator.start(broken)
        code = initiator.wait()
        measured("exit code", code, "")
    with stage("check"):
        _settled(dut)
        assert dut.holds(base_image), "a broken image was installed"
        assert code != 0, "the program reports success for an image that the device refused"


@case(
    "INI-05",
    "An update that the device refuses for its battery is not reported as a success by the program",
    evidence_for=[*EVIDENCE, "BRIEF-battery", "BRIEF-status"],
    needs=["initiator", "supply.volts", "device.battery"],
)
def test_low_battery(
    dut: Device, initiator: Initiator, base_image: SignedImage, next_image: SignedImage
) -> None:
    battery = dut.file.battery
    assert battery is not None
    with stage("update"):
        dut.set_battery(battery.upload_minimum - 3)
        initiator.start(next_image)
        code = initiator.wait()
        measured("exit code", code, "")
    with stage("check"):
        dut.set_battery(100)
        _settled(dut)
        assert dut.holds(base_image)
        assert code != 0, "the program reports success for an update that the device refused"
