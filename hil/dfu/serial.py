"""SMP over the device's console, shared with its log."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol

from hil.dfu.errors import LinkLost, SmpError, SmpProtocolError
from hil.dfu.serial_framing import PacketAssembler, packet_lines
from hil.dfu.smp_header import Header


class Console(Protocol):
    """A console whose SMP frames can be tapped (hil.console.SerialConsole)."""

    def send(self, data: bytes) -> None: ...
    def add_frame_tap(self, tap: Callable[[bytes], None]) -> None: ...
    def remove_frame_tap(self, tap: Callable[[bytes], None]) -> None: ...
    def attach(self, loop: asyncio.AbstractEventLoop) -> None: ...


class SerialTransport:
    """Carries SMP messages as frame lines; the console stays open when this is closed.

    `max_window` is 1: a UART without flow control must not carry a second request while the device,
    busy with its flash, may have no buffer for it.
    """

    max_window = 1

    def __init__(self, console: Console) -> None:
        self._console = console
        self._packets = PacketAssembler()
        self._on_message: Callable[[bytes], None] | None = None
        self._on_error: Callable[[SmpError], None] | None = None
        self._open = True
        console.add_frame_tap(self._on_frame)
        console.attach(asyncio.get_running_loop())

    @property
    def is_open(self) -> bool:
        return self._open

    @property
    def damaged(self) -> int:
        """Packets dropped because they came damaged."""
        return self._packets.damaged

    def useful_window(self, message_octets: int) -> int:
        return self.max_window

    def set_receiver(self, on_message: Callable[[bytes], None], on_error: Callable[[SmpError], None]) -> None:
        self._on_message, self._on_error = on_message, on_error

    async def send(self, message: bytes) -> None:
        """Write the lines of one message. Raises LinkLost once closed, BenchError if the port is gone."""
        if not self._open:
            raise LinkLost("console: the transport is closed")
        self._console.send(packet_lines(message))

    def resynchronize(self) -> None:
        self._packets.reset()

    def message_size(self, limit: int) -> int:
        return limit

    async def close(self) -> None:
        self.drop()

    def drop(self) -> None:
        """Stop at once; what is in flight stays unanswered."""
        if not self._open:
            return
        self._open = False
        self._console.remove_frame_tap(self._on_frame)
        if self._on_error is not None:
            self._on_error(LinkLost("console: the transport was closed"))

    def _on_frame(self, line: bytes) -> None:
        message = self._packets.feed(line)
        if message is None:
            return
        try:
            Header.parse(message)
        except SmpProtocolError as error:
            if self._on_error is not None:
                self._on_error(error)
            return
        if self._on_message is not None:
            self._on_message(message)
