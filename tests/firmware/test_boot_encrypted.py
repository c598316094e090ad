"""Encrypted images: imgtool encrypts; the bootloader decrypts on the way in and encrypts on the way out."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.firmware.device import PRIMARY, UPDATE, Device, image, key, payload, provisioning

_SECRET = 0x5DEECE66D_0B0B_1234
_PLAIN = payload(9001, 5)


def encrypted(folder: Path) -> bytes:
    """A 1.1.0 image that imgtool signed and encrypted for `_SECRET`'s public key."""
    public = ec.derive_private_key(_SECRET, ec.SECP256R1()).public_key()
    (folder / "encrypt.pem").write_bytes(public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    (folder / "sign.pem").write_bytes(key().private_pem())
    (folder / "app.bin").write_bytes(_PLAIN)
    options = "--key sign.pem -E encrypt.pem --version 1.1.0 --header-size 0x200 --pad-header"
    options += " --slot-size 0x73000 --align 4"
    call = [sys.executable, "-c", "from imgtool.main import imgtool; imgtool()", "sign", *options.split()]
    subprocess.run([*call, "app.bin", "app.signed"], cwd=folder, check=True, capture_output=True)
    return (folder / "app.signed").read_bytes()


def test_an_encrypted_update_is_decrypted_in_and_encrypted_out(tmp_path: Path) -> None:
    update, old = encrypted(tmp_path), image("1.0.0")
    assert _PLAIN[0x100:0x200] not in update
    page = replace(provisioning(), decryption_key=_SECRET.to_bytes(32, "big"))
    device = Device("p256-encrypted", page=page)
    device.install(old)
    device.request(update)
    assert device.start().rstrip().endswith("version 1.1.0 starts, unconfirmed")
    device.advance(100)
    assert device.console.text == ""  # it runs, and has not been reset
    assert device.read(PRIMARY + 0x200, len(_PLAIN)) == _PLAIN
    assert device.power_cycle().rstrip().endswith("version 1.0.0 starts")
    assert device.read(PRIMARY, len(old)) == old
    assert device.read(UPDATE, len(update)) == update


def test_an_image_for_another_decryption_key_is_refused(tmp_path: Path) -> None:
    device = Device("p256-encrypted", page=replace(provisioning(), decryption_key=(99).to_bytes(32, "big")))
    device.install(image("1.0.0"))
    device.request(encrypted(tmp_path))
    assert "refused: encryption" in device.start()
