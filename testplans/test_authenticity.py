"""Images that are not what the maker signed are not started, whoever put them there."""

from __future__ import annotations

import pytest

from hil.case import case, stage
from hil.dfu.errors import ImageHashNotFound, ImageInvalidImageHeaderMagic, SmpResultError
from hil.image.keys import bench_key
from hil.image.sign import SignedImage
from hil.image.trailer import TRAILER_MAGIC
from hil.rig.boot_info import Refusal
from hil.rig.device import Device
from hil.run.reported import ReportedImages, ReportedUpdate

REFUSALS = {
    "wrong key": Refusal.KEY,
    "header-magic": Refusal.HEADER,
    "header-size": Refusal.HEADER,
    "header-image-size": Refusal.SIZE,
    "header-protected-size": Refusal.TLV,
    "header-zero-size": Refusal.SIZE,
    "header-flag": Refusal.HEADER,
    "header-version": Refusal.HASH,
    "header-version-rehashed": Refusal.SIGNATURE,
    "payload-first-bit": Refusal.HASH,
    "payload-last-bit": Refusal.HASH,
    "payload-rehashed": Refusal.SIGNATURE,
    "tlv-hash": Refusal.HASH,
    "tlv-key-hash": Refusal.KEY,
    "tlv-signature": Refusal.SIGNATURE,
    "tlv-signature-zero": Refusal.SIGNATURE,
    "tlv-signature-type": Refusal.TLV,
    "tlv-length": Refusal.TLV,
    "tlv-block-length": Refusal.TLV,
    "tlv-counter": Refusal.HASH,
    "truncated-payload": Refusal.TLV,
    "truncated-tlv": Refusal.SIGNATURE,
}
# The application sees that these are no images; all others it takes, and the bootloader refuses them.
ANSWERS: dict[str, type[SmpResultError]] = {
    "header-magic": ImageInvalidImageHeaderMagic,
    "truncated-payload": ImageHashNotFound,
}


def _offer(dut: Device, update: ReportedUpdate, image: SignedImage) -> SmpResultError | None:
    """Offer an image over the air with every step of an update; return the application's refusal, if it refused."""
    try:
        update.start(image).run()
        update.test(image.hash)
    except SmpResultError as refusal:
        return refusal
    finally:
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
    return None


def _place(dut: Device, image: SignedImage) -> None:
    """Put an image and the request to install it into the update slot by the probe, past the application."""
    slot = dut.file.slot("secondary")
    offset = dut.file.flash_page if dut.file.swap == "offset" else 0
    probe = dut.rig.probe
    probe.erase(slot.start, slot.size)
    probe.program(image.data, slot.start + offset)
    probe.program(TRAILER_MAGIC, slot.end - len(TRAILER_MAGIC))
    dut.rig.release_probe()


def _wrong_key(images: ReportedImages) -> SignedImage:
    return images.make("1.1.0", key=bench_key("somebody else"))


@case(
    "AUTH-01",
    "An image that was changed after signing, or signed by another key, is never started when offered over the air",
    evidence_for=["BRIEF-signing", "CRA-I.2.f", "ETSI-5.3-9"],
    needs=["central"],
)
@pytest.mark.parametrize(
    "fault", ["wrong key", "header-magic", "payload-rehashed", "tlv-signature", "truncated-payload"]
)
def test_a_broken_image_is_refused_over_the_air(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, fault: str
) -> None:
    image = _wrong_key(images) if fault == "wrong key" else images.broken(fault, "1.1.0")
    with stage("offer"):
        answer = _offer(dut, update, image)
    with stage("check"):
        assert dut.version == base_image.version, f"the image was taken ({fault})"
        assert dut.holds(base_image), f"the former image was overwritten ({fault})"
        # A refusal for another reason, such as a battery that is low, would say nothing of the image.
        if fault in ANSWERS:
            assert isinstance(answer, ANSWERS[fault]), f"the application's answer was: {answer}"
        else:
            assert answer is None, f"the application's answer was: {answer}"
            info = dut.boot_info
            assert info is not None
            assert info.images[0].refusal is REFUSALS[fault]


@case(
    "AUTH-02",
    "The bootloader by itself refuses each kind of broken image, and says why",
    evidence_for=["BRIEF-signing", "CRA-I.2.f", "ETSI-5.3-9"],
    needs=["probe"],
)
@pytest.mark.parametrize("fault", list(REFUSALS))
def test_the_bootloader_refuses_a_broken_image(
    dut: Device, images: ReportedImages, base_image: SignedImage, fault: str
) -> None:
    image = _wrong_key(images) if fault == "wrong key" else images.broken(fault, "1.1.0")
    with stage("place"):
        _place(dut, image)
    with stage("boot"):
        dut.reset()
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.version == base_image.version, f"the image was taken ({fault})"
        assert dut.holds(base_image), f"the former image was overwritten ({fault})"
        info = dut.boot_info
        assert info is not None
        assert info.images[0].refusal is REFUSALS[fault]
