"""Makes the images that cases update to: one application binary in many versions, variants and broken forms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from uuid import UUID

from hil.errors import InputError
from hil.image.keys import SigningKey
from hil.image.mcuboot import ImageVersion, parse_image
from hil.image.mutate import mutate_image
from hil.image.sign import SignedImage, sign_image
from hil.image.variants import Behaviour, pad_payload, patch_behaviour


class ImageFactory:
    """Signs variants of one application for one device.

    `application` is the raw binary that starts with its vector table; `slot_size` in bytes bounds an image and
    its trailer. Images are made once and kept, since the same request always gives the same bytes.
    """

    def __init__(
        self,
        application: bytes,
        key: SigningKey,
        *,
        vendor: UUID | None,
        device_class: UUID | None,
        slot_size: int,
    ) -> None:
        self.application = application
        self.key = key
        self.vendor = vendor
        self.device_class = device_class
        self.slot_size = slot_size
        self._made: dict[tuple[object, ...], SignedImage] = {}

    def make(
        self,
        version: str,
        *,
        behaviour: Behaviour = Behaviour.NORMAL,
        attack: int = 0,
        size: int | None = None,
        key: SigningKey | None = None,
        security_counter: int = 1,
        vendor: UUID | None = None,
        device_class: UUID | None = None,
        dependencies: Mapping[int, ImageVersion] | None = None,
        hardware: tuple[int, int] | None = None,
    ) -> SignedImage:
        """A signed image of `version`; `size` in bytes pads the payload. Raises InputError when it does not fit."""
        wanted = tuple(sorted((dependencies or {}).items()))
        signer = key or self.key
        asked = (
            version,
            behaviour,
            attack,
            size,
            signer.key_hash,
            security_counter,
            vendor,
            device_class,
            wanted,
            hardware,
        )
        if asked not in self._made:
            payload = self._payload(behaviour, attack)
            self._made[asked] = sign_image(
                pad_payload(payload, size) if size is not None else payload,
                signer,
                ImageVersion.parse(version),
                security_counter=security_counter,
                vendor=vendor or self.vendor,
                device_class=device_class or self.device_class,
                dependencies=dependencies,
                hardware=hardware,
                slot_size=self.slot_size,
                name=f"{version} {behaviour.name.lower().replace('_', ' ')}",
            )
        return self._made[asked]

    def _payload(self, behaviour: Behaviour, attack: int) -> bytes:
        return patch_behaviour(self.application, behaviour, attack)

    def broken(self, mutation: str, version: str, *, size: int | None = None) -> SignedImage:
        """A sound image of `version`, then broken as `mutation` says (hil.image.mutate).

        Its `hash` is the one that its TLVs hold, since a device names it by that, or the sound image's if it is too
        broken to hold one.
        """
        return broken(self.make(version, size=size), mutation)


def broken(sound: SignedImage, mutation: str) -> SignedImage:
    """A sound image, broken as `mutation` says; see ImageFactory.broken."""
    data = mutate_image(sound.data, mutation)
    try:
        named = parse_image(data).hash
    except InputError:
        named = sound.hash
    return replace(sound, data=data, hash=named, name=f"{sound.version} {mutation}")
