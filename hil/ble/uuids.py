"""UUIDs between Bumble (little-endian bytes, short forms) and bleak (lower-case 128-bit text)."""

from __future__ import annotations

import uuid

from bumble.core import UUID

SMP_SERVICE = "8d53dc1d-1db7-4cd3-868b-8a527460aa84"
SMP_CHARACTERISTIC = "da2e7828-fbce-4e01-ae9e-261174997c48"

SINK_SERVICE = "3af00001-1f3a-4543-a5a7-1694bb44b848"
"""This project's throughput sink, which the bundled application has too (see `hil.ble.sink`)."""
SINK_DATA = "3af00002-1f3a-4543-a5a7-1694bb44b848"
SINK_COUNTER = "3af00003-1f3a-4543-a5a7-1694bb44b848"


def as_text(value: UUID) -> str:
    """The 128-bit form in lower case, as bleak writes it."""
    return str(uuid.UUID(bytes=bytes(value.to_bytes(force_128=True))[::-1]))


def as_bumble(text: str) -> UUID:
    """Bumble's object for a 16, 32 or 128-bit UUID in text."""
    return UUID(text)
