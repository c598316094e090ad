"""What an update needs to know of an image."""

from __future__ import annotations

from typing import Protocol


class UpdateImage(Protocol):
    """A signed image (hil.image.SignedImage is one)."""

    @property
    def data(self) -> bytes:
        """The whole file, as uploaded."""
        ...

    @property
    def hash(self) -> bytes:
        """The image hash in its TLVs, by which the device names the image."""
        ...

    @property
    def version(self) -> object:
        """The version; its text is what the device reports."""
        ...
