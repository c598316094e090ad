"""Images of a device that is not ours: signed with its key, or those that somebody signed already."""

from __future__ import annotations

from typing import Any, Protocol
from uuid import UUID

from hil import hexfile
from hil.errors import InputError
from hil.image.factory import ImageFactory, broken
from hil.image.keys import SigningKey, load_key
from hil.image.mcuboot import ImageVersion
from hil.image.sign import SignedImage
from hil.image.variants import Behaviour
from hil.rig.schema import RigFile


class CannotMake(InputError):
    """The rig has no image such as the case asks for; the case is skipped with this reason."""


class Images(Protocol):
    """Where a case gets its images."""

    @property
    def key(self) -> SigningKey:
        """The key that signs for the device. Raises CannotMake when there is none."""

    def make(self, version: str, **wanted: Any) -> SignedImage:
        """An image of that version; see hil.image.factory.ImageFactory.make. Raises CannotMake."""

    def broken(self, mutation: str, version: str, *, size: int | None = None) -> SignedImage:
        """A sound image, then broken as the mutation says. Raises CannotMake."""


def versions(rig: RigFile) -> tuple[str, str]:
    """The versions that the device runs at first, and of the next update. Raises InputError."""
    table = rig.device.images
    if table is None or not table.files:
        return "1.0.0", "1.1.0"
    found = sorted(image.version for image in _read(rig))
    if len(set(found)) < 2:
        raise InputError(
            f"rig {rig.name}: device.images.files: two versions are needed, a base and an update"
        )
    return str(found[0]), str(next(version for version in found if version > found[0]))


def images_of(rig: RigFile) -> Images:
    """The images that the rig file describes. Raises InputError when a file of it is wrong, CannotMake without any."""
    table = rig.device.images
    if table is None:
        raise CannotMake(f"rig {rig.name} says of no images: [device.images] is missing")
    if table.payload is None or table.key is None:
        return _Ready(rig.name, _read(rig))
    path = rig.path(table.payload)
    data = path.read_bytes()
    if path.suffix.lower() in hexfile.SUFFIXES:
        data = hexfile.binary_of(data, str(path))
    return _Signed(
        data,
        load_key(rig.path(table.key)),
        vendor=UUID(table.vendor) if table.vendor else None,
        device_class=UUID(table.device_class) if table.device_class else None,
        slot_size=rig.device.slot("primary").size,
    )


def _read(rig: RigFile) -> list[SignedImage]:
    table = rig.device.images
    assert table is not None
    return [SignedImage.from_bytes(rig.path(name).read_bytes(), name) for name in table.files]


class _Signed(ImageFactory):
    """Signs what is asked for; variants of behaviour need a payload that was made for them."""

    def make(self, version: str, **wanted: Any) -> SignedImage:
        behaviour = wanted.get("behaviour", Behaviour.NORMAL)
        if behaviour is not Behaviour.NORMAL:
            raise CannotMake(f"the device's application has no variant that is {behaviour.name}")
        return super().make(version, **wanted)

    def _payload(self, behaviour: Behaviour, attack: int) -> bytes:
        return self.application


class _Ready:
    """Only what is there."""

    def __init__(self, rig: str, images: list[SignedImage]) -> None:
        self._rig = rig
        self._images = {image.version: image for image in images}

    @property
    def key(self) -> SigningKey:
        raise CannotMake(f"rig {self._rig} has no key: only the images of device.images.files")

    def make(self, version: str, **wanted: Any) -> SignedImage:
        if wanted:
            raise CannotMake(f"rig {self._rig} has no key to sign an image with {', '.join(sorted(wanted))}")
        found = self._images.get(ImageVersion.parse(version))
        if found is None:
            raise CannotMake(f"rig {self._rig} has no image of version {version}, and no key to sign one")
        return found

    def broken(self, mutation: str, version: str, *, size: int | None = None) -> SignedImage:
        return broken(self.make(version), mutation)
