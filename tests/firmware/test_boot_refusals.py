"""What the bootloader refuses, and what it says. The real binary runs on the virtual kit."""

from __future__ import annotations

import struct
import subprocess
import sys
import zlib
from pathlib import Path
from uuid import UUID

import pytest

from hil.image.mcuboot import TlvType, parse_image
from hil.image.mutate import MUTATIONS, mutate_image
from hil.image.provisioning import PROVISIONING_ADDRESS, Policy
from tests.firmware.device import COUNTER, PRIMARY, UPDATE, Device, image, key, payload, provisioning

_DEBUG_KEY_HASH = bytes.fromhex("e30466f6b8470c1f29070b17f1e2d3e94d445e3f608087fdc711e4382bb538b6")


def refused_update(data: bytes, **device: object) -> str:
    """The console after `data` was requested over a sound 1.0.0, which must still be there and run."""
    kit = Device(**device)  # type: ignore[arg-type]
    installed = image("1.0.0", counter=1)
    kit.install(installed)
    kit.request(data)
    text = kit.start()
    assert text.rstrip().endswith("boot: image 0 version 1.0.0 starts"), text
    assert kit.read(PRIMARY, len(installed)) == installed
    assert "swap starts" not in text
    # The request is answered: the next start is plain.
    assert "refused" not in kit.power_cycle()
    return text


def test_an_image_signed_by_imgtool_on_the_command_line_starts(tmp_path: Path) -> None:
    pem, raw, signed = tmp_path / "key.pem", tmp_path / "app.bin", tmp_path / "app.signed.bin"
    pem.write_bytes(key().private_pem())
    raw.write_bytes(payload())
    options = "--version 1.2.3+4 --header-size 0x200 --pad-header --slot-size 0x73000 --align 4"
    command = [
        sys.executable,
        "-m",
        "imgtool",
        "sign",
        "--key",
        str(pem),
        *options.split(),
        str(raw),
        str(signed),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0 and "No module named imgtool.__main__" in done.stderr:
        command[1:3] = ["-c", "from imgtool.main import imgtool; imgtool()"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    device = Device()
    device.install(signed.read_bytes())
    assert "boot: image 0 version 1.2.3+4 starts\r\n" in device.start()


@pytest.mark.parametrize("name", sorted(MUTATIONS))
def test_a_broken_update_is_refused_and_the_old_image_runs(name: str) -> None:
    assert "refused: " in refused_update(mutate_image(image("1.1.0", counter=2), name))


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (image("1.0.0", 5001, counter=1), "version 1.0.0 refused: version not greater"),
        (image("0.9.9", counter=1), "version 0.9.9 refused: version not greater"),
        (image("1.1.0", counter=1, signer="somebody else"), "version 1.1.0 refused: unknown key"),
        (image("1.1.0", counter=1, vendor=UUID(int=5)), "version 1.1.0 refused: hardware"),
        (image("1.1.0", counter=1, device_class=UUID(int=5)), "version 1.1.0 refused: hardware"),
        (image("1.1.0", counter=1, depends_on="1.0.1"), "version 1.1.0 refused: dependency"),
        (image("1.1.0", counter=0), "version 1.1.0 refused: security counter"),
        (image("1.1.0"), "version 1.1.0 refused: security counter"),
        (b"\xff" * 64, "refused: header"),
    ],
)
def test_a_sound_but_unfit_update_is_refused(data: bytes, reason: str) -> None:
    device = Device()
    device.install(image("1.0.0", counter=1))
    device.start()  # confirms security counter 1
    device.request(data)
    text = device.power_cycle()
    assert f"boot: image 0 {reason}\r\n" in text
    assert text.rstrip().endswith("version 1.0.0 starts")


def test_a_met_dependency_is_no_obstacle() -> None:
    device = Device()
    device.install(image("1.0.0", counter=1))
    device.request(image("1.1.0", counter=1, depends_on="1.0.0"))
    assert "version 1.1.0 starts, unconfirmed" in device.start()


def test_a_published_key_is_refused_even_if_provisioned() -> None:
    sound = image("1.1.0", counter=1)
    tlv = parse_image(sound).tlv(TlvType.KEYHASH)
    assert tlv is not None
    at = tlv.offset + 4
    assert "refused: debug key" in refused_update(sound[:at] + _DEBUG_KEY_HASH + sound[at + 32 :])


@pytest.mark.parametrize(
    ("policy", "made"),
    [
        (Policy.REQUIRE_VENDOR, {"vendor": None, "device_class": None}),
        (Policy.REQUIRE_CLASS, {"device_class": None}),
        (Policy.REQUIRE_HARDWARE, {}),
    ],
)
def test_the_policy_asks_for_what_an_image_lacks(policy: Policy, made: dict[str, UUID | None]) -> None:
    data = image("1.0.0", **made)  # type: ignore[arg-type]
    for page, wanted in (
        (provisioning(), "version 1.0.0 starts"),
        (provisioning(policy=policy), "refused: hardware"),
    ):
        device = Device(page=page)
        device.install(data)
        assert wanted in device.start()


def test_an_invalid_primary_image_is_never_started() -> None:
    device = Device()
    device.install(mutate_image(image("1.0.0"), "payload-last-bit"))
    text = device.start()
    assert "version 1.0.0 refused: hash" in text
    assert "no valid image" in text
    device.advance(20_000)  # several watchdog periods: it stays there, and says no more
    assert device.console.text == ""


@pytest.mark.parametrize("damage", ["blank", "flipped", "length", "no key", "layout"])
def test_a_damaged_provisioning_page_starts_and_changes_nothing(damage: str) -> None:
    page = bytearray(provisioning().page().ljust(0x1000, b"\xff"))
    if damage == "blank":
        page[:] = b"\xff" * len(page)
    elif damage == "flipped":
        page[100] ^= 1
    elif damage == "length":
        struct.pack_into("<H", page, 6, 0xFFFF)
    elif damage == "layout":
        struct.pack_into("<H", page, 4, 0)
    else:
        page[55] = 0  # no key, under a CRC that is right
        length = len(provisioning().page()) - 4
        struct.pack_into("<I", page, length, zlib.crc32(bytes(page[:length])))
    device = Device()
    device.write(PROVISIONING_ADDRESS, bytes(page))
    device.install(image("1.0.0"))
    device.request(image("1.1.0"))
    before = device.read(0, 0x100000)
    assert "not provisioned" in device.start()
    assert device.read(0, 0x100000) == before


def test_a_lower_security_counter_is_refused_once_a_higher_one_was_confirmed() -> None:
    device = Device()
    device.install(image("1.0.0", counter=7))
    device.start()
    assert struct.unpack("<II", device.read(COUNTER, 8)) == (7, 0xFFFFFFFF ^ 7)
    device.request(image("1.1.0", counter=6))
    assert "version 1.1.0 refused: security counter" in device.power_cycle()


def test_ed25519_images_start_on_their_variant_alone() -> None:
    data = image("1.0.0", algorithm="ed25519")
    device = Device("ed25519", page=provisioning("ed25519"))
    device.install(data)
    assert "version 1.0.0 starts" in device.start()
    other = Device()
    other.install(data)
    assert "no valid image" in other.start()
    broken = Device("ed25519", page=provisioning("ed25519"))
    broken.install(mutate_image(data, "tlv-signature"))
    assert "refused: signature" in broken.start()


@pytest.mark.parametrize("total", [0x72000, 0x72000 + 4])
def test_the_largest_image_fits_and_one_byte_more_does_not(total: int) -> None:
    overhead = len(image("1.1.0", 5000, counter=1)) - 5000
    data = image("1.1.0", 5000, counter=1)
    # The header is believed only as far as the slot goes: the length is checked before anything is read there.
    stretched = bytearray(data)
    struct.pack_into("<I", stretched, 12, total - overhead)
    text = refused_update(bytes(stretched))
    assert ("refused: size" in text) or ("refused: TLV" in text)


def test_the_update_is_looked_for_at_the_second_page_only() -> None:
    device = Device()
    device.install(image("1.0.0", counter=1))
    device.request(b"")
    device.write(UPDATE - 0x1000, image("1.1.0", counter=1))
    assert "refused: header" in device.start()
