"""Messages in and out of fragments and console lines; the `smp` package is the other side."""

from __future__ import annotations

import asyncio
import itertools
import struct
from collections.abc import Callable
from contextlib import suppress

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from smp.image_management import ImageUploadWriteRequest
from smp.os_management import EchoWriteRequest, EchoWriteResponse
from smp.packet import decode as smp_decode

from hil.dfu.ble import fragment_size
from hil.dfu.chunks import first_capacity, later_capacity
from hil.dfu.errors import LinkLost, SmpProtocolError, SmpTimeout
from hil.dfu.serial import SerialTransport
from hil.dfu.serial_framing import MAX_LINE, PacketAssembler, packet_lines
from hil.dfu.smp_client import SmpClient
from hil.dfu.smp_header import MAX_MESSAGE, Header, Reassembler
from hil.virtual.wire.loop import VirtualEventLoop
from tests.dfu.smp_server import SmpServer

quick = settings(deadline=None, max_examples=60, suppress_health_check=[HealthCheck.too_slow])


def response(payload: bytes, *, sequence: int = 0, operation: int = 3, group: int = 1) -> bytes:
    return struct.pack(">BBHHBB", operation | 1 << 3, 0, len(payload), group, sequence, 1) + payload


messages = st.binary(max_size=600).map(response)


def cut(data: bytes, cuts: list[int]) -> list[bytes]:
    points = [0, *sorted({point % (len(data) + 1) for point in cuts}), len(data)]
    return [data[a:b] for a, b in itertools.pairwise(points)]


@quick
@given(st.lists(messages, max_size=5), st.lists(st.integers(0, 5000), max_size=20))
def test_messages_survive_any_fragmentation(sent: list[bytes], cuts: list[int]) -> None:
    reassembler = Reassembler()
    received = [message for piece in cut(b"".join(sent), cuts) for message in reassembler.feed(piece)]
    assert received == sent


@quick
@given(st.lists(st.binary(max_size=100), max_size=20))
def test_arbitrary_fragments_raise_nothing_but_a_protocol_error(pieces: list[bytes]) -> None:
    reassembler = Reassembler()
    for piece in pieces:
        with suppress(SmpProtocolError):
            for message in reassembler.feed(piece):
                Header.parse(message)
        assert len(reassembler._buffer) <= MAX_MESSAGE


def test_what_is_not_a_response_is_refused_and_forgotten() -> None:
    reassembler = Reassembler()
    with pytest.raises(SmpProtocolError, match="not a response"):
        reassembler.feed(response(b"", operation=2))
    with pytest.raises(SmpProtocolError, match="claims 65535 bytes"):
        reassembler.feed(struct.pack(">BBHHBB", 3, 0, 0xFFFF, 0, 0, 0))
    assert reassembler.feed(response(b"ok")) == [response(b"ok")]


@quick
@given(st.binary(max_size=3000))
def test_lines_decode_to_the_message(message: bytes) -> None:
    lines = packet_lines(message)
    assembler = PacketAssembler()
    assert [m for line in lines.splitlines(True) if (m := assembler.feed(line)) is not None] == [message]
    assert all(len(line) <= MAX_LINE for line in lines.splitlines(True))
    other = smp_decode()
    next(other)
    with pytest.raises(StopIteration) as decoded:
        for line in lines.splitlines(True):
            other.send(line)
    assert bytes(decoded.value.value) == message


def test_a_line_known_from_the_smp_package() -> None:
    """The example in smp.packet's documentation."""
    assert packet_lines(b"Hello, world!") == b"\x06\tAA9IZWxsbywgd29ybGQhet4=\n"


@quick
@given(st.binary(min_size=1, max_size=600), st.integers(0, 10_000), st.integers(1, 255))
def test_damage_is_dropped_and_the_next_packet_is_read(message: bytes, where: int, flip: int) -> None:
    lines = packet_lines(message)
    at = where % len(lines)
    damaged = lines[:at] + bytes([lines[at] ^ flip]) + lines[at + 1 :]
    assembler = PacketAssembler()
    got = [m for line in damaged.splitlines(True) if (m := assembler.feed(line)) is not None]
    assert got in ([], [message])
    last = [m for line in packet_lines(b"next").splitlines(True) if (m := assembler.feed(line)) is not None]
    assert last == [b"next"]


@quick
@given(st.lists(st.binary(max_size=200), max_size=20))
def test_arbitrary_lines_raise_nothing(lines: list[bytes]) -> None:
    assembler = PacketAssembler()
    for line in lines:
        for marker in (b"", b"\x06\x09", b"\x04\x14"):
            assembler.feed(marker + line + b"\n")


@quick
@given(st.integers(100, 4096), st.integers(1, 1 << 24))
def test_chunks_fill_the_message_exactly(limit: int, offset: int) -> None:
    size = later_capacity(limit, offset)
    length = len(bytes(ImageUploadWriteRequest(sequence=0, off=offset, data=bytes(size))))
    # One byte of room is lost where the head of the string grows (24, 256).
    assert length == limit or (length == limit - 1 and size in (23, 255))
    fields = {"off": 0, "len": offset, "sha": bytes(32)}
    empty = len(bytes(ImageUploadWriteRequest(sequence=0, data=b"", **fields)))
    first = first_capacity(limit, empty)
    assert len(bytes(ImageUploadWriteRequest(sequence=0, data=bytes(first), **fields))) <= max(limit, empty)


@pytest.mark.parametrize(
    ("mtu", "data_length", "size"),
    [
        (498, 251, 495),  # exactly two PDUs
        (247, 251, 244),  # exactly one
        (512, 251, 495),  # 509 would begin a third PDU for 14 bytes
        (517, 251, 495),
        (497, 251, 494),  # a byte short of two PDUs beats one full one
        (498, 27, 479),
        (23, 27, 20),
        (23, 251, 20),
        (517, None, 512),
    ],
)
def test_fragments_end_on_pdu_boundaries(mtu: int, data_length: int | None, size: int) -> None:
    assert fragment_size(mtu, data_length) == size


class FakeConsole:
    """A console whose far end is an SMP server that also logs."""

    def __init__(self, loop: VirtualEventLoop, server: SmpServer) -> None:
        self.loop = loop
        self.server = server
        self.taps: list[Callable[[bytes], None]] = []
        self.damage_next = False
        self._packets = PacketAssembler()
        server.send = self._answer

    def send(self, data: bytes) -> None:
        for line in data.splitlines(True):
            message = self._packets.feed(line)
            if message is not None:
                self.server.feed(message)

    def _answer(self, message: bytes) -> None:
        lines = packet_lines(message)
        if self.damage_next:
            self.damage_next = False
            lines = lines[:-8] + bytes([lines[-8] ^ 1]) + lines[-7:]
        for line in lines.splitlines(True):
            for tap in self.taps:
                self.loop.call_soon(tap, line)

    def add_frame_tap(self, tap: Callable[[bytes], None]) -> None:
        self.taps.append(tap)

    def remove_frame_tap(self, tap: Callable[[bytes], None]) -> None:
        self.taps.remove(tap)

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        assert loop is self.loop


async def echo(client: SmpClient, **options: float) -> str:
    answer = await client.request(EchoWriteRequest, EchoWriteResponse, "echo", d="hello", **options)  # type: ignore[arg-type]
    return answer.r


def test_smp_over_a_console(loop: VirtualEventLoop, server: SmpServer) -> None:
    async def main() -> None:
        console = FakeConsole(loop, server)
        transport = SerialTransport(console)
        client = SmpClient(transport)
        assert await echo(client) == "hello"
        console.damage_next = True
        with pytest.raises(SmpTimeout):
            await echo(client, timeout_s=1)
        assert transport.damaged == 1
        console.damage_next = True
        assert await echo(client, timeout_s=1, attempts=2) == "hello"
        await transport.close()
        assert console.taps == []
        with pytest.raises(LinkLost):
            await echo(client)

    loop.run(main())
