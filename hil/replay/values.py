"""How values that cross a wire are written as JSON: bytes and words are packed, and one seen before is named."""

from __future__ import annotations

import base64
import binascii
import zlib
from typing import Any

from hil.errors import InputError

PLAIN_BYTES = 48
"""Up to so many bytes are written as hexadecimal; longer ones are compressed, and written only once in a log."""
VALUE_LIMIT = 4 << 20
"""Bytes of one value; a probe's longest transfer is far shorter."""
DEPTH_LIMIT = 8


class Encoder:
    """Writes values; knows which it has written."""

    def __init__(self) -> None:
        self._seen: dict[bytes, int] = {}

    def encode(self, value: Any) -> Any:
        """`value` for JSON: None, numbers, texts, bytes, and lists and dictionaries of these."""
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, bytes | bytearray | memoryview):
            return self._bytes(bytes(value), "b")
        if isinstance(value, dict):
            return {"d": [[self.encode(key), self.encode(held)] for key, held in value.items()]}
        if isinstance(value, list | tuple):
            items = list(value)
            if len(items) > 3 and all(type(item) is int and 0 <= item < 1 << 32 for item in items):
                if max(items) < 256:
                    return self._bytes(bytes(items), "l")
                return self._bytes(b"".join(item.to_bytes(4, "little") for item in items), "w")
            return [self.encode(item) for item in items]
        raise TypeError(f"{type(value).__name__} cannot be written to a wire log")

    def _bytes(self, data: bytes, kind: str) -> Any:
        if len(data) <= PLAIN_BYTES:
            return {kind: data.hex()}
        number = self._seen.get(data)
        if number is not None:
            return {kind: number}
        self._seen[data] = len(self._seen)
        return {kind: "=" + base64.b64encode(zlib.compress(data, 1)).decode("ascii")}


class Decoder:
    """Reads values back; raises InputError for what no Encoder writes."""

    def __init__(self) -> None:
        self._seen: list[bytes] = []

    def decode(self, value: Any, depth: int = 0) -> Any:
        """The value that was encoded; tuples have become lists."""
        if depth > DEPTH_LIMIT:
            raise InputError("a value is nested too deeply")
        if value is None or isinstance(value, bool | int | float | str):
            return value
        if isinstance(value, list):
            return [self.decode(item, depth + 1) for item in value]
        if not isinstance(value, dict) or len(value) != 1:
            raise InputError("a value is none that can be recorded")
        kind, held = next(iter(value.items()))
        if kind == "d":
            return self._dictionary(held, depth)
        data = self._bytes(held)
        if kind == "b":
            return data
        if kind == "l":
            return list(data)
        if kind == "w" and len(data) % 4 == 0:
            return [int.from_bytes(data[index : index + 4], "little") for index in range(0, len(data), 4)]
        raise InputError("a value is none that can be recorded")

    def _dictionary(self, held: Any, depth: int) -> dict[Any, Any]:
        if not isinstance(held, list) or not all(isinstance(each, list) and len(each) == 2 for each in held):
            raise InputError("a dictionary is not a list of pairs")
        found = {}
        for key, item in held:
            if not isinstance(key, str | int | float | None):
                raise InputError("a dictionary has a key that is no plain value")
            found[key] = self.decode(item, depth + 1)
        return found

    def _bytes(self, held: Any) -> bytes:
        if isinstance(held, int) and not isinstance(held, bool) and 0 <= held < len(self._seen):
            return self._seen[held]
        if not isinstance(held, str):
            raise InputError("bytes are named that were not written before")
        try:
            if not held.startswith("="):
                return bytes.fromhex(held)
            unpacking = zlib.decompressobj()
            data = unpacking.decompress(base64.b64decode(held[1:], validate=True), VALUE_LIMIT)
        except (ValueError, binascii.Error, zlib.error):
            raise InputError("bytes are neither hexadecimal nor compressed") from None
        if not unpacking.eof:
            raise InputError(f"bytes are cut off, or more than {VALUE_LIMIT}")
        self._seen.append(data)
        return data
