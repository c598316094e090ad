"""How much image fits one upload request of a given length."""

from __future__ import annotations

from hil.dfu.smp_header import HEADER_SIZE

_FIELDS = 1 + 4 + 5  # CBOR map head, text "off", text "data"


def uint_size(value: int) -> int:
    """Bytes of a CBOR head with this value (RFC 8949, 3.1): of an unsigned number, or before a string."""
    for limit, size in ((24, 1), (1 << 8, 2), (1 << 16, 3), (1 << 32, 5)):
        if value < limit:
            return size
    return 9


def later_capacity(message_limit: int, offset: int) -> int:
    """Image bytes that fit an upload request after the first (fields off and data only)."""
    return string_capacity(message_limit - HEADER_SIZE - _FIELDS - uint_size(offset))


def first_capacity(message_limit: int, length_without_data: int) -> int:
    """Image bytes that fit the first request, whose length with an empty `data` is known."""
    return string_capacity(message_limit - length_without_data + uint_size(0))


def string_capacity(room: int) -> int:
    """Bytes of a CBOR string that fit `room` together with their head (0 if not even that does)."""
    size = max(0, room - 1)
    while size > 0 and size + uint_size(size) > room:
        size -= 1
    return size


def least_message_octets(total: int, message_limit: int) -> int:
    """The fewest octets of SMP messages, headers included, that upload `total` bytes of image in requests of at most
    `message_limit` bytes. What the first request says besides is not counted.

    Raises ValueError when requests of that length hold no data.
    """
    capacity = later_capacity(message_limit, 0)
    if capacity < 1:
        raise ValueError(f"requests of {message_limit} bytes leave no room for data")
    overhead = HEADER_SIZE + _FIELDS + uint_size(0) + uint_size(0)
    return total + -(-total // capacity) * overhead
