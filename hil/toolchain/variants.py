"""The kinds of firmware that can be built from the one source tree."""

from __future__ import annotations

from dataclasses import dataclass

#: Size of the bootloader's partition, bytes (firmware/flash_map.h).
BOOT_PARTITION = 0x10000


@dataclass(frozen=True)
class Variant:
    """A production configuration of the bootloader: its signature algorithm, and whether it decrypts images."""

    name: str
    defines: tuple[str, ...]


#: What ``build(variant=...)`` takes.
VARIANTS: dict[str, Variant] = {
    variant.name: variant
    for variant in (
        Variant("p256", ("HIL_SIGNATURE_P256=1",)),
        Variant("ed25519", ("HIL_SIGNATURE_ED25519=1",)),
        Variant("p256-encrypted", ("HIL_SIGNATURE_P256=1", "HIL_ENCRYPTED_IMAGES=1")),
    )
}

#: Checks that a test build of the bootloader can leave out, to show that the case for that check fails without it.
BOOT_DEFECTS: dict[str, str] = {
    "signature": "the signature is not verified",
    "version": "an update needs no greater version",
    "battery": "a swap starts at any battery level",
    "confirm": "an image that does not confirm is not reverted",
    "acl": "the bootloader and the provisioning page are not locked",
    "anomaly242": "the flash is written and erased during a power-fail warning",
}
