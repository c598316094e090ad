"""A virtual controller as a Bumble transport: HCI packets in H4 form, each way.

Above it, Bumble's host cannot tell it from a dongle. The controller is a hardware model, so it runs
inside `Kernel.advance` only: packets to it are queued as kernel events, packets from it are handed
to the loop with `call_soon`. The transfer itself takes no virtual time (a central's own HCI link is
not what is being tested; the kit's is, and that one is a UART).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from bumble.transport.common import BaseSource, Transport

from hil.virtual import registry
from hil.virtual.kernel import Kernel

SCHEME = "hil"


class Controller(Protocol):
    """A link-layer controller of the virtual air."""

    def on_hci(self, packet: bytes) -> None:
        """Take one H4 packet (type byte first) from its host."""
        ...

    def set_host(self, sink: Callable[[bytes], None]) -> None:
        """Send its own H4 packets to `sink` from now on."""
        ...


def open_virtual_transport(name: str) -> Transport:
    """Open "hil:central", or plain "central": a controller of an open virtual bench, by its name.

    Must be called with the bench's loop running. Raises InputError if no open bench has it.
    """
    kernel, controller = registry.find(name.removeprefix(f"{SCHEME}:"))
    return controller_transport(kernel, controller)


def controller_transport(kernel: Kernel, controller: Controller) -> Transport:
    """A Bumble transport to one controller model."""
    return Transport(_Source(controller), _Sink(kernel, controller))


class _Source(BaseSource):
    """Controller to host."""

    def __init__(self, controller: Controller) -> None:
        super().__init__()
        self._loop = asyncio.get_running_loop()
        self._controller = controller
        controller.set_host(self._from_controller)

    def _from_controller(self, packet: bytes) -> None:
        self._loop.call_soon(self._deliver, packet)

    def _deliver(self, packet: bytes) -> None:
        if self.sink is not None:
            self.sink.on_packet(packet)

    def close(self) -> None:
        self.sink = None
        self._controller.set_host(_discard)


class _Sink:
    """Host to controller."""

    def __init__(self, kernel: Kernel, controller: Controller) -> None:
        self._kernel = kernel
        self._controller = controller

    def on_packet(self, packet: bytes) -> None:
        self._kernel.at(self._kernel.now, self._controller.on_hci, packet)


def _discard(packet: bytes) -> None:
    """Where a controller's packets go when no host is attached."""
