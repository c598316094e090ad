"""Puts flash content in place as an application leaves it that has taken an update, in the formats of MCUboot.

Source of the trailer: MCUboot, docs/design.md, "Image trailer"; of the offset: its swap-offset algorithm.
"""

from __future__ import annotations

from hil.errors import InputError
from hil.image.trailer import TRAILER_MAGIC, SwapType
from hil.rig.schema import DeviceFile


def place(flash: bytearray, address: int, data: bytes, what: str) -> None:
    """Put bytes into the flash. Raises InputError where they do not fit."""
    if address + len(data) > len(flash):
        raise InputError(
            f"{what} at 0x{address:x}, {len(data)} bytes: past the flash of 0x{len(flash):x} bytes"
        )
    flash[address : address + len(data)] = data


def request(flash: bytearray, device: DeviceFile, image: bytes, *, permanent: bool) -> None:
    """Put an image into the secondary slot and ask for it, for a test or for good."""
    slot = device.slot("secondary")
    start = slot.start + (device.flash_page if device.swap == "offset" else 0)
    if start + len(image) > slot.end - 48:
        raise InputError(f"the update of {len(image)} bytes does not fit the secondary slot of {slot.size}")
    flash[start : start + len(image)] = image
    flash[slot.end - 16 : slot.end] = TRAILER_MAGIC
    if permanent:
        flash[slot.end - 24] = 1  # image_ok
    flash[slot.end - 40] = int(SwapType.PERMANENT if permanent else SwapType.TEST)


def on_test(flash: bytearray, device: DeviceFile, old: bytes, new: bytes) -> None:
    """The new image swapped in for a test, started and not confirmed; the old one in the secondary slot."""
    primary, secondary = device.slot("primary"), device.slot("secondary")
    flash[primary.start : primary.end] = b"\xff" * primary.size
    flash[primary.start : primary.start + len(new)] = new
    flash[secondary.start : secondary.end] = b"\xff" * secondary.size
    flash[secondary.start : secondary.start + len(old)] = old
    flash[primary.end - 16 : primary.end] = TRAILER_MAGIC
    flash[primary.end - 32] = 1  # copy_done
    flash[primary.end - 40] = int(SwapType.TEST)
    flash[primary.end - 56 : primary.end - 52] = max(len(old), len(new)).to_bytes(4, "little")


def confirm(flash: bytearray, device: DeviceFile) -> None:
    """Mark the image in the primary slot as good: image_ok."""
    flash[device.slot("primary").end - 24] = 1
