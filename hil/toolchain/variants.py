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
    "hash": "the hash in the image is believed, and not computed from its content",
    "debug_key": "well-known debug keys are trusted where they are provisioned",
    "hardware": "an image for other hardware is taken",
    "counter": "a lower security counter is taken",
    "dependency": "an image is taken whose dependencies are not met",
    "vectors": "an image is taken whose vector table leads out of it",
    "swap_resume": "a swap that was cut off is forgotten",
    "copy_done": "a swap is noted as done before its last page is copied",
    "status": "a step of a swap is recorded before it is done",
    "magic": "a trailer's magic is written first, before what it says is there",
    "revert": "the image to go back to is not validated",
    "request": "the request is erased before the swap's own trailer stands",
    "install": "a request to install an update is not looked at",
}

#: The same for the application.
APP_DEFECTS: dict[str, str] = {
    "upload_battery": "an upload is taken at any battery level",
    "resume": "an interrupted upload starts again from its first byte",
    "persist": "an interrupted upload is forgotten over a reset",
    "mixed": "an upload goes on where another one stopped, whatever image it is of",
    "lengths": "more data is taken than was announced",
    "taken": "an upload overwrites the image to go back to",
    "running": "a request to erase the running image is carried out",
    "factory_reset": "a factory reset brings the former image back",
    "assertion": "an assertion on what arrives is left in: what is not known faults",
    "mtu": "the ATT MTU stays at its default of 23",
    "slow": "each upload request waits for a tenth of a second",
}

#: Every defect that a test build can have.
DEFECTS: dict[str, str] = BOOT_DEFECTS | APP_DEFECTS
