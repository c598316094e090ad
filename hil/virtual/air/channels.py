"""Channel selection algorithm #1 (Core 5.4, Vol 6 Part B, 4.5.8.2)."""

from __future__ import annotations

DATA_CHANNELS = 37
ALL_CHANNELS = (1 << DATA_CHANNELS) - 1


class HopSequence:
    """The data channel of each event: hop, and map an unused channel onto a used one."""

    def __init__(self, hop: int, channel_map: int) -> None:
        self._hop = hop
        self._last_unmapped = 0
        self.set_map(channel_map)

    def set_map(self, channel_map: int) -> None:
        """Use the channels of a 37-bit map from the next event on."""
        self.channel_map = channel_map
        self._used = [n for n in range(DATA_CHANNELS) if channel_map >> n & 1]
        self._table = [
            n if channel_map >> n & 1 else self._used[n % len(self._used)] for n in range(DATA_CHANNELS)
        ]

    def next(self) -> int:
        """The channel of the next event; every event counts, attended or not."""
        self._last_unmapped = (self._last_unmapped + self._hop) % DATA_CHANNELS
        return self._table[self._last_unmapped]
