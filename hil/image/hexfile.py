"""Makes one binary of an Intel HEX file."""

from __future__ import annotations

from hil.errors import InputError
from hil.probe.hexfile import parse_hex

MAX_BYTES = 16 * 1024 * 1024


def binary_of(text: str, where: str) -> bytes:
    """The one stretch of bytes that a HEX file describes; gaps are filled with 0xff, as in erased flash.

    Raises InputError when the file is broken, truncated, empty or spans more than MAX_BYTES.
    """
    pieces = parse_hex(text.encode("ascii", "replace"), where)
    first, last = pieces[0][0], pieces[-1][0] + len(pieces[-1][1])
    if last - first > MAX_BYTES:
        raise InputError(f"{where}: the data spans {last - first} bytes, more than {MAX_BYTES}")
    image = bytearray(b"\xff" * (last - first))
    for address, data in pieces:
        image[address - first : address - first + len(data)] = data
    return bytes(image)
