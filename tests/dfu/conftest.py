"""A client joined to the test server by a wire with latency, and an image to send."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest

from hil.dfu.errors import LinkLost, SmpError
from hil.dfu.smp_client import SmpClient
from hil.dfu.smp_header import Reassembler
from hil.dfu.update import Update
from hil.errors import DeviceError
from hil.virtual.kernel import Kernel
from hil.virtual.wire.loop import VirtualEventLoop
from tests.dfu.smp_server import SmpServer


@pytest.fixture
def loop() -> Iterator[VirtualEventLoop]:
    loop = VirtualEventLoop(Kernel())
    yield loop
    loop.close()


@dataclass
class Image:
    data: bytes
    version: str = "1.2.3"

    @property
    def hash(self) -> bytes:
        return self.data[:32]


@pytest.fixture
def image() -> Image:
    return Image(random.Random(1).randbytes(60_001))


class Wire:
    """An SmpTransport to the server: pieces of at most `fragment` bytes, each `latency` under way."""

    max_window = 255

    def useful_window(self, message_octets: int) -> int:
        return self.max_window

    def __init__(self, server: SmpServer, *, fragment: int = 495, latency: float = 0.015) -> None:
        self.server = server
        self.fragment = fragment
        self.latency = latency
        self.is_open = True
        self.resynchronized = 0
        self._outbound: deque[bytes] = deque()  # timers of one tick have no order of their own
        self._inbound: deque[bytes] = deque()
        self._reassembler = Reassembler()
        self._on_message: Callable[[bytes], None] = lambda _: None
        self._on_error: Callable[[SmpError], None] = lambda _: None
        server.send = self.respond

    async def send(self, message: bytes) -> None:
        if not self.is_open:
            raise LinkLost("wire: cut")
        self._outbound.append(message)
        asyncio.get_running_loop().call_later(self.latency, self._arrive)

    def _arrive(self) -> None:
        message = self._outbound.popleft()
        for offset in range(0, len(message), self.fragment):
            if self.is_open:
                self.server.feed(message[offset : offset + self.fragment])

    def respond(self, message: bytes) -> None:
        self._inbound.append(message)
        asyncio.get_running_loop().call_later(self.latency, self._deliver)

    def _deliver(self) -> None:
        message = self._inbound.popleft()
        for offset in range(0, len(message), self.fragment):
            if not self.is_open:
                return
            try:
                for whole in self._reassembler.feed(message[offset : offset + self.fragment]):
                    self._on_message(whole)
            except SmpError as error:
                self._on_error(error)

    def set_receiver(self, on_message: Callable[[bytes], None], on_error: Callable[[SmpError], None]) -> None:
        self._on_message, self._on_error = on_message, on_error

    def resynchronize(self) -> None:
        self.resynchronized += 1
        self._reassembler.reset()

    def message_size(self, limit: int) -> int:
        return limit

    async def close(self) -> None:
        self.cut()

    def cut(self) -> None:
        if self.is_open:
            self.is_open = False
            self.server.link_lost()
            self._on_error(LinkLost("wire: cut"))


class WireReach:
    """Reaches the server over a fresh wire each time."""

    def __init__(self, server: SmpServer, **options: float) -> None:
        self.server = server
        self.options = options
        self.wires: list[Wire] = []
        self.down_until = 0.0
        server.on_reset = self._reset

    async def open(self, timeout_s: float) -> SmpClient:
        loop = asyncio.get_running_loop()
        if self.down_until > loop.time() + timeout_s:
            raise DeviceError("not advertising")
        await asyncio.sleep(max(0.0, self.down_until - loop.time()))
        self.wires.append(Wire(self.server, **self.options))  # type: ignore[arg-type]
        return SmpClient(self.wires[-1])

    async def close(self) -> None:
        if self.wires:
            self.wires[-1].cut()

    async def drop(self) -> None:
        await self.close()

    async def wait_reset(self, timeout_s: float) -> None:
        await asyncio.sleep(0.1)

    def _reset(self) -> None:
        self.down_until = asyncio.get_running_loop().time() + 5.0
        self.wires[-1].cut()


@pytest.fixture
def server() -> SmpServer:
    """A server that writes about 90 kB/s."""
    return SmpServer(lambda _: None, seconds_per_byte=1 / 90_000)


@pytest.fixture
def reach(server: SmpServer) -> WireReach:
    return WireReach(server)


@pytest.fixture
def update(loop: VirtualEventLoop, reach: WireReach) -> Update:
    return Update(loop.run, reach)
