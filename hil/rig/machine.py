"""A device that can be started from any flash content, thousands of times a minute: the emulated kit, for a
sweep.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from hil.errors import InputError
from hil.rig.schema import RigFile, VirtualFile
from hil.virtual import statefile
from hil.virtual.coldboot import QUIET_S, TIMEOUT_S, ColdBoot, Operation, Settled
from hil.virtual.remembered import Part, Pure
from hil.virtual.soc.flash_physics import UNSTABLE_SHARE, torn
from hil.virtual.soc.memory import FLASH_PAGE, FLASH_SIZE, UICR_BASE
from hil.virtual.statefile import KitState

__all__ = [
    "FLASH_PAGE",
    "FLASH_SIZE",
    "QUIET_S",
    "TEAR_MODEL",
    "TIMEOUT_S",
    "UICR_BASE",
    "EmulatedKit",
    "Machine",
    "Operation",
    "Part",
    "Pure",
    "Settled",
    "open_machine",
    "write_state",
]

TEAR_MODEL = (
    "A word write or page erase that is cut at a share d of its time has each cell that changes done with "
    f"probability d; {UNSTABLE_SHARE:.0%} of those cells at d = 0.5, fewer towards both ends, stay near the read "
    "threshold: they read all as 0 or all as 1 at each later start, until they are programmed or erased again."
)


class Machine(Protocol):
    """A device without power, again and again. The same content does the same, to the bit."""

    def boot(
        self,
        pages: Mapping[int, bytes],
        on_operation: Callable[[Operation], bool],
        on_first_read: Callable[[int], None],
    ) -> Settled:
        """Start with these pages in place of the scenario's first ones, until it is settled.

        `on_operation` is called in front of each flash operation, and ends the start by returning True.
        `on_first_read` is called at the first read of each page that is not the bootloader's own.
        """

    def ram_and_registers(self) -> bytes:
        """A digest of both; inside `on_operation`, as they are in front of it."""

    def tear(self, seed: str, old: int, new: int, bits: int, depth: float) -> tuple[int, int]:
        """What `bits` cells on their way from `old` to `new` hold when that stops at `depth` (0 to 1) of its
        time, and the mask of those left near the threshold. The same arguments give the same cells.
        """

    @property
    def instructions(self) -> int:
        """Executed since it was made."""


class EmulatedKit(ColdBoot):
    """See Machine."""

    def tear(self, seed: str, old: int, new: int, bits: int, depth: float) -> tuple[int, int]:
        return torn(random.Random(seed), old, new, bits, depth)


def open_machine(
    rig: RigFile,
    flash: bytes,
    fixed: frozenset[int],
    console: Callable[[bytes], None] | None = None,
    pure: Mapping[int, Pure] | None = None,
    uicr: bytes | None = None,
) -> EmulatedKit:
    """The rig's kit, with `flash` and `uicr` in it; pages of `fixed` hold the bootloader and what belongs to it.

    Raises InputError for a bench that is not virtual: only an emulated kit can be cut at one operation.
    """
    if rig.bench != "virtual":
        raise InputError(
            f"rig {rig.name}: a {rig.bench} bench cannot be cut at a chosen flash operation; "
            "a sweep needs a virtual one"
        )
    settings = rig.virtual or VirtualFile()
    return EmulatedKit(
        flash,
        fixed,
        revision=settings.revision,
        without_anomalies=frozenset(settings.without_anomalies),
        volts=rig.supply.nominal_volts if rig.supply is not None else 3.0,
        console=console,
        pure=pure,
        uicr=uicr,
    )


def write_state(path: Path, flash: bytes, uicr: bytes) -> None:
    """Write a kit with this content to a file that `hil serve --state` takes. Raises BenchError when it cannot be."""
    statefile.save(path, KitState(flash, uicr))
