"""Reads Intel HEX text, with errors that a person can act on."""

from __future__ import annotations

import io

from intelhex import IntelHex, IntelHexError

from hil.errors import InputError

MAX_BYTES = 16 * 1024 * 1024


def binary_of(text: str, where: str) -> bytes:
    """The one stretch of bytes that a HEX file describes; gaps are filled with 0xff, as in erased flash.

    Raises InputError when the file is broken, empty or spans more than MAX_BYTES.
    """
    image = IntelHex()
    image.padding = 0xFF
    try:
        image.loadhex(io.StringIO(text))
    except (IntelHexError, ValueError, IndexError) as error:
        raise InputError(f"{where}: not a sound Intel HEX file: {str(error).rstrip('.')}") from None
    first, last = image.minaddr(), image.maxaddr()
    if first is None or last is None:
        raise InputError(f"{where}: the Intel HEX file holds no data")
    if last - first >= MAX_BYTES:
        raise InputError(f"{where}: the data spans {last - first + 1} bytes, more than {MAX_BYTES}")
    return bytes(image.tobinarray(start=first, end=last))
