"""What two ends of a connection agree to do at an instant (Core 5.4, Vol 6 Part B, 5.5)."""

from __future__ import annotations

from dataclasses import dataclass

CHANGE_PARAMETERS = "parameters"
CHANGE_PHY = "phy"
CHANGE_CHANNELS = "channels"


@dataclass(frozen=True)
class Change:
    """Done when the event counter reaches the instant; `values` depend on the kind."""

    instant: int
    kind: str
    values: tuple[int, ...]
