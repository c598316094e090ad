"""Failing a case for what its firmware touched and the virtual bench does not model."""

from __future__ import annotations

from collections.abc import Mapping

from hil.errors import DeviceError

MOST_SHOWN = 3


def refuse(accesses: Mapping[str, int]) -> None:
    """Raises DeviceError, which names the accesses and how often there were, if there are any.

    It is the firmware's failure, and not the bench's: what the case then saw of the device cannot be trusted.
    """
    if not accesses:
        return
    shown = [f"{access}: {count} time{'s' * (count > 1)}" for access, count in accesses.items()]
    more = f"; and {len(shown) - MOST_SHOWN} more" if len(shown) > MOST_SHOWN else ""
    raise DeviceError(
        "the firmware touched what the virtual bench does not model: " + "; ".join(shown[:MOST_SHOWN]) + more
    )
