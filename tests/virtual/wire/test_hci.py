"""A controller model behind Bumble's transport: inside the kernel below, in the loop above."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from hil.errors import InputError
from hil.virtual import registry
from hil.virtual.kernel import Kernel
from hil.virtual.wire.hci import open_virtual_transport
from hil.virtual.wire.loop import VirtualEventLoop


class EchoController:
    """Sends every packet back 1000 ticks later."""

    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.sink: Callable[[bytes], None] = lambda _: None

    def set_host(self, sink: Callable[[bytes], None]) -> None:
        self.sink = sink

    def on_hci(self, packet: bytes) -> None:
        assert self.kernel.advancing, "a hardware model ran outside the kernel"
        self.kernel.after(1000, self._answer, packet)

    def _answer(self, packet: bytes) -> None:
        self.sink(packet)


class Host:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.got: list[tuple[int, bytes]] = []

    def on_packet(self, packet: bytes) -> None:
        assert not self.kernel.advancing, "host code ran inside the kernel"
        self.got.append((self.kernel.now, packet))


@pytest.fixture
def bench() -> Iterator[tuple[VirtualEventLoop, Kernel]]:
    kernel = Kernel()
    registry.register("echo-controller", EchoController(kernel), kernel)
    loop = VirtualEventLoop(kernel)
    yield loop, kernel
    loop.close()
    registry.unregister("echo-controller")


def test_packets_cross_in_order_at_their_ticks(bench: tuple[VirtualEventLoop, Kernel]) -> None:
    loop, kernel = bench
    host = Host(kernel)

    async def main() -> None:
        transport = open_virtual_transport("hil:echo-controller")
        source, sink = transport
        source.set_packet_sink(host)
        sink.on_packet(b"\x01one")
        sink.on_packet(b"\x01two")
        await asyncio.sleep(0.001)
        sink.on_packet(b"\x01lost")
        await transport.close()
        await asyncio.sleep(0.001)

    loop.run(main())
    assert host.got == [(1000, b"\x01one"), (1000, b"\x01two")]


def test_an_unknown_name_is_told(bench: tuple[VirtualEventLoop, Kernel]) -> None:
    async def main() -> None:
        open_virtual_transport("hil:nobody")

    with pytest.raises(InputError, match="nobody"):
        bench[0].run(main())
