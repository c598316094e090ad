"""Tells the record of a case which images it uses, and shows how far its uploads are."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from hil.dfu.image import UpdateImage
from hil.dfu.transfer import Progress, ProgressCallback
from hil.dfu.update import Transfer, Update, UpdateOutcome
from hil.image.keys import SigningKey
from hil.image.sign import SignedImage
from hil.rig.foreign import CannotMake, Images
from hil.run import recorder


class ReportedImages:
    """The images of a device; each image made is noted, by its SHA-256, in the record of the case. A case that asks for
    what cannot be made for this device is skipped, with the reason.
    """

    def __init__(self, images: Images) -> None:
        self._images = images

    @property
    def key(self) -> SigningKey:
        """The key that signs for the device."""
        with _or_skip():
            return self._images.key

    def make(self, version: str, **wanted: Any) -> SignedImage:
        """See ImageFactory.make."""
        with _or_skip():
            return _noted(self._images.make(version, **wanted))

    def broken(self, mutation: str, version: str, *, size: int | None = None) -> SignedImage:
        """See ImageFactory.broken."""
        with _or_skip():
            return _noted(self._images.broken(mutation, version, size=size))


@contextmanager
def _or_skip() -> Iterator[None]:
    try:
        yield
    except CannotMake as reason:
        pytest.skip(str(reason))


class ReportedUpdate(Update):
    """An update whose progress is shown, unless the case takes it itself."""

    def start(
        self,
        image: UpdateImage,
        *,
        upgrade: bool = False,
        image_number: int = 0,
        on_progress: ProgressCallback | None = None,
    ) -> Transfer:
        """See Update.start."""
        return super().start(
            image, upgrade=upgrade, image_number=image_number, on_progress=on_progress or _show
        )

    def run(
        self,
        image: UpdateImage,
        *,
        upgrade: bool = False,
        on_progress: ProgressCallback | None = None,
        **timeouts: float,
    ) -> UpdateOutcome:
        """See Update.run."""
        return super().run(image, upgrade=upgrade, on_progress=on_progress or _show, **timeouts)


def _noted(image: SignedImage) -> SignedImage:
    recorder.current().image(image.name, image.digest.hex())
    return image


def _show(progress: Progress) -> None:
    recorder.current().progress(progress.offset, progress.total)
