"""Variants of the bundled application, made by patching words of the one binary before it is signed.

The application carries a descriptor right after its vector table: the magic `HILV`, a behaviour, and the attack that
the hostile behaviour tries. The shipped binary and every variant are therefore the same code.
"""

from __future__ import annotations

import random
import struct
from enum import IntEnum

from hil.errors import InputError

_MAGIC = b"HILV"
_DESCRIPTOR = struct.Struct("<4sII")
_SEARCH_LIMIT = 0x1000


class Behaviour(IntEnum):
    """What the application does after it has started."""

    NORMAL = 0
    NEVER_CONFIRM = 1
    HANG = 2
    FAULT = 3
    RESET = 4
    HOSTILE = 5
    BAD_RAM = 6
    """Overruns its RAM downwards from the stack."""
    FAULT_CONFIRMED = 7
    """Confirms itself, and faults at every start after that."""


def patch_behaviour(payload: bytes, behaviour: Behaviour, attack: int = 0) -> bytes:
    """The same binary with its descriptor's behaviour and attack words replaced. Raises InputError without one."""
    offset = payload.find(_MAGIC, 0, _SEARCH_LIMIT)
    if offset < 0 or offset % 4 or offset + _DESCRIPTOR.size > len(payload):
        raise InputError(
            "application: no variant descriptor (HILV) behind the vector table; rebuild the firmware"
        )
    words = _DESCRIPTOR.pack(_MAGIC, int(behaviour), attack)
    return payload[:offset] + words + payload[offset + _DESCRIPTOR.size :]


def pad_payload(payload: bytes, size: int, seed: int = 0) -> bytes:
    """`payload` followed by seeded noise up to `size` bytes, as a stand-in for a product's larger application.

    Noise, not 0xff: erased bytes could be skipped by a client and need no programming. Raises InputError when
    the payload is larger already.
    """
    if len(payload) > size:
        raise InputError(f"application: {len(payload)} bytes do not fit the asked {size} bytes")
    return payload + random.Random(seed).randbytes(size - len(payload))
