"""An application gone bad cannot change the bootloader or the provisioning page."""

from __future__ import annotations

import re

import pytest

from hil.case import case, stage
from hil.image.variants import Behaviour
from hil.rig.device import Device
from hil.rig.product import Product
from hil.run.reported import ReportedImages

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


@case(
    "PROT-01",
    "A hostile, correctly signed application leaves bootloader and provisioning page identical, and its attempts fault",
    evidence_for=["BRIEF-bootloader-protection", "CRA-I.2.k"],
    needs=["probe", "console", "device.hostile-app"],
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
