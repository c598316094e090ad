"""An application gone bad cannot change the bootloader or the provisioning page."""

from __future__ import annotations

import re
from typing import Any

import pytest
from smp.image_management import (
    ImageEraseRequest,
    ImageEraseResponse,
    ImageUploadWriteRequest,
    ImageUploadWriteResponse,
)

from hil.case import case, stage
from hil.dfu.errors import SmpResultError, SmpTimeout
from hil.dfu.update import Update
from hil.image.sign import SignedImage
from hil.image.variants import Behaviour
from hil.rig.device import Device
from hil.rig.product import Product
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages, ReportedUpdate

# The numbers are firmware/soc/attack.h's. The flag says whether the attempt is an access that the ACL answers with a
# fault; the others fail in another way (EasyDMA does not reach flash, UICR belongs to no ACL region).
ATTACKS = {
    "word write": (1, True),
    "page erase": (2, True),
    "partial erase": (3, True),
    "ERASEALL": (4, True),
    "ACL rewrite": (5, True),
    "UICR write": (6, False),
    "EasyDMA into flash": (7, False),
    "EasyDMA out of flash": (8, False),
}


EVIDENCE = ["BRIEF-protection", "CRA-I.2.k", "CRA-I.2.f", "ISVS-3.4.5"]


@case(
    "PROT-01",
    "A hostile, correctly signed application leaves bootloader and provisioning page identical, and its attempts fault",
    evidence_for=EVIDENCE,
    needs=["probe", "console", "device.hostile-app", "device.provisioning"],
    controls=["acl:word write"],
)
@pytest.mark.parametrize("attack", list(ATTACKS))
def test_hostile_application(
    blank_dut: Device, product: Product, images: ReportedImages, attack: str
) -> None:
    number, faults = ATTACKS[attack]
    hostile = images.make("1.0.0", behaviour=Behaviour.HOSTILE, attack=number)
    sent = bytearray()
    blank_dut.rig.console.add_byte_tap(sent.extend)
    with stage("provision"):
        blank_dut.rig.console.skip()
        blank_dut.provision(
            bootloader=product.bootloader, provisioning=product.provisioning.page(), image=hostile
        )
    with stage("attack"):
        for target in ("the bootloader", "the provisioning page"):
            console = blank_dut.rig.console
            console.wait_for(f"attack on {target}", 30.0)
            attempts = int(console.wait_for(r"attack faults: (\d+)", 30.0)[1])
            outcome = console.wait_for(r"attack (left|CHANGED) the target", 30.0)[1]
            assert outcome == "left", f"{attack} changed {target}"
            if faults:
                assert attempts >= 1, f"{attack} on {target} did not fault"
        blank_dut.rig.sleep(1.0)
    with stage("check"):
        start = product.bootloader
        page = product.provisioning.page()
        where = blank_dut.file.provisioning
        assert where is not None
        assert blank_dut.read_flash(0, len(start)) == start, f"{attack} changed the bootloader"
        assert blank_dut.read_flash(where.start, len(page)) == page, f"{attack} changed the provisioning page"
        assert b"attack on the bootloader" in sent, (
            "the console's bytes were not seen, so nothing is known of them"
        )
        # What EasyDMA would have sent of them: the attack aims at the second word of each.
        assert start[4:20] not in sent, f"{attack} read the bootloader out"
        assert page[4:20] not in sent, f"{attack} read the provisioning page out"
        blank_dut.reset()
        blank_dut.rig.console.wait_for(re.escape("1.0.0") + ".* starts", 10.0)


@case(
    "PROT-02",
    "Nothing that can be asked over SMP writes outside of the update slot",
    evidence_for=[*EVIDENCE, "BRIEF-malformed", "CRA-I.2.d", "CRA-I.2.j"],
    needs=["central", "probe"],
    controls=["running", "lengths"],
)
def test_requests_out_of_bounds(
    dut: Device, update: ReportedUpdate, images: ReportedImages, base_image: SignedImage, rig: Rig
) -> None:
    image = images.make("1.1.0")
    slot = dut.file.slot("secondary")
    before = dut.read_flash(0, slot.start)
    head = image.data[:64]

    def ask(request: type[Any], response: type[Any], **fields: Any) -> Any:
        """The device's answer, or its refusal."""

        async def send() -> Any:
            client = await update.session.client()
            try:
                return await client.request(request, response, "request", timeout_s=30.0, **fields)
            except (SmpResultError, SmpTimeout) as refusal:
                return refusal

        return rig.run(send())

    def upload(**fields: Any) -> Any:
        return ask(ImageUploadWriteRequest, ImageUploadWriteResponse, **fields)

    with stage("image numbers"):
        for number in (1, 2, 15, 255, 2**32 - 1):
            answer = upload(off=0, len=len(image.data), data=head, image=number)
            assert isinstance(answer, SmpResultError), f"an upload for image {number} was taken"
    with stage("slots"):
        for number in (0, 2, 3, 255, 2**32 - 1):
            answer = ask(ImageEraseRequest, ImageEraseResponse, slot=number)
            assert isinstance(answer, SmpResultError), f"erasing slot {number} was taken"
    with stage("lengths"):
        for length in (slot.size, slot.size + 1, 2**31, 2**32 - 1):
            answer = upload(off=0, len=length, data=head)
            assert isinstance(answer, SmpResultError), f"an upload of {length} bytes was taken"
    with stage("offsets"):
        begun = upload(off=0, len=100, data=head, sha=bytes(32))
        assert not isinstance(begun, Exception), f"an upload of 100 bytes was refused: {begun}"
        for offset in (99, 101, 2**31, 2**32 - 1):
            answer = upload(off=offset, data=head)
            assert isinstance(answer, SmpResultError) or answer.off == 64, f"data at {offset} was taken"
        answer = upload(off=64, data=head)  # 64 bytes, where 36 are left
        assert isinstance(answer, SmpResultError), "more data was taken than was announced"
    with stage("check"):
        update.close()
        assert dut.read_flash(0, slot.start) == before, "flash outside of the update slot was changed"
        dut.reset()
        dut.wait_booted(60.0)
        assert dut.holds(base_image)


@case(
    "PROT-03",
    "After a soft reset bootloader and provisioning page are locked again before the application runs",
    evidence_for=EVIDENCE,
    needs=["central", "probe", "console", "device.hostile-app", "device.provisioning"],
    controls=["acl"],
)
def test_locked_after_a_soft_reset(blank_dut: Device, product: Product, images: ReportedImages) -> None:
    number, _ = ATTACKS["word write"]
    hostile = images.make("1.0.0", behaviour=Behaviour.HOSTILE, attack=number)
    rig = blank_dut.rig
    with stage("provision"):
        blank_dut.provision(
            bootloader=product.bootloader, provisioning=product.provisioning.page(), image=hostile
        )
        for target in ("the bootloader", "the provisioning page"):
            rig.console.wait_for(f"attack on {target}", 30.0)
            outcome = rig.console.wait_for(r"attack (left|CHANGED) the target", 30.0)[1]
            assert outcome == "left", f"before the soft reset the attack changed {target}"
        blank_dut.wait_booted()
    with stage("soft reset"):
        rig.console.skip()
        update = Update(rig.run, blank_dut.air())
        update.reset()  # SYSRESETREQ by the application itself
    with stage("attack"):
        for target in ("the bootloader", "the provisioning page"):
            rig.console.wait_for(f"attack on {target}", 30.0)
            attempts = int(rig.console.wait_for(r"attack faults: (\d+)", 30.0)[1])
            outcome = rig.console.wait_for(r"attack (left|CHANGED) the target", 30.0)[1]
            assert outcome == "left", f"after a soft reset the attack changed {target}"
            assert attempts >= 1, f"after a soft reset a write to {target} did not fault"
    with stage("check"):
        page = product.provisioning.page()
        where = blank_dut.file.provisioning
        assert where is not None
        assert blank_dut.read_flash(0, len(product.bootloader)) == product.bootloader
        assert blank_dut.read_flash(where.start, len(page)) == page
