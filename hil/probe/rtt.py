"""SEGGER RTT through a probe's memory access, on any probe that reads memory while the core runs.

Layout (SEGGER, RTT, UM08001 chapter 16, and SEGGER_RTT.h): an id of 16 bytes, "SEGGER RTT" and zeros; the
numbers of up and of down buffers; then 24 bytes a buffer, up buffers first: name, buffer, size, write offset,
read offset, flags. The device moves the write offset of an up buffer and the host its read offset, and the
other way round for a down buffer; a buffer is empty where the two are equal.

What is in the RAM of a device under test is not trusted: every pointer, size and offset is held against the
RAM before it is used, and nothing is written but offsets and bytes within a buffer that was. That is why this
is not pyOCD's reader, which reads as much as the device says.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import NamedTuple, Protocol

from hil.errors import DeviceError

ID = b"SEGGER RTT" + bytes(6)
MOST_BUFFERS = 16
"""Of each direction; SEGGER's default is 3."""
LARGEST_BUFFER = 1 << 20
"""Bytes."""
_CHUNK = 4096
_AT_ONCE = 16 * 1024
"""Bytes that are searched for a block in one call: a probe at 4 MHz reads some 200 KB/s."""
_HEADER = struct.Struct("<16sii")
_BUFFER = struct.Struct("<6I")


class Memory(Protocol):
    """What is asked of a probe."""

    def read(self, address: int, length: int) -> bytes: ...

    def write(self, address: int, data: bytes) -> None: ...

    def write_words(self, address: int, values: Sequence[int]) -> None: ...


class _Ring(NamedTuple):
    """A ring buffer, and where its descriptor is."""

    descriptor: int
    buffer: int
    size: int
    write: int
    read: int


class MemoryRtt:
    """See hil.probe.base.Rtt. The control block is searched in `size` bytes from `start`, and each buffer must lie
    there; the first block that is found counts. `block` is its address, where it is known: then no other is looked at.
    """

    def __init__(self, memory: Memory, start: int, size: int, block: int | None = None) -> None:
        self._memory = memory
        self._start = start
        self._end = start + size
        self._known = block
        self._block: int | None = None
        self._at, self._kept = start, b""
        """How far the range has been searched, and the end of what was, in which an id may begin."""

    def read(self, channel: int) -> bytes:
        ring = self._ring(channel, up=True)
        if ring is None or ring.write == ring.read:
            return b""
        if ring.write > ring.read:
            data = self._memory.read(ring.buffer + ring.read, ring.write - ring.read)
        else:
            data = self._memory.read(ring.buffer + ring.read, ring.size - ring.read)
            if ring.write:
                data += self._memory.read(ring.buffer, ring.write)
        now = self._ring(channel, up=True)
        if now is None or now._replace(write=ring.write) != ring:
            return b""  # the device was reset meanwhile: what was read may be anything, the block may be elsewhere
        self._memory.write_words(ring.descriptor + 16, [ring.write])
        return data

    def write(self, channel: int, data: bytes) -> int:
        ring = self._ring(channel, up=False)
        if ring is None:
            return 0
        free = (ring.read - ring.write - 1) % ring.size
        taken = data[:free]
        if not taken:
            return 0
        first = taken[: ring.size - ring.write]
        self._memory.write(ring.buffer + ring.write, first)
        if len(first) < len(taken):
            self._memory.write(ring.buffer, taken[len(first) :])
        self._memory.write_words(ring.descriptor + 12, [(ring.write + len(taken)) % ring.size])
        return len(taken)

    def _ring(self, channel: int, *, up: bool) -> _Ring | None:
        """The ring as it is now; None where the device has no control block, or has not set the buffer up yet."""
        head = self._header()
        if head is None or self._block is None:
            return None
        ups, downs = head
        if channel >= (ups if up else downs):
            return None
        descriptor = self._block + _HEADER.size + _BUFFER.size * (channel if up else ups + channel)
        if descriptor + _BUFFER.size > self._end:
            raise self._nonsense("its descriptors", descriptor)
        _, buffer, size, write, read, _ = _BUFFER.unpack(self._memory.read(descriptor, _BUFFER.size))
        if size == 0 or buffer == 0:
            return None
        if size > LARGEST_BUFFER or not self._start <= buffer <= self._end - size:
            raise self._nonsense(f"a buffer of {size} bytes", buffer)
        if write >= size or read >= size:
            raise self._nonsense(f"offsets {write} and {read} in a buffer of {size} bytes", buffer)
        return _Ring(descriptor, buffer, size, write, read)

    def _header(self) -> tuple[int, int] | None:
        """Numbers of up and down buffers. A reset may have moved or cleared the block: it is looked at each
        time.
        """
        if self._known is not None:
            self._block = self._known
            return self._candidate(self._known)
        if self._block is not None:
            found = self._header_at(self._memory.read(self._block, _HEADER.size))
            if found is not None:
                return found
        self._block = None
        return self._search()

    def _search(self) -> tuple[int, int] | None:
        """Look through the next stretch of the range, where no block is known: a probe takes its time for all of it."""
        if self._at >= self._end:
            self._kept, self._at = b"", self._start
        stop = min(self._end, self._at + _AT_ONCE)
        while self._at < stop:
            data = self._memory.read(self._at, min(_CHUNK, stop - self._at))
            joined, first = self._kept + data, self._at - len(self._kept)
            place = joined.find(ID)
            while place >= 0:
                found = self._candidate(first + place)
                if found is not None:
                    self._block = first + place
                    self._kept, self._at = b"", self._start  # where the next search begins
                    return found
                place = joined.find(ID, place + 1)
            self._kept, self._at = joined[-(len(ID) - 1) :], self._at + len(data)
        return None

    def _candidate(self, address: int) -> tuple[int, int] | None:
        """The numbers of a block that begins here; None for an id that is none of a block."""
        if address % 4 or address + _HEADER.size > self._end:
            return None
        return self._header_at(self._memory.read(address, _HEADER.size))

    @staticmethod
    def _header_at(data: bytes) -> tuple[int, int] | None:
        name, ups, downs = _HEADER.unpack(data)
        if name != ID:
            return None
        if not (0 <= ups <= MOST_BUFFERS and 0 <= downs <= MOST_BUFFERS):
            return None  # RAM that lost its power, or data that looks like a block
        return ups, downs

    @staticmethod
    def _nonsense(what: str, address: int) -> DeviceError:
        return DeviceError(f"RTT: the control block names {what} at 0x{address:08x}, which makes no sense")
