"""RTT over a memory that may hold anything: what a device has in its RAM must not make the reader fail, hang or
write elsewhere.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.errors import DeviceError
from hil.probe.rtt import ID, MemoryRtt

START, SIZE = 0x2000_0000, 0x4000


class Ram:
    """Memory that knows its bounds, and what was written."""

    def __init__(self) -> None:
        self.content = bytearray(SIZE)
        self.written: list[tuple[int, int]] = []
        self.reads = 0

    def read(self, address: int, length: int) -> bytes:
        assert START <= address <= address + length <= START + SIZE
        self.reads += 1
        return bytes(self.content[address - START : address - START + length])

    def write(self, address: int, data: bytes) -> None:
        assert START <= address <= address + len(data) <= START + SIZE
        self.written.append((address, len(data)))
        self.content[address - START : address - START + len(data)] = data

    def write_words(self, address: int, values: Sequence[int]) -> None:
        assert address % 4 == 0
        self.write(address, b"".join(value.to_bytes(4, "little") for value in values))


def block(ups: int, downs: int, *rings: tuple[int, int, int, int]) -> bytes:
    """A control block; a ring is (buffer, size, write offset, read offset)."""
    head = ID + struct.pack("<ii", ups, downs)
    return head + b"".join(struct.pack("<6I", 0, *ring, 0) for ring in rings)


def ram_with(at: int, data: bytes) -> Ram:
    ram = Ram()
    ram.content[at : at + len(data)] = data
    return ram


@given(
    size=st.integers(2, 64),
    start=st.integers(0, 63),
    pieces=st.lists(st.binary(min_size=0, max_size=63), max_size=12),
    at=st.integers(0, 0xC00).map(lambda at: 4 * at).filter(lambda at: not 0xF00 <= at < 0x1200),
)
def test_what_the_device_puts_in_comes_out_once(size: int, start: int, pieces: list[bytes], at: int) -> None:
    start %= size
    ram = ram_with(at, block(1, 0, (START + 0x1000, size, start, start)))
    rtt = MemoryRtt(ram, START, SIZE)
    offset = at + 24 + 12
    sent, got = b"", b""
    for piece in pieces:
        piece = piece[: size - 1]
        written = int.from_bytes(ram.content[offset : offset + 4], "little")
        for byte in piece:
            ram.content[0x1000 + written] = byte
            written = (written + 1) % size
        ram.content[offset : offset + 4] = written.to_bytes(4, "little")
        sent += piece
        got += rtt.read(0)
    assert got == sent
    assert rtt.read(0) == b""


@given(size=st.integers(2, 40), words=st.lists(st.binary(max_size=50), max_size=10))
def test_what_is_written_comes_out_of_the_device(size: int, words: list[bytes]) -> None:
    ram = ram_with(0, block(0, 1, (START + 0x1000, size, 0, 0)))
    rtt = MemoryRtt(ram, START, SIZE)
    for word in words:
        taken = rtt.write(0, word)
        assert taken == min(len(word), size - 1)
        write, read = struct.unpack_from("<II", ram.content, 24 + 12)
        got = bytes(ram.content[0x1000 + (read + index) % size] for index in range((write - read) % size))
        assert got == word[:taken]
        struct.pack_into("<I", ram.content, 24 + 16, write)


@given(
    ups=st.integers(-(1 << 31), (1 << 31) - 1),
    downs=st.integers(-(1 << 31), (1 << 31) - 1),
    at=st.integers(0, SIZE - 1),
    rest=st.lists(st.integers(0, (1 << 32) - 1), max_size=40),
    channel=st.integers(0, 40),
)
def test_a_hostile_control_block_does_no_harm(
    ups: int, downs: int, at: int, rest: list[int], channel: int
) -> None:
    data = ID + struct.pack("<ii", ups, downs) + struct.pack(f"<{len(rest)}I", *rest)
    ram = Ram()
    ram.content[at : at + len(data)] = data[: SIZE - at]
    rtt = MemoryRtt(ram, START, SIZE)
    for ask in (lambda: rtt.read(channel), lambda: rtt.write(channel, b"word")):
        with contextlib.suppress(DeviceError):
            ask()
    assert ram.reads < 40


@given(
    ring=st.tuples(*[st.integers(0, 1 << 14) | st.integers(START, START + SIZE) for _ in range(4)]),
    up=st.booleans(),
)
def test_nothing_is_written_outside_of_a_sound_buffer(ring: tuple[int, int, int, int], up: bool) -> None:
    ram = ram_with(0, block(1, 1, ring, ring))
    rtt = MemoryRtt(ram, START, SIZE)
    buffer, size, write, read = ring
    sound = buffer >= START and size and buffer + size <= START + SIZE and write < size and read < size
    try:
        rtt.read(0) if up else rtt.write(0, b"some words")
    except DeviceError:
        assert not sound
    offsets = (24 + 16, 48 + 12)
    for address, length in ram.written:
        assert sound
        assert address - START in offsets or buffer <= address <= address + length <= buffer + size


def test_a_block_that_begins_in_one_piece_and_ends_in_the_next_is_found() -> None:
    ram = ram_with(4096 - 8, block(1, 0, (START + 0x2000, 8, 3, 0)))
    ram.content[0x2000:0x2003] = b"abc"
    assert MemoryRtt(ram, START, SIZE).read(0) == b"abc"


def test_without_a_block_there_is_nothing_and_later_there_is() -> None:
    ram = Ram()
    rtt = MemoryRtt(ram, START, SIZE)
    assert (rtt.read(0), rtt.write(0, b"x")) == (b"", 0)
    ram.content[0x100 : 0x100 + 48] = block(1, 0, (START + 0x2000, 8, 1, 0))
    ram.content[0x2000] = 0x21
    assert rtt.read(0) == b"!"
    ram.content[0x100:0x110] = bytes(16)  # a reset: the RAM is being cleared
    assert rtt.read(0) == b""


def test_what_only_looks_like_a_block_is_passed_over() -> None:
    ram = ram_with(0x100, block(17, 0))
    ram.content[0x201 : 0x201 + 48] = block(1, 0, (START + 0x2000, 8, 1, 0))  # at an odd address
    ram.content[0x301 + 3 : 0x304 + 48] = block(1, 0, (START + 0x2000, 8, 2, 0))
    ram.content[0x2000:0x2002] = b"ok"
    assert MemoryRtt(ram, START, SIZE).read(0) == b"ok"


def test_a_block_whose_descriptors_do_not_fit_the_ram_is_told() -> None:
    ram = ram_with(SIZE - 40, block(1, 0))
    with pytest.raises(DeviceError, match="its descriptors"):
        MemoryRtt(ram, START, SIZE).read(0)
    assert ram.written == []


def test_a_known_block_is_the_only_one() -> None:
    ram = ram_with(0x100, block(1, 0, (START + 0x2000, 8, 1, 0)))
    ram.content[0x800 : 0x800 + 48] = block(1, 0, (START + 0x3000, 8, 1, 0))
    ram.content[0x2000], ram.content[0x3000] = 0x62, 0x61
    assert MemoryRtt(ram, START, SIZE).read(0) == b"b"
    assert MemoryRtt(ram, START, SIZE, START + 0x800).read(0) == b"a"


@pytest.mark.parametrize("elsewhere", [0x100, 0x800])
def test_a_reset_within_a_read_writes_nothing(elsewhere: int) -> None:
    ram = ram_with(0x100, block(1, 0, (START + 0x2000, 64, 50, 0)))
    once = ram.read

    def read(address: int, length: int) -> bytes:
        data = once(address, length)
        if address == START + 0x2000:  # the data has been read: the device starts anew
            ram.content[0x100:0x140] = bytes(0x40)
            ram.content[elsewhere : elsewhere + 48] = block(1, 0, (START + 0x2000, 64, 3, 3))
        return data

    ram.read = read  # type: ignore[method-assign]
    rtt = MemoryRtt(ram, START, SIZE)
    assert rtt.read(0) == b""
    assert ram.written == []


def test_a_search_takes_a_bounded_piece_of_the_ram_at_once() -> None:
    class Large(Ram):
        def read(self, address: int, length: int) -> bytes:
            self.reads += length
            return bytes(length)

    ram = Large()
    rtt = MemoryRtt(ram, START, 1 << 20)
    rtt.read(0)
    assert ram.reads <= 16 * 1024
