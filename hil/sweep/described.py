"""The scenarios of a device that a rig file describes: somebody else's bootloader, as the binary that it is."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

from hil import hexfile
from hil.errors import InputError
from hil.image.sign import SignedImage
from hil.rig.foreign import CannotMake, images_of, versions
from hil.rig.machine import FLASH_PAGE, FLASH_SIZE, UICR_BASE, Operation, Part, Pure, open_machine
from hil.rig.schema import PartFile, PureFile, RigFile, ScenarioFile, SweepFile
from hil.sweep import slots
from hil.sweep.content import PAGE
from hil.sweep.scenario import Image, Scenario, pages

NAMES = {
    "upgrade": "an update is swapped in for a test, is not confirmed, and is swapped out again",
    "permanent": "an update is swapped in for good",
    "revert": "an update on test is not confirmed, and is swapped out again",
    "first-boot": "the device starts for the first time",
}
_ORDERS = {
    "upgrade": ("new", "old"),
    "revert": ("new", "old"),
    "permanent": ("new",),
    "first-boot": ("old",),
}
_STARTS = 3


def names(rig: RigFile) -> dict[str, str]:
    """The scenarios that there are, and what each is."""
    own = rig.sweep.scenarios if rig.sweep is not None else []
    return NAMES | {each.name: each.sentence for each in own}


def scenario(name: str, rig: RigFile) -> Scenario:
    """A scenario of the rig's device: what [device.install] writes, the base image, and what is asked for.

    A bootloader that sets up its UICR when it first starts has done so. Raises InputError for a name that is
    none of `names`, and for a device that is not described well enough.
    """
    known = names(rig)
    if name not in known:
        raise InputError(f'scenario "{name}": expected one of {", ".join(known)}')
    device = rig.device
    if device.install is None:
        raise InputError(
            f"rig {rig.name}: [device.install] is missing: its files hold the bootloader that is to be explored"
        )
    if device.flash_size != FLASH_SIZE or device.flash_page != FLASH_PAGE:
        raise InputError(
            f"rig {rig.name}: the emulated kit has 0x{FLASH_SIZE:x} bytes of flash in pages of 0x{FLASH_PAGE:x}; "
            "a smaller chip of its family is described as one of that size"
        )
    flash, uicr = bytearray(b"\xff" * FLASH_SIZE), bytearray(b"\xff" * PAGE)
    written = _lay(rig, device.install.files, flash, uicr)
    own = [page for slot in device.slots for page in pages(slot.start, slot.size)]
    fixed = frozenset(written) - frozenset(own)
    if device.bootloader is not None:
        fixed |= pages(device.bootloader.start, device.bootloader.size)
    if not fixed:
        raise InputError(
            f"rig {rig.name}: device.install.files: nothing lies outside of the slots: no bootloader"
        )
    firmware = hashlib.sha256(b"".join(flash[page * PAGE :][:PAGE] for page in sorted(fixed))).hexdigest()
    primary = device.slot("primary")
    made = _images(rig)
    old = Image("old", primary.start, made[0].data)
    new = Image("new", primary.start, made[1].data)
    if device.install.base_image:
        slots.place(flash, old.address, old.data, "the base image")
    described = rig.sweep or SweepFile()
    symbols = _symbols(rig, described)
    mine = next((each for each in described.scenarios if each.name == name), None)
    uicr = _settled_uicr(rig, bytes(flash), fixed, uicr)
    if mine is None:
        _prepare(name, flash, rig, old.data, new.data)
        order: tuple[str, ...] = _ORDERS[name]
        images: tuple[Image, ...] = (old, new)
    else:
        _lay(rig, mine.files, flash, uicr)
        images, order = _own_order(rig, mine, made, primary.start)
    return Scenario(
        name,
        known[name],
        bytes(flash),
        fixed,
        images,
        order,
        primary.end,
        firmware,
        symbols,
        bytes(uicr),
        {_address(rig, each, symbols): _pure(each) for each in described.pure},
        installs=name == "upgrade" and mine is None,
    )


def _prepare(name: str, flash: bytearray, rig: RigFile, old: bytes, new: bytes) -> None:
    if name in ("upgrade", "permanent"):
        slots.request(flash, rig.device, new, permanent=name == "permanent")
    elif name == "revert":
        slots.on_test(flash, rig.device, old, new)


def _images(rig: RigFile) -> list[SignedImage]:
    base, update = versions(rig)
    try:
        made = images_of(rig)
        return [made.make(base), made.make(update)]
    except CannotMake as reason:
        raise InputError(f"a sweep needs the image that runs, and its update: {reason}") from None


def _own_order(
    rig: RigFile, mine: ScenarioFile, made: list[SignedImage], address: int
) -> tuple[tuple[Image, ...], tuple[str, ...]]:
    known = {str(image.version): image for image in made}
    source = images_of(rig)
    for version in mine.order:
        if version not in known:
            try:
                known[version] = source.make(version)
            except CannotMake as reason:
                raise InputError(f'scenario "{mine.name}": order: {reason}') from None
    images = tuple(Image(version, address, image.data) for version, image in known.items())
    return images, tuple(mine.order)


def _lay(rig: RigFile, files: Iterable[str], flash: bytearray, uicr: bytearray) -> set[int]:
    """Put HEX files into place. Returns the pages of flash that they write."""
    written: set[int] = set()
    for name in files:
        for address, data in hexfile.read_image(rig.path(name)):
            if address >= UICR_BASE and address + len(data) <= UICR_BASE + len(uicr):
                uicr[address - UICR_BASE : address - UICR_BASE + len(data)] = data
                continue
            slots.place(flash, address, data, name)
            written |= pages(address, len(data))
    return written


def _settled_uicr(rig: RigFile, flash: bytes, fixed: frozenset[int], uicr: bytearray) -> bytearray:
    """The UICR after the device has started once: its start-up code may set the reset pin, for example."""

    def operation(found: Operation) -> bool:
        if found.kind == "write" and UICR_BASE <= found.address < UICR_BASE + PAGE:
            at = found.address - UICR_BASE
            word = int.from_bytes(uicr[at : at + 4], "little") & found.asked
            uicr[at : at + 4] = word.to_bytes(4, "little")
            return False
        return True

    for _ in range(_STARTS):
        before = bytes(uicr)
        open_machine(rig, flash, fixed, uicr=before).boot({}, operation, lambda page: None)
        if uicr == before:
            break
    return uicr


def _symbols(rig: RigFile, described: SweepFile) -> dict[str, tuple[int, int]]:
    if described.elf is None:
        return {}
    from hil.toolchain.elf import read_elf

    path = rig.path(described.elf)
    try:
        return read_elf(path).symbols
    except OSError as error:
        raise InputError(f"{path}: cannot be read: {error.strerror}") from None


def _address(rig: RigFile, pure: PureFile, symbols: dict[str, tuple[int, int]]) -> int:
    if pure.address is not None:
        return pure.address & ~1
    assert pure.function is not None
    if pure.function not in symbols:
        raise InputError(
            f"rig {rig.name}: sweep.pure: {pure.function} is no function of "
            + (f"{rig.sweep.elf}" if rig.sweep is not None and rig.sweep.elf else "any file: give sweep.elf")
        )
    return symbols[pure.function][0] & ~1


def _pure(file: PureFile) -> Pure:
    def part(each: PartFile) -> Part:
        return Part(each.argument, each.size or 0, each.size_in)

    return Pure(
        tuple(part(each) for each in file.reads),
        tuple(part(each) for each in file.writes),
        file.returns,
        tuple(file.values),
    )
