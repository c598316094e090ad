"""Encrypted images: nothing of them lies open on their way, and they install on the device that they are for."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from hil.case import case, stage
from hil.dfu.update import Update
from hil.image.encrypt import encrypt_image
from hil.image.keys import bench_key
from hil.image.sign import SignedImage
from hil.rig.boot_info import Refusal
from hil.rig.device import Device
from hil.rig.product import Product
from hil.run.reported import ReportedImages

EVIDENCE = ["BRIEF-encryption", "CRA-I.2.e", "ISVS-3.4.9"]
NEEDS = ["central", "probe", "btsnoop", "device.provisioning", "device.encrypted-images"]


def _device_key(name: str) -> ec.EllipticCurvePrivateKey:
    key = bench_key(name).private
    assert isinstance(key, ec.EllipticCurvePrivateKey)
    return key


@pytest.fixture
def encrypting_dut(blank_dut: Device, product: Product, base_image: SignedImage) -> Device:
    """The device with the bootloader that decrypts, and a key of its own."""
    secret = _device_key("the device's own").private_numbers().private_value.to_bytes(32, "big")
    page = replace(product.provisioning, decryption_key=secret)
    with stage("provision"):
        blank_dut.provision(
            bootloader=product.variant("p256-encrypted"), provisioning=page.page(), image=base_image
        )
    with stage("boot"):
        blank_dut.wait_booted()
    return blank_dut


@case(
    "ENC-01",
    "An encrypted image is installed, and its content lies open neither on the air nor in the update slot",
    evidence_for=EVIDENCE,
    needs=NEEDS,
    controls=["install"],
)
def test_encrypted_update(encrypting_dut: Device, images: ReportedImages, hil_case_folder: Path) -> None:
    dut = encrypting_dut
    plain = images.make("1.1.0")
    secret = encrypt_image(plain, images.key, _device_key("the device's own").public_key())
    update = Update(dut.rig.run, dut.air())
    with stage("upload"):
        update.start(secret).run()
        stored = dut.read_slot("secondary")
    with stage("install"):
        update.activate(secret)
        update.close()
    with stage("check"):
        content = plain.data[0x200:]
        probes = [content[at : at + 32] for at in range(0x100, len(content) - 32, 4096)]
        probes = [probe for probe in probes if len(set(probe)) > 8]
        assert len(probes) > 3
        capture = (hil_case_folder / "link.btsnoop").read_bytes()
        assert len(capture) > len(secret.data), "the capture does not hold the upload"
        for probe in probes:
            assert probe not in stored, "the content lies open in the update slot"
            assert probe not in capture, "the content went over the air in the open"
        running = dut.read_slot("primary")[0x200 : 0x200 + 0x1000]
        assert running == content[:0x1000], "what runs is not the content that was encrypted"


@case(
    "ENC-02",
    "An image that was encrypted for another device is not installed",
    evidence_for=[*EVIDENCE, "CRA-I.2.f"],
    needs=NEEDS,
)
def test_for_another_device(encrypting_dut: Device, images: ReportedImages, base_image: SignedImage) -> None:
    dut = encrypting_dut
    other = encrypt_image(images.make("1.1.0"), images.key, _device_key("another device's").public_key())
    update = Update(dut.rig.run, dut.air())
    with stage("offer"):
        update.start(other).run()
        update.test(other.hash)
        update.close()
        dut.reset()
        dut.wait_booted(60.0)
    with stage("check"):
        assert dut.holds(base_image), "an image for another device was installed"
        dut.expect_refusal(Refusal.ENCRYPTION)
