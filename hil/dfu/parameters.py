"""The device's SMP buffers."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Parameters:
    """MCUmgr parameters: the device's SMP buffers, in bytes and number."""

    buf_size: int
    buf_count: int
