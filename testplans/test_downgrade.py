"""Versions never go back: not by version, not by security counter, not by a revert that nobody is due.

What a device takes is its own policy, told by its rig file ([device.policy]); a case holds it to that. How far the
policy stays behind the brief's rule, strictly greater with the build number counted, is told as a figure.
"""

from __future__ import annotations

import pytest

from hil.case import case, measured, stage
from hil.dfu.errors import ImageTestOfActiveDenied, SmpResultError
from hil.image.mcuboot import ImageVersion
from hil.image.sign import SignedImage
from hil.image.trailer import TRAILER_MAGIC
from hil.rig.boot_info import Refusal
from hil.rig.device import Device
from hil.rig.schema import Policy
from hil.run.reported import ReportedImages, ReportedUpdate

EVIDENCE = ["BRIEF-downgrade", "CRA-I.2.a", "CRA-I.2.c", "CRA-I.2.f", "CRA-II.7", "ISVS-3.4.6"]
BASE = ImageVersion(2, 3, 4, 5)
BASE_COUNTER = 1

# How the offered image differs: its version, its counter, and whether its content is another than the base image's.
OFFERS = {
    "lower major": ("1.9.9+9", 1),
    "lower minor": ("2.2.9+9", 1),
    "lower revision": ("2.3.3+9", 1),
    "lower build": ("2.3.4+4", 1),
    "the same image": ("2.3.4+5", 1),
    "equal version, other image": ("2.3.4+5", 2),
    "lower counter": ("3.0.0", 0),
}


@pytest.fixture
def base_image(images: ReportedImages) -> SignedImage:
    """The image that `dut` runs at first: a version with a number in each field."""
    return images.make(str(BASE), security_counter=BASE_COUNTER)


def _takes(policy: Policy, version: ImageVersion, counter: int) -> bool:
    """Whether a device with this policy may take the version over BASE."""
    if policy.security_counter and counter < BASE_COUNTER:
        return False
    if policy.version == "counter-only":
        return True
    offered, installed = (
        (each.major, each.minor, each.revision, each.build if policy.build_number else 0)
        for each in (version, BASE)
    )
    return offered > installed or (policy.version == "not-lower" and offered == installed)


@case(
    "VER-01",
    "A correctly signed image of a version or security counter that the device's policy refuses is not installed",
    evidence_for=EVIDENCE,
    needs=["central"],
    controls=["version:lower major", "counter:lower counter"],
)
@pytest.mark.parametrize("offer", list(OFFERS))
def test_no_downgrade(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, offer: str
) -> None:
    text, counter = OFFERS[offer]
    image = images.make(text, security_counter=counter)
    version = ImageVersion.parse(text)
    may_take = _takes(dut.file.policy, version, counter)
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
        taken = not dut.holds(base_image)
        measured("taken against the brief's strict rule", int(taken), "")
        if may_take:
            return  # its policy: the figure says that the brief's rule is stricter
        assert not taken, f"version {text} with security counter {counter} was installed over {BASE}"
        if "refusal-reason" not in dut.file.supports:
            return
        if image.hash == base_image.hash:
            # The same image again: the flash cannot tell it from the one that runs, the answer can.
            assert isinstance(answer, ImageTestOfActiveDenied), f"the application's answer was: {answer}"
            return
        # A refusal for another reason, such as a battery that is low, would say nothing of the version.
        assert answer is None, f"the application's answer was: {answer}"
        dut.expect_refusal(Refusal.SECURITY_COUNTER if counter < BASE_COUNTER else Refusal.VERSION)


@case(
    "VER-02",
    "Once an update is confirmed, the former version cannot be asked for again over SMP",
    evidence_for=EVIDENCE,
    needs=["central"],
    controls=["version:test"],
)
@pytest.mark.parametrize("request_for", ["test", "confirm"])
def test_former_version_asked_for(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, request_for: str
) -> None:
    newer = images.make("2.4.0")
    with stage("update"):
        update.run(newer)
    with stage(f"{request_for} the former"):
        # The former image lies in the update slot, whole and signed; an upload puts it where an update is looked for.
        try:
            update.start(base_image).run()
            update.test(base_image.hash) if request_for == "test" else update.confirm(base_image.hash)
        except SmpResultError:
            measured("refused by the application", 1, "")
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.holds(newer), f"the former version came back by a request to {request_for} it"
        dut.expect_refusal(Refusal.VERSION)


@case(
    "VER-03",
    "A forged request to revert does not bring back an image whose security counter is below the confirmed one",
    evidence_for=EVIDENCE,
    needs=["central", "probe", "device.security-counter", "device.refusal-reason"],
    controls=["counter"],
)
def test_forged_revert(dut: Device, update: ReportedUpdate, images: ReportedImages) -> None:
    newer = images.make("2.4.0", security_counter=BASE_COUNTER + 1)
    with stage("update"):
        update.run(newer)
        update.close()
        dut.reset()  # the counter is raised at the first start that is confirmed
        dut.wait_booted(60.0)
    with stage("forge"):
        slot = dut.file.slot("secondary")
        probe = dut.rig.probe
        probe.erase(slot.end - dut.file.flash_page, dut.file.flash_page)
        # copy_done beside the magic is what a revert's request looks like (hil.image.trailer).
        probe.program(b"\x01\xff\xff\xff", slot.end - 32)
        probe.program(TRAILER_MAGIC, slot.end - len(TRAILER_MAGIC))
        dut.rig.release_probe()
    with stage("boot"):
        dut.reset()
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.holds(newer), "a forged request brought the former image back"
        dut.expect_refusal(Refusal.SECURITY_COUNTER)
