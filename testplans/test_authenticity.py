"""Images that are not what the maker signed are not started, whoever put them there."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest
from smp.image_management import ImageUploadWriteRequest, ImageUploadWriteResponse

from hil.case import case, measured, stage
from hil.dfu.errors import (
    ImageHashNotFound,
    ImageInvalidImageHeaderMagic,
    ImageTooLarge,
    SmpResultError,
)
from hil.image.keys import bench_key, published_key
from hil.image.mcuboot import ImageVersion, TlvType, parse_image
from hil.image.mutate import MUTATIONS
from hil.image.provisioning import PublicKey
from hil.image.sign import SignedImage
from hil.image.trailer import TRAILER_MAGIC, Magic
from hil.rig.boot_info import Refusal
from hil.rig.device import Device
from hil.rig.product import Product
from hil.run.reported import ReportedImages, ReportedUpdate

SIGNING = ["BRIEF-signing", "CRA-I.2.f", "CRA-II.7", "ETSI-5.3-9", "EN18031-SUM-2", "ISVS-3.4.3"]
OTHER_HARDWARE = ["BRIEF-compatibility", "CRA-I.2.f"]

# Why the bundled bootloader refuses each mutation: the first check that the change runs into.
REFUSALS = {
    "header-flag": Refusal.HEADER,
    "header-flag-encrypted-aes128": Refusal.ENCRYPTION,
    "header-flag-encrypted-aes256": Refusal.HEADER,
    "header-flag-non-bootable": Refusal.HEADER,
    "header-flag-pic": Refusal.HEADER,
    "header-flag-ram-load": Refusal.HEADER,
    "header-flag-rom-fixed": Refusal.HARDWARE,
    "header-image-size": Refusal.SIZE,
    "header-magic": Refusal.HEADER,
    "header-protected-size": Refusal.TLV,
    "header-protected-size-zero": Refusal.TLV,
    "header-image-size-long": Refusal.TLV,
    "header-image-size-short": Refusal.TLV,
    "header-size": Refusal.HEADER,
    "header-size-overlap": Refusal.TLV,
    "header-zero-size": Refusal.SIZE,
    "header-version-rehashed": Refusal.SIGNATURE,
    "payload-rehashed": Refusal.SIGNATURE,
    "tlv-counter-removed-rehashed": Refusal.SIGNATURE,
    "tlv-vendor-changed-rehashed": Refusal.SIGNATURE,
    "tlv-key-hash": Refusal.KEY,
    "tlv-signature": Refusal.SIGNATURE,
    "tlv-signature-zero": Refusal.SIGNATURE,
    "tlv-encryption-key": Refusal.ENCRYPTION,
    "truncated-tlv": Refusal.SIGNATURE,
    **dict.fromkeys(
        [
            "header-load-address",
            "header-padding",
            "header-version",
            "payload-first-bit",
            "payload-last-bit",
            "payload-trailer",
            "tlv-hash",
            "tlv-counter",
            "tlv-counter-changed",
            "tlv-counter-removed",
            "tlv-vendor-changed",
            "tlv-vendor-removed",
            "tlv-class-changed",
            "tlv-class-removed",
        ],
        Refusal.HASH,
    ),
}
# Whatever is taken out, twice, empty or too long does not even parse.
REFUSALS |= {name: Refusal.TLV for name in MUTATIONS if name not in REFUSALS}

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
    """Put an image and the request to install it into the update slot by the probe, past the application.

    The probe keeps the device halted, so that the next reset is the first start that sees them.
    """
    slot = dut.file.slot("secondary")
    offset = dut.file.flash_page if dut.file.swap == "offset" else 0
    probe = dut.rig.probe
    probe.erase(slot.start, slot.size)
    probe.program(image.data, slot.start + offset)
    probe.program(TRAILER_MAGIC, slot.end - len(TRAILER_MAGIC))


def _refused(dut: Device, image: SignedImage, base: SignedImage, reason: Refusal, what: str) -> None:
    """Place the image, start the device, and judge what it runs."""
    with stage("place"):
        _place(dut, image)
    with stage("boot"):
        dut.reset()
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.version == base.version, f"the image was taken ({what})"
        assert dut.holds(base), f"the former image was overwritten ({what})"
        dut.expect_refusal(reason)


@case(
    "AUTH-01",
    "An image that was changed after signing, or signed by another key, is never started when offered over the air",
    evidence_for=[*SIGNING, "ETSI-5.3-10", "BRIEF-test-broken-image"],
    needs=["central"],
    controls=["signature:payload-rehashed", "hash:payload-first-bit"],
)
@pytest.mark.parametrize(
    "fault",
    [
        "wrong key",
        "header-magic",
        "header-image-size",
        "payload-first-bit",
        "payload-rehashed",
        "payload-trailer",
        "tlv-signature",
        "truncated-payload",
    ],
)
def test_a_broken_image_is_refused_over_the_air(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, fault: str
) -> None:
    if fault == "wrong key":
        image = images.make("1.1.0", key=bench_key("somebody else"))
    else:
        image = images.broken(fault, "1.1.0")
    with stage("offer"):
        answer = _offer(dut, update, image)
    with stage("check"):
        assert dut.version == base_image.version, f"the image was taken ({fault})"
        assert dut.holds(base_image), f"the former image was overwritten ({fault})"
        # A refusal for another reason, such as a battery that is low, would say nothing of the image.
        if "refusal-reason" in dut.file.supports:
            if answer is None:
                dut.expect_refusal(Refusal.KEY if fault == "wrong key" else REFUSALS[fault])
            else:
                expected = ANSWERS.get(fault, ImageHashNotFound)
                assert isinstance(answer, expected), f"the application's answer was: {answer}"


@case(
    "AUTH-02",
    "The bootloader by itself refuses each kind of broken image, and says why",
    evidence_for=[*SIGNING, "BRIEF-malformed", "ISVS-3.4.8", "CRA-I.2.l"],
    needs=["probe"],
    controls=["signature:payload-rehashed", "hash:payload-first-bit"],
)
@pytest.mark.parametrize("fault", list(MUTATIONS))
def test_the_bootloader_refuses_a_broken_image(
    dut: Device, images: ReportedImages, base_image: SignedImage, fault: str
) -> None:
    _refused(dut, images.broken(fault, "1.1.0"), base_image, REFUSALS[fault], fault)


@case(
    "AUTH-03",
    "An image signed by a well-known SDK debug key is not started, not even where that key was provisioned",
    evidence_for=["BRIEF-debug-key", "CRA-I.2.b", "ISVS-3.4.8"],
    needs=["probe", "device.provisioning"],
    controls=["debug_key:provisioned"],
)
@pytest.mark.parametrize("provisioned", [True, False], ids=["provisioned", "not provisioned"])
def test_a_debug_key_is_refused(
    blank_dut: Device, product: Product, images: ReportedImages, base_image: SignedImage, provisioned: bool
) -> None:
    debug = published_key()
    page = product.provisioning
    if provisioned:
        page = replace(page, keys=(*page.keys, PublicKey.from_raw(debug.public_raw)))
    with stage("provision"):
        blank_dut.provision(bootloader=product.bootloader, provisioning=page.page(), image=base_image)
        blank_dut.wait_booted()
    image = images.make("1.1.0", key=debug)
    _refused(blank_dut, image, base_image, Refusal.DEBUG_KEY, "signed by MCUboot's root-ec-p256.pem")


@case(
    "AUTH-04",
    "The hash of a key that is known does not lend authority to a signature by another, nor the other way round",
    evidence_for=SIGNING,
    needs=["probe"],
    controls=["signature:known hash, other signature"],
)
@pytest.mark.parametrize("swap", ["known hash, other signature", "other hash, known signature"])
def test_key_hash_swapped(dut: Device, images: ReportedImages, base_image: SignedImage, swap: str) -> None:
    own, other = images.make("1.1.0"), images.make("1.1.0", key=bench_key("somebody else"))
    signed, named = (other, own) if swap == "known hash, other signature" else (own, other)
    here, there = parse_image(signed.data).tlv(TlvType.KEYHASH), parse_image(named.data).tlv(TlvType.KEYHASH)
    assert here is not None and there is not None
    start = here.offset + 4
    data = signed.data[:start] + there.value + signed.data[start + len(there.value) :]
    reason = Refusal.SIGNATURE if swap == "known hash, other signature" else Refusal.KEY
    _refused(dut, replace(signed, data=data), base_image, reason, swap)


@case(
    "AUTH-05",
    "A correctly signed image for another vendor, device class or hardware revision is not installed",
    evidence_for=OTHER_HARDWARE,
    needs=["probe", "device.hardware-id"],
    controls=["hardware:vendor", "hardware:revision too old"],
)
@pytest.mark.parametrize("wrong", ["vendor", "class", "revision too old", "revision too new"])
def test_other_hardware(
    dut: Device, images: ReportedImages, product: Product, base_image: SignedImage, wrong: str
) -> None:
    revision = product.provisioning.hardware_revision
    image = {
        "vendor": lambda: images.make("1.1.0", vendor=product.provisioning.device_class),
        "class": lambda: images.make("1.1.0", device_class=product.provisioning.vendor),
        "revision too old": lambda: images.make("1.1.0", hardware=(revision + 1, revision + 9)),
        "revision too new": lambda: images.make("1.1.0", hardware=(0, revision - 1)),
    }[wrong]()
    _refused(dut, image, base_image, Refusal.HARDWARE, wrong)


@case(
    "AUTH-06",
    "An image whose dependency is not installed is not installed",
    evidence_for=OTHER_HARDWARE,
    needs=["probe", "device.dependencies"],
    controls=["dependency:newer version"],
)
@pytest.mark.parametrize("needed", ["newer version", "other image"])
def test_dependency(dut: Device, images: ReportedImages, base_image: SignedImage, needed: str) -> None:
    missing = {0: ImageVersion(1, 0, 1)} if needed == "newer version" else {1: ImageVersion(0, 0, 1)}
    image = images.make("1.1.0", dependencies=missing)
    _refused(dut, image, base_image, Refusal.DEPENDENCY, f"depends on {needed}")


@case(
    "AUTH-07",
    "An image larger than its slot is refused, also one whose end forges the request to install it",
    evidence_for=["BRIEF-malformed", "BRIEF-metadata", "CRA-I.2.f"],
    needs=["central", "probe"],
)
def test_oversize(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage
) -> None:
    slot = dut.file.slot("secondary")
    sound = images.make("1.1.0")
    # Long enough to reach the slot's last bytes, where the swap request stands, and it ends like one.
    data = sound.data + bytes(slot.size - dut.file.flash_page - len(sound.data) - len(TRAILER_MAGIC))
    oversize = replace(sound, data=data + TRAILER_MAGIC, name="1.1.0 oversize")
    with stage("announce"):
        with pytest.raises(SmpResultError) as refused:
            update.start(oversize)
        if "refusal-reason" in dut.file.supports:
            assert isinstance(refused.value, ImageTooLarge), f"the answer was: {refused.value}"
    with stage("check"):
        assert dut.slot("secondary").trailer.magic is not Magic.GOOD, "the forged request is in the trailer"
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.holds(base_image)


@case(
    "AUTH-08",
    "Half of one image and half of another never become an update, in whichever way they are sent",
    evidence_for=[*SIGNING, "BRIEF-metadata", "ISVS-3.4.4"],
    needs=["central"],
    controls=["mixed:other announced"],
)
@pytest.mark.parametrize("way", ["other announced", "data changed in mid-upload"])
def test_two_images_mixed(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, way: str
) -> None:
    first = images.make("1.1.0", size=48 * 1024)
    second = images.make("1.2.0", size=48 * 1024)
    with stage("first half"):
        transfer = update.start(first)
        transfer.run_until(fraction=0.5)
        half = transfer.offset
    if way == "other announced":
        with stage("second image"):
            # The device must not take up the first upload for the second image.
            outcome = update.start(second).run()
            measured("begun at", outcome.start_offset, "B")
            assert outcome.start_offset == 0, f"the other image was taken up at {outcome.start_offset}"
            states = update.states()
            stored = [state.hash for state in states if state.slot == 1]
            assert stored == [second.hash], "the update slot does not hold the second image"
            assert dut.holds(second, "secondary"), "the update slot holds a mixture of two images"
        return
    mixed = replace(first, data=first.data[:half] + second.data[half:], name="1.1.0 with 1.2.0's second half")
    with stage("second half"):
        # The rest of another image, sent under the first one's announcement.
        async def send_rest() -> ImageUploadWriteResponse:
            client = await update.session.client()
            answer = ImageUploadWriteResponse(sequence=0, off=half)
            offset = half
            while offset < len(mixed.data):
                chunk = mixed.data[offset : offset + 200]
                answer = await client.request(
                    ImageUploadWriteRequest,
                    ImageUploadWriteResponse,
                    "image upload",
                    off=offset,
                    data=chunk,
                )
                assert answer.off is not None and answer.off != offset, "the upload does not move"
                offset = answer.off
            return answer

        transfer.drop_link()
        update.start(first)
        last = dut.rig.run(send_rest())
        assert last.match is not True, "the device calls a mixture of two images the announced one"
    with stage("install"):
        offered: SmpResultError | None = None
        try:
            update.test(first.hash)
        except SmpResultError as refusal:
            offered = refusal
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.holds(base_image), "a mixture of two images was installed"
        if offered is None:
            dut.expect_refusal(Refusal.HASH)


@case(
    "AUTH-09",
    "An image that was not uploaded cannot be marked for test or confirmed by its hash",
    evidence_for=["BRIEF-confirm", "CRA-I.2.f"],
    needs=["central"],
)
@pytest.mark.parametrize("request_for", ["test", "confirm"])
def test_another_hash(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, request_for: str
) -> None:
    uploaded, other = images.make("1.1.0"), images.make("1.2.0")
    with stage("upload"):
        update.start(uploaded).run()
    with stage(f"{request_for} another"):
        for hash in (other.hash, hashlib.sha256(b"").digest(), bytes(32)):
            with pytest.raises(SmpResultError):
                update.test(hash) if request_for == "test" else update.confirm(hash)
        assert not any(state.pending for state in update.states()), "an image is pending that nobody named"
    with stage("reset"):
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.holds(base_image), "an image was installed that nobody asked for"


@case(
    "AUTH-10",
    "The same signed image offered again after it was replaced by a newer one is not installed: no replay",
    evidence_for=["BRIEF-downgrade", "CRA-I.2.f", "CRA-II.7", "ISVS-3.4.6"],
    needs=["central"],
    controls=["version"],
)
def test_replay(dut: Device, update: ReportedUpdate, images: ReportedImages) -> None:
    captured, newer = images.make("1.1.0"), images.make("1.2.0", security_counter=1)
    for image in (captured, newer):
        with stage(f"update to {image.version}"):
            update.run(image)
    with stage("replay"):
        _offer(dut, update, captured)
        assert dut.holds(newer), "an older image that was captured was installed again"
        dut.expect_refusal(Refusal.VERSION)
