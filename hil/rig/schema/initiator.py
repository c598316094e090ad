"""[initiator]: a program that drives the update."""

from __future__ import annotations

import string

from pydantic import Field, model_validator

from hil.rig.schema.base import ShortName, Table, Text
from hil.tomlfile import Mistake

_PLACEHOLDERS = ("image", "version", "hash", "console", "hci", "ble_name", "ble_address")


class InitiatorFile(Table):
    """[initiator]: a program that drives the update: smpmgr, a companion app through adb, a vendor's tool."""

    command: list[Text] = Field(
        min_length=1,
        max_length=64,
        description="program and arguments, no shell; {image}, {version}, {hash}, {console}, {hci}, {ble_name} and "
        "{ble_address} are filled in",
    )
    timeout_seconds: float = Field(default=300.0, gt=0, le=7200, description="when it is killed, s")
    environment: list[ShortName] = Field(
        default_factory=lambda: ["PATH", "HOME", "LANG"], description="variables that are passed on to it"
    )

    @model_validator(mode="after")
    def _known_placeholders(self) -> InitiatorFile:
        for index, word in enumerate(self.command):
            try:
                named = [name for _, name, _, _ in string.Formatter().parse(word) if name is not None]
            except ValueError as error:
                raise Mistake(f'"{word}": {error}', "command", index) from None
            for name in named:
                if name not in _PLACEHOLDERS:
                    raise Mistake(f'"{{{name}}}" is none of {", ".join(_PLACEHOLDERS)}', "command", index)
        return self
