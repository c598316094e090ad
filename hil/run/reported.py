"""Tells the record of a case which images it uses, and shows how far its uploads are."""

from __future__ import annotations

from typing import Any

from hil.dfu.image import UpdateImage
from hil.dfu.transfer import Progress, ProgressCallback
from hil.dfu.update import Transfer, Update, UpdateOutcome
from hil.image.factory import ImageFactory
from hil.image.sign import SignedImage
from hil.rig.product import Product
from hil.run import recorder


class ReportedImages(ImageFactory):
    """The image factory of a product; each image made is noted, by its SHA-256, in the record of the case."""

    def __init__(self, product: Product) -> None:
        factory = product.images()
        super().__init__(
            factory.application,
            factory.key,
            vendor=factory.vendor,
            device_class=factory.device_class,
            slot_size=factory.slot_size,
        )

    def make(self, version: str, **wanted: Any) -> SignedImage:
        """See ImageFactory.make."""
        return _noted(super().make(version, **wanted))

    def broken(self, mutation: str, version: str, *, size: int | None = None) -> SignedImage:
        """See ImageFactory.broken."""
        return _noted(super().broken(mutation, version, size=size))


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
