"""What a sweep begins with: flash content, the pages that nothing may change, and the programs that may run."""

from __future__ import annotations

from dataclasses import dataclass

from hil.errors import InputError
from hil.image.trailer import TRAILER_MAGIC, SwapType
from hil.rig.machine import FLASH_PAGE
from hil.rig.product import Product
from hil.rig.schema import DeviceFile

_REQUEST_TEST = SwapType.TEST
_REQUEST_PERMANENT = SwapType.PERMANENT


@dataclass(frozen=True)
class Image:
    """A program that may run: `data` as it lies in flash from `address` on, its header first."""

    name: str
    address: int
    data: bytes


@dataclass(frozen=True)
class Scenario:
    """A device in front of something that a power failure may interrupt.

    `order` are the names of `images` in the order in which they may start: one may follow itself or those
    before it, whatever happens, and never the other way round.
    """

    name: str
    sentence: str
    flash: bytes
    fixed: frozenset[int]
    images: tuple[Image, ...]
    order: tuple[str, ...]
    trailer: int | None
    """The end of the slot that programs run from, where its trailer is."""
    firmware: str
    """SHA-256 of the bootloader."""
    symbols: dict[str, tuple[int, int]]
    """Of the bootloader: address and size by name, for those who read a point."""

    def function_at(self, pc: int) -> str:
        """The function that holds an address; "" where none is known."""
        return next(
            (name for name, (start, size) in self.symbols.items() if start <= pc < start + max(size, 2)), ""
        )


NAMES = {
    "upgrade": "an update is swapped in for a test, is not confirmed, and is swapped out again",
    "permanent": "an update is swapped in for good",
    "downgrade": "an older image is offered, and refused",
    "damaged": "an update on test is not confirmed, and the image to go back to is damaged",
    "first-boot": "a device starts for the first time after it was provisioned",
}


def bundled(name: str, product: Product, payload_bytes: int | None = None) -> Scenario:
    """A scenario of the bundled device. `payload_bytes` pads the application to that size.

    Raises InputError for a name that is none of NAMES.
    """
    if name not in NAMES:
        raise InputError(f'scenario "{name}": expected one of {", ".join(NAMES)}')
    device = product.device
    primary = device.slot("primary")
    factory = product.images()
    flash = bytearray(b"\xff" * device.flash_size)

    def put(address: int, data: bytes) -> None:
        flash[address : address + len(data)] = data

    assert device.bootloader is not None and device.provisioning is not None
    put(device.bootloader.start, product.bootloader)
    put(device.provisioning.start, product.provisioning.page())
    old = Image("old", primary.start, factory.make("1.1.0", size=payload_bytes).data)
    new = Image("new", primary.start, factory.make("1.2.0", size=payload_bytes).data)
    older = Image("older", primary.start, factory.make("1.0.0", size=payload_bytes).data)
    put(old.address, old.data)
    images: tuple[Image, ...] = (old,)
    order: tuple[str, ...] = ("old",)
    if name != "first-boot":
        if device.counter is not None:
            # The security counter of a device that has been running: two words, value and complement.
            put(device.counter.start, (1).to_bytes(4, "little") + (~1 & 0xFFFF_FFFF).to_bytes(4, "little"))
        offered = older if name == "downgrade" else new
        if name == "damaged":
            _on_test(flash, device, old.data, new.data)
        else:
            _request(flash, device, offered.data, permanent=name == "permanent")
        images = (old, offered)
        order = {"downgrade": ("old",), "upgrade": ("new", "old")}.get(name, ("new",))
    fixed = _pages(device.bootloader.start, device.bootloader.size)
    fixed |= _pages(device.provisioning.start, device.provisioning.size)
    from hil.toolchain.elf import read_elf

    symbols = read_elf(product.build.boot.elf_path).symbols
    return Scenario(
        name, NAMES[name], bytes(flash), fixed, images, order, primary.end, product.build.boot.sha256, symbols
    )


def _request(flash: bytearray, device: DeviceFile, image: bytes, *, permanent: bool) -> None:
    """Put an image into the secondary slot and ask for it, as an application does after an upload.

    Source of the trailer: MCUboot, docs/design.md, "Image trailer"; of the offset: its swap-offset algorithm.
    """
    slot = device.slot("secondary")
    start = slot.start + (device.flash_page if device.swap == "offset" else 0)
    flash[start : start + len(image)] = image
    flash[slot.end - 16 : slot.end] = TRAILER_MAGIC
    if permanent:
        flash[slot.end - 24] = 1
    flash[slot.end - 40] = int(_REQUEST_PERMANENT if permanent else _REQUEST_TEST)


def _on_test(flash: bytearray, device: DeviceFile, old: bytes, new: bytes) -> None:
    """The new image swapped in for a test, and started; of the old one, which lies in the secondary slot, a
    bit is wrong.
    """
    primary, secondary = device.slot("primary"), device.slot("secondary")
    flash[primary.start : primary.start + len(old)] = b"\xff" * len(old)
    flash[primary.start : primary.start + len(new)] = new
    flash[secondary.start : secondary.start + len(old)] = old
    flash[secondary.start + len(old) // 2] ^= 0x10
    flash[primary.end - 16 : primary.end] = TRAILER_MAGIC
    flash[primary.end - 32] = 1  # copy_done
    flash[primary.end - 40] = int(_REQUEST_TEST)
    flash[primary.end - 56 : primary.end - 52] = max(len(old), len(new)).to_bytes(4, "little")


def _pages(start: int, size: int) -> frozenset[int]:
    return frozenset(range(start // FLASH_PAGE, (start + size) // FLASH_PAGE))
