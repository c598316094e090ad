"""The data channel of each connection event (Core 5.4, Vol 6 Part B, 4.5.8)."""

from __future__ import annotations

DATA_CHANNELS = 37
ALL_CHANNELS = (1 << DATA_CHANNELS) - 1


class HopSequence:
    """Channel selection algorithm #1 (4.5.8.2): hop, and map an unused channel onto a used one."""

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


_REVERSED = tuple(int(f"{octet:08b}"[::-1], 2) for octet in range(256))


def channel_identifier(access_address: int) -> int:
    """The 16 bits that tell the sequence of one connection from another's (4.5.8.3.1)."""
    return access_address >> 16 ^ access_address & 0xFFFF


class PseudoRandomSequence:
    """Channel selection algorithm #2 (Core 5.4, Vol 6 Part B, 4.5.8.3): the channel follows from the event's number."""

    def __init__(self, access_address: int, channel_map: int) -> None:
        self._identifier = channel_identifier(access_address)
        self._counter = 0
        self.set_map(channel_map)

    def set_map(self, channel_map: int) -> None:
        """Use the channels of a 37-bit map from the next event on."""
        self.channel_map = channel_map
        self._used = [n for n in range(DATA_CHANNELS) if channel_map >> n & 1]

    def channel(self, counter: int) -> int:
        """The channel of the event with this number, 0 to 65535."""
        identifier = self._identifier
        value = counter ^ identifier
        for _ in range(3):  # permutation, then multiply-add-modulo (4.5.8.3.2)
            value = _REVERSED[value >> 8] << 8 | _REVERSED[value & 0xFF]
            value = (17 * value + identifier) & 0xFFFF
        value ^= identifier
        unmapped = value % DATA_CHANNELS
        if self.channel_map >> unmapped & 1:
            return unmapped
        return self._used[len(self._used) * value >> 16]

    def next(self) -> int:
        """The channel of the next event; every event counts, attended or not."""
        counter = self._counter
        self._counter = (counter + 1) & 0xFFFF
        return self.channel(counter)
