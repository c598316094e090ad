"""One thing that was found, and all of them together."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal, get_args

Kind = Literal["probe", "serial", "visa", "hci", "adapter"]
KINDS: tuple[Kind, ...] = get_args(Kind)

WORDS: dict[Kind, str] = {
    "probe": "debug probes",
    "serial": "serial ports",
    "visa": "VISA instruments",
    "hci": "HCI dongles",
    "adapter": "Bluetooth adapters of the system",
}


@dataclass(frozen=True)
class Found:
    """Something that is plugged in.

    `address` is what a rig file names it by. `text` is for people. `mark` says what it was recognised as: `ppk2` (the
    command port of a Power Profiler Kit II), `jlink` (a UART of a J-Link), `virtual` (a kit that is none of hardware).
    `target` is pyOCD's name of the chip that a probe is soldered to.
    """

    kind: Kind
    address: str
    text: str
    mark: Literal["", "ppk2", "jlink", "virtual"] = ""
    target: str = ""


@dataclass(frozen=True)
class Discovery:
    """What was found, and a line about each kind that could not be looked for."""

    found: tuple[Found, ...] = ()
    notes: tuple[str, ...] = field(default=())

    def of(self, *kinds: Kind) -> list[Found]:
        """What was found of these kinds, in their order."""
        return [each for kind in kinds for each in self.found if each.kind == kind]
