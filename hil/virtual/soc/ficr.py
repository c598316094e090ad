"""FICR: factory information, and the chip revisions (nRF52840 Product Specification, FICR).

The words at 0x130 and 0x134 are not in the specification; Nordic's MDK reads them to tell revisions apart (8 is
the nRF52840; which anomalies it then applies gives 2, 3 and 5 for Rev1, Rev2 and Rev3).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from random import Random

from hil.errors import InputError
from hil.virtual.soc.temp import ENDS, OFFSETS, SLOPES

SIZE = 0x1000


@dataclass(frozen=True)
class Revision:
    """A revision of the chip: build code, FICR words, and the anomalies that touch updates."""

    name: str
    build_code: str
    mdk_code: int
    """What FICR+0x134 reads."""
    hardened_approtect: bool
    """APPROTECT needs opening by UICR and by software after each reset (build code Fx0 and later)."""
    anomalies: frozenset[int] = frozenset({242})
    """Nordic's MDK (nrf52_erratas.h) counts 242 in on every nRF52840 so far."""

    @property
    def variant(self) -> int:
        """INFO.VARIANT: package variant and build code in ASCII, e.g. "AAD0"."""
        return int.from_bytes(("AA" + self.build_code).encode(), "big")


REVISIONS = (
    Revision("Rev1", "C0", 2, False),
    Revision("Rev2", "D0", 3, False),
    Revision("Rev3", "F0", 5, True),
)


def revision(name: str, without_anomalies: frozenset[int] = frozenset()) -> Revision:
    """The revision by its name ("Rev2") or build code ("D0", "QIAA-D0"), minus anomalies that a future one may lack.

    Raises InputError for one that is not known.
    """
    wanted = name.strip().upper().removeprefix("QIAA-")
    for known in REVISIONS:
        if wanted in (known.name.upper(), known.build_code):
            anomalies = known.anomalies - without_anomalies
            return Revision(known.name, known.build_code, known.mdk_code, known.hardened_approtect, anomalies)
    choices = ", ".join(f"{known.name} (QIAA-{known.build_code})" for known in REVISIONS)
    raise InputError(f"nRF52840 revision {name!r} is not known; choose one of {choices}")


def content(chip: Revision, random: Random) -> bytes:
    """The 4 KiB of FICR of one chip; identifiers come from ``random``, the rest from the revision."""
    words: dict[int, int] = {
        0x010: 0x1000,  # CODEPAGESIZE
        0x014: 0x100,  # CODESIZE, pages
        0x0A0: 1,  # DEVICEADDRTYPE: random
        0x100: 0x52840,  # INFO.PART
        0x104: chip.variant,
        0x108: 0x2004,  # PACKAGE: QIxx, 73-pin aQFN
        0x10C: 0x100,  # RAM, KiB
        0x110: 0x400,  # FLASH, KiB
        0x130: 8,
        0x134: chip.mdk_code,
        0x450: 0xFFFF_FF5F,  # NFC.TAGHEADER0: the manufacturer
        0x350: 0xBB42319F,  # PRODTEST: done
        0x354: 0xBB42319F,
        0x358: 0xBB42319F,
    }
    # Linearisation of TEMP: slopes, offsets and segment ends. On the chip each has its own; here they are the reset
    # values of TEMP's registers.
    for index, value in enumerate((*SLOPES, *OFFSETS, *ENDS)):
        words[0x404 + 4 * index] = value
    for offset in (0x060, 0x064, *range(0x080, 0x0A0, 4), 0x0A4, 0x0A8):  # DEVICEID, ER, IR, DEVICEADDR
        words[offset] = random.getrandbits(32)
    data = bytearray(b"\xff" * SIZE)
    for offset, value in words.items():
        struct.pack_into("<I", data, offset, value)
    return bytes(data)
