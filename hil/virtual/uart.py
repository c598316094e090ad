"""The wires between a kit's UART and what is connected to them.

A ``UartLine`` is named from the kit's side: the kit transmits on ``txd``, receives on ``rxd``, drives
``rts`` and watches ``cts``. The far end sends by queueing bytes; the kit's UARTE takes them at the line
rate. A far end with flow control holds its bytes while the kit's RTS is not asserted; one without just
sends, listened to or not.
"""

from __future__ import annotations

from typing import Protocol


class UartFarEnd(Protocol):
    """What listens to the kit. Called inside the kernel: a sink that reaches host code must defer it."""

    def receive(self, data: bytes) -> None:
        """The kit has sent ``data``; the last byte ended now."""


class Receiver(Protocol):
    """The kit's side of the line: the UARTE that has its RXD pin connected."""

    def line_changed(self) -> None:
        """Bytes were queued, or the far end's RTS changed."""

    def listens(self, line: UartLine) -> bool:
        """Whether it takes bytes from the line."""

    def receive_broken(self, byte: int, errors: int) -> None:
        """A character came in now that is not right."""


PARITY, FRAMING, BREAK = 2, 4, 8


def pin(port: int, number: int) -> int:
    """Pin as PSEL registers number it: 32 a port."""
    return 32 * port + number


class UartLine:
    """One UART connection. Pins are numbered as in PSEL (see ``pin``); None where a wire is not connected."""

    def __init__(
        self,
        name: str,
        *,
        txd: int,
        rxd: int,
        rts: int | None = None,
        cts: int | None = None,
        flow_control: bool = False,
    ) -> None:
        self.name = name
        self.txd = txd
        self.rxd = rxd
        self.rts = rts
        self.cts = cts
        self.flow_control = flow_control
        self.far_end: UartFarEnd | None = None
        self.receivers: list[Receiver] = []
        """Told of changes: the UARTEs of the kit, of which those connected to the pins act."""
        self.queue = bytearray()
        """Bytes the far end has yet to send; the UARTE takes them from the front."""
        self._ready = True

    @property
    def ready(self) -> bool:
        """The far end's RTS, which is the kit's CTS: True lets the kit send."""
        return self._ready

    @ready.setter
    def ready(self, ready: bool) -> None:
        if ready != self._ready:
            self._ready = ready
            self._tell()

    def send(self, data: bytes) -> None:
        """Queue bytes towards the kit, without bound; lost when nobody listens and no flow control holds
        them.
        """
        if data and (self.flow_control or any(receiver.listens(self) for receiver in self.receivers)):
            self.queue += data
            self._tell()

    def send_broken(self, byte: int, errors: int) -> None:
        """One character that arrives now and is not right: ``errors`` are PARITY, FRAMING and BREAK, as in ERRORSRC."""
        if not 0 <= byte <= 0xFF or not errors or errors & ~(PARITY | FRAMING | BREAK):
            raise ValueError(f"character 0x{byte:x} with errors 0x{errors:x}")
        for receiver in self.receivers:
            if receiver.listens(self):
                receiver.receive_broken(byte, errors)

    def send_break(self) -> None:
        """Hold the wire low for longer than a character takes."""
        self.send_broken(0, FRAMING | BREAK)

    @property
    def pending(self) -> int:
        """How many queued bytes the kit has not taken yet; exact when a UARTE last looked."""
        return len(self.queue)

    def deliver(self, data: bytes) -> None:
        """The kit's UARTE sent ``data``."""
        if data and self.far_end is not None:
            self.far_end.receive(data)

    def save(self) -> object:
        return bytes(self.queue), self._ready

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        queue, self._ready = state
        self.queue[:] = queue

    def _tell(self) -> None:
        for receiver in self.receivers:
            receiver.line_changed()
