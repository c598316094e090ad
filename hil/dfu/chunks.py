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
