"""H4, the UART transport of HCI, between a kit and its controller (Core 5.4, Vol 4 Part A).

A type octet, then the HCI packet, nothing between packets. The format has no start mark: after a wrong
octet the receiver cannot know where the next packet begins, so the controller reports a Hardware
Error and looks for the octets of HCI_Reset (section 4).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from hil.virtual.air.component import Component
from hil.virtual.air.controller import ACL_OCTETS, ACL_PACKET, COMMAND_PACKET, Controller
from hil.virtual.air.events import EVENT_PACKET, LE_ADVERTISING_REPORT, LE_META
from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.uart import UartLine

HCI_RESET = b"\x01\x03\x0c\x00"

ABANDON_AFTER = 200 * TICKS_PER_MS
"""A packet that stops in the middle for longer than this is dropped: its sender was reset. Longer than the
85 ms that erasing a flash page stops a CPU between two transfers of one packet."""

QUEUE_OCTETS = 2048
"""Octets waiting for the kit above which no more data is taken from the air, and no report queued."""


Tap = Callable[[bytes, bool], None]
"""Sees each H4 packet on its way, and whether the controller sent it."""


class H4(Component):
    """The controller's end of the kit's HCI UART: a `UartFarEnd`, and the controller's host."""

    FIXED: ClassVar[frozenset[str]] = frozenset({"_kernel", "_controller", "_line", "tap"})

    def __init__(self, kernel: Kernel, controller: Controller, line: UartLine) -> None:
        self._kernel = kernel
        self._controller = controller
        self._line = line
        self.tap: Tap | None = None
        """Called, inside the kernel, with each packet that goes over the UART."""
        self._buffer = bytearray()
        self._last = 0
        self._lost = False
        """True while octets are skipped up to the next HCI_Reset."""
        line.far_end = self
        line.ready = controller.powered
        controller.set_host(self._to_kit, self._has_room)

    def power(self, on: bool) -> None:
        """Switch the controller together with this transport: its RTS drops, what was queued is gone."""
        self._controller.power(on)
        self._buffer.clear()
        self._lost = False
        self._line.queue.clear()
        self._line.ready = on

    # Towards the kit

    def _has_room(self) -> bool:
        return self._line.pending < QUEUE_OCTETS

    def _to_kit(self, packet: bytes) -> None:
        report = packet[0] == EVENT_PACKET and packet[1] == LE_META and packet[3] == LE_ADVERTISING_REPORT
        if report and not self._has_room():
            return  # reports may be lost, and are all that a kit that does not read could pile up
        if self.tap is not None:
            self.tap(packet, True)
        self._line.send(packet)

    # From the kit

    def receive(self, data: bytes) -> None:
        """Octets the kit has sent, in pieces of any length."""
        if not self._controller.powered:
            return
        now = self._kernel.now
        if self._buffer and now - self._last > ABANDON_AFTER:
            self._buffer.clear()
        self._last = now
        self._buffer += data
        while self._lost or self._buffer:
            length = self._find_reset() if self._lost else self._packet_length()
            if length is None or len(self._buffer) < length:
                return
            if length == 0:
                self._lost = True
                self._controller.fail_transport()
                continue
            packet = bytes(self._buffer[:length])
            del self._buffer[:length]
            if self.tap is not None:
                self.tap(packet, False)
            self._controller.on_hci(packet)

    def _packet_length(self) -> int | None:
        return packet_length(self._buffer)

    def _find_reset(self) -> int | None:
        """Drop everything before an HCI_Reset; its length once it is there, else None."""
        start = self._buffer.find(HCI_RESET)
        if start < 0:
            del self._buffer[: max(0, len(self._buffer) - len(HCI_RESET) + 1)]
            return None
        del self._buffer[:start]
        self._lost = False
        return len(HCI_RESET)


def packet_length(buffer: bytes | bytearray) -> int | None:
    """Octets of the host's packet at the front of a non-empty buffer; None while its header is incomplete, 0 if it
    is none that a controller takes.
    """
    if buffer[0] == COMMAND_PACKET:
        return 4 + buffer[3] if len(buffer) >= 4 else None
    if buffer[0] == ACL_PACKET:
        if len(buffer) < 5:
            return None
        length = buffer[3] | buffer[4] << 8
        return 5 + length if length <= ACL_OCTETS else 0
    return 0
