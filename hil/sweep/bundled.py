"""The scenarios of the bundled device."""

from __future__ import annotations

from hil.errors import InputError
from hil.rig.machine import Part, Pure
from hil.rig.product import Product
from hil.sweep import slots
from hil.sweep.scenario import Image, Scenario, pages

NAMES = {
    "upgrade": "an update is swapped in for a test, is not confirmed, and is swapped out again",
    "permanent": "an update is swapped in for good",
    "revert": "an update on test is not confirmed, and is swapped out again",
    "downgrade": "an older image is offered, and refused",
    "damaged": "an update on test is not confirmed, and the image to go back to is damaged",
    "first-boot": "a device starts for the first time after it was provisioned",
}
_ORDERS = {
    "upgrade": ("new", "old"),
    "revert": ("new", "old"),
    "permanent": ("new",),
    "damaged": ("new",),
    "downgrade": ("old",),
    "first-boot": ("old",),
}
_CONTEXT = 128
PURE = {
    "crypto_sha256_update": Pure((Part(0, _CONTEXT), Part(1, size_in=2)), (Part(0, _CONTEXT),)),
    "crypto_p256_verify": Pure((Part(0, 32), Part(1, 64), Part(2, 64)), returns=True),
    "crypto_ed25519_verify": Pure((Part(0, 64), Part(1, 32), Part(2, size_in=3)), returns=True),
}
"""Functions whose result is up to their arguments alone (firmware/crypto/crypto.h)."""


def scenario(name: str, product: Product, payload_bytes: int | None = None) -> Scenario:
    """A scenario of the bundled device. `payload_bytes` pads the application to that size.

    Raises InputError for a name that is none of NAMES.
    """
    if name not in NAMES:
        raise InputError(f'scenario "{name}": expected one of {", ".join(NAMES)}')
    device = product.device
    primary = device.slot("primary")
    factory = product.images()
    flash = bytearray(b"\xff" * device.flash_size)
    assert device.bootloader is not None and device.provisioning is not None
    slots.place(flash, device.bootloader.start, product.bootloader, "the bootloader")
    slots.place(flash, device.provisioning.start, product.provisioning.page(), "the provisioning page")
    old = Image("old", primary.start, factory.make("1.1.0", size=payload_bytes).data)
    new = Image("new", primary.start, factory.make("1.2.0", size=payload_bytes).data)
    older = Image("older", primary.start, factory.make("1.0.0", size=payload_bytes).data)
    slots.place(flash, old.address, old.data, "the image")
    offered = older if name == "downgrade" else new
    if name != "first-boot":
        if device.counter is not None:
            # The security counter of a device that has been running: two words, value and complement.
            counter = (1).to_bytes(4, "little") + (~1 & 0xFFFF_FFFF).to_bytes(4, "little")
            slots.place(flash, device.counter.start, counter, "the security counter")
        if name in ("damaged", "revert"):
            slots.on_test(flash, device, old.data, new.data)
        else:
            slots.request(flash, device, offered.data, permanent=name == "permanent")
        if name == "damaged":
            flash[device.slot("secondary").start + len(old.data) // 2] ^= 0x10
    from hil.toolchain.elf import read_elf

    symbols = read_elf(product.build.boot.elf_path).symbols
    return Scenario(
        name,
        NAMES[name],
        bytes(flash),
        pages(device.bootloader.start, device.bootloader.size)
        | pages(device.provisioning.start, device.provisioning.size),
        (old,) if name == "first-boot" else (old, offered),
        _ORDERS[name],
        primary.end,
        product.build.boot.sha256,
        symbols,
        pure={symbols[each][0]: function for each, function in PURE.items() if each in symbols},
        installs=name == "upgrade",
    )
