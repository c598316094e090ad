"""Images: what is signed here holds for imgtool, and nothing that is broken parses as sound and verifies."""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import InputError
from hil.image.info import image_info, verify_signature
from hil.image.keys import SigningKey, bench_key, load_key
from hil.image.mcuboot import ImageVersion, TlvType, parse_image
from hil.image.mutate import MUTATIONS, mutate_image
from hil.image.sign import SignedImage, sign_image
from hil.image.trailer import TRAILER_MAGIC, Flag, Magic, SwapType, parse_trailer
from hil.image.variants import Behaviour, pad_payload, patch_behaviour

PAYLOAD = bytes(range(256)) * 12
KEY = bench_key("tests")


def signed(key: SigningKey = KEY) -> SignedImage:
    return sign_image(
        PAYLOAD,
        key,
        ImageVersion(1, 2, 3, 4),
        security_counter=7,
        vendor=UUID(int=1),
        device_class=UUID(int=2),
        slot_size=0x10000,
    )


@pytest.mark.parametrize("algorithm", ["ecdsa-p256", "ed25519"])
def test_imgtool_verifies_what_we_sign(algorithm: str, tmp_path: Path) -> None:
    key = bench_key("tests", algorithm)
    (tmp_path / "key.pem").write_bytes(key.private_pem())
    (tmp_path / "image.bin").write_bytes(signed(key).data)
    command = [sys.executable, "-m", "imgtool.main", "verify", "-k", "key.pem", "image.bin"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    assert "correctly validated" in done.stdout
    assert load_key(tmp_path / "key.pem").key_hash == key.key_hash


def test_we_read_what_imgtool_signs(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_bytes(KEY.private_pem())
    (tmp_path / "payload.bin").write_bytes(PAYLOAD)
    command = [sys.executable, "-m", "imgtool.main", "sign", "-k", "key.pem", "--version", "9.8.7+6"]
    command += ["--header-size", "0x200", "--pad-header", "--slot-size", "0x10000", "--align", "4"]
    command += ["--security-counter", "5", "payload.bin", "out.bin"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    image = parse_image((tmp_path / "out.bin").read_bytes())
    assert image.header.version == ImageVersion(9, 8, 7, 6)
    assert image.security_counter == 5
    assert image.payload == PAYLOAD
    assert verify_signature(image, KEY)


def test_signing_is_deterministic() -> None:
    assert signed().data == signed().data


def test_info_is_json_and_tells_the_key() -> None:
    info = json.loads(json.dumps(image_info(signed().data, key=KEY)))
    assert (info["version"], info["security_counter"]) == ("1.2.3+4", 7)
    assert info["hash_holds"] and info["signature_holds"]
    assert not image_info(signed().data, key=bench_key("another"))["signature_holds"]


# A reader that takes the first TLV of a kind, or looks at those that the signature does not cover, is taken in by
# these: that the bundled bootloader is not is what the case AUTH-02 shows.
ONLY_A_CAREFUL_READER_REFUSES = {
    "tlv-key-hash-twice",
    "tlv-signature-twice",
    "tlv-counter-unprotected",
    "tlv-dependency-unprotected",
}


@pytest.mark.parametrize("name", sorted(MUTATIONS.keys() - ONLY_A_CAREFUL_READER_REFUSES))
def test_a_mutation_leaves_nothing_that_verifies(name: str) -> None:
    broken = mutate_image(signed().data, name)
    assert broken != signed().data
    try:
        image = parse_image(broken)
    except InputError:
        return
    claimed = image.tlv(TlvType.SHA256)
    sound = claimed is not None and claimed.value == image.computed_hash() and verify_signature(image, KEY)
    assert not sound or image.tlv(TlvType.KEYHASH) != parse_image(signed().data).tlv(TlvType.KEYHASH)


def test_an_unknown_mutation_names_the_known_ones() -> None:
    with pytest.raises(InputError, match="payload-first-bit"):
        mutate_image(signed().data, "nonsense")


@given(st.binary(max_size=600))
def test_the_parser_never_does_worse_than_an_input_error(data: bytes) -> None:
    with contextlib.suppress(InputError):
        parse_image(data)


@given(st.integers(0, len(signed().data) - 1), st.integers(0, 7))
def test_no_flipped_bit_verifies(offset: int, bit: int) -> None:
    data = bytearray(signed().data)
    data[offset] ^= 1 << bit
    try:
        image = parse_image(bytes(data))
    except InputError:
        return
    covered = offset < image.hashed_length
    if covered:
        assert not verify_signature(image, KEY)


@pytest.mark.parametrize("text", ["", "1.2.3.4", "a", "256", "1.2.65536", "1+x", "-1"])
def test_a_bad_version_is_an_input_error(text: str) -> None:
    with pytest.raises(InputError):
        ImageVersion.parse(text)


def test_versions_order_by_every_part() -> None:
    texts = ["0.9.9", "1.0.0", "1.0.0+1", "1.0.1", "1.1.0", "2.0.0"]
    versions = [ImageVersion.parse(text) for text in texts]
    assert versions == sorted(versions)
    assert [str(version) for version in versions] == texts


def test_an_image_that_does_not_fit_its_slot_is_refused() -> None:
    with pytest.raises(InputError, match="exceeds"):
        sign_image(bytes(0x10000), KEY, ImageVersion(1), slot_size=0x10000)


def test_the_trailer_reads_as_mcuboot_lays_it_out() -> None:
    end = bytes([0x12]) + b"\xff" * 7 + b"\x01" + b"\xff" * 7 + b"\xff" * 8 + TRAILER_MAGIC
    trailer = parse_trailer(end)
    assert (trailer.magic, trailer.copy_done, trailer.image_ok) == (Magic.GOOD, Flag.SET, Flag.UNSET)
    assert trailer.swap_type is SwapType.TEST
    assert parse_trailer(b"\xff" * 40).magic is Magic.UNSET
    assert parse_trailer(bytes(40)).image_ok is Flag.BAD


def test_a_variant_changes_only_its_words() -> None:
    payload = bytes(256) + b"HILV" + bytes(8) + bytes(100)
    patched = patch_behaviour(payload, Behaviour.HOSTILE, attack=3)
    assert patched[260:268] == bytes([5, 0, 0, 0, 3, 0, 0, 0])
    assert patched[:256] == payload[:256] and patched[268:] == payload[268:]
    with pytest.raises(InputError, match="HILV"):
        patch_behaviour(bytes(100), Behaviour.HANG)


def test_padding_is_seeded_and_bounded() -> None:
    assert pad_payload(b"abc", 64, 1) == pad_payload(b"abc", 64, 1) != pad_payload(b"abc", 64, 2)
    with pytest.raises(InputError):
        pad_payload(bytes(65), 64)
