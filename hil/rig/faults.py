"""Faults that no instrument can bring about: cutting at one flash operation, taking the radio away.

`rig.faults` is None on a bench that cannot; a case that uses it says so by `needs=["faults"]`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, Protocol


@dataclass(frozen=True)
class FlashOperation:
    """One word write or erase of the device's flash. `start` and `end` are bench seconds since the case began."""

    kind: str
    address: int
    start: float
    end: float


class Faults(Protocol):
    """What a bench can do to the device besides what its instruments do."""

    @property
    def flash_operations(self) -> int:
        """How many flash operations the device has begun since the case began."""

    @property
    def last_flash_operation(self) -> FlashOperation | None:
        """The latest flash operation."""

    @property
    def flash_erases(self) -> list[FlashOperation]:
        """The erases of the device's flash since the case began, the first fifty thousand of them."""

    @property
    def flash_wear(self) -> dict[int, int]:
        """How often each page was erased since the case began, by the address of its first byte."""

    def cut_power_at_flash_operation(
        self, number: int, phase: Literal["before", "during", "after"] = "during", depth: float = 0.5
    ) -> None:
        """Cut the device's power at flash operation `number`, counted as flash_operations does (the first is 0).

        `during` leaves the operation torn at `depth`, 0 to 1, of its duration. Power stays off, whatever the supply
        does, until `restore_power`. Raises InputError for an operation that has already begun.
        """

    def cancel(self) -> None:
        """Forget a cut that has not happened yet."""

    @property
    def cut_happened(self) -> bool:
        """Whether the cut asked for has happened."""

    def restore_power(self) -> None:
        """Connect the supply to the device again after a cut."""

    def set_packet_loss(self, probability: float) -> None:
        """Lose each radio packet with this probability, 0 to 1; 1 is out of range."""

    def set_supply_resistance(self, ohms: float) -> None:
        """Put this resistance between supply and device from now on, as that of a battery, ohm."""

    def save(self) -> Any:
        """The whole state of kit and time, to be given to `restore` of the same case."""

    def restore(self, state: Any) -> None:
        """Return to a saved state."""
