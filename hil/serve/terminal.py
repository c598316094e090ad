"""A UART of the kit as a pseudo-terminal, which behaves as a USB-serial adapter does.

The terminal is raw from the beginning and its bit rate means nothing: the kit's UARTE keeps the line rate. It stays
while clients come and go. What the kit sends while nobody has it open waits, up to `BACKLOG` bytes, for the next one
who opens it; beyond that the oldest bytes are dropped, as are those that a client does not read. A client that sets
CRTSCTS gets flow control by RTS and CTS, any other none.
"""

from __future__ import annotations

import contextlib
import errno
import logging
import os
import select
import selectors
import termios
import tty

from hil.errors import BenchError
from hil.serve.loop import PacedLoop
from hil.virtual.uart import UartLine

log = logging.getLogger(__name__)

BACKLOG = 1 << 16
TO_KIT_LIMIT = 1 << 17
"""Bytes under way to the kit above which the client has to wait. More than the longest EasyDMA transfer, 65,535: a
UARTE tells how much of a transfer it has taken only at its end."""
CHUNK = 1 << 12
OPEN_POLL_S = 0.05
"""How often a closed terminal is looked at. Programs flush what is there just after they have opened a port, so bytes
are passed on from the second look on."""

_CFLAG = 2


class PseudoTerminal:
    """The far end of `line`; `path` is what a client opens. Raises BenchError when the system has no terminal left."""

    def __init__(self, loop: PacedLoop, line: UartLine) -> None:
        self._loop = loop
        self._line = line
        self._out = bytearray()
        self._attached = False
        self._seen_open = False
        self._writable = True
        self.dropped = 0
        """Bytes of the kit's that nobody took in time."""
        try:
            self._master, client = os.openpty()
            try:
                tty.setraw(client)
                self.path = os.ttyname(client)
                """The device file."""
            finally:
                os.close(client)
        except (OSError, termios.error) as error:
            raise BenchError(f"{line.name}: no pseudo-terminal: {error}") from None
        os.set_blocking(self._master, False)
        self._poll = select.poll()
        self._poll.register(self._master, select.POLLHUP)
        line.far_end = self
        line.ready = True
        line.flow_control = False
        loop.after_slice(self._pump)
        loop.every(OPEN_POLL_S, self._look)

    def receive(self, data: bytes) -> None:
        """The kit has sent bytes (`hil.virtual.uart.UartFarEnd`)."""
        self._out += data
        excess = len(self._out) - BACKLOG
        if excess > 0:
            del self._out[:excess]
            if not self.dropped and self._attached:
                log.warning("%s: %s is not read fast enough, bytes are dropped", self._line.name, self.path)
            self.dropped += excess

    def close(self) -> None:
        """Hang up: a client reads an end of file, or an error."""
        self._line.far_end = None
        self._loop.watch(self._master, 0)
        os.close(self._master)

    # ---- Open and closed ----

    def _look(self) -> None:
        """Has someone opened it? The kernel says POLLHUP as long as nobody has."""
        if self._attached:
            self._follow_settings()
            return
        is_open = not any(events & select.POLLHUP for _, events in self._poll.poll(0))
        if is_open and self._seen_open:
            self._attached = True
            self._writable = True
            self._follow_settings()
            self._watch()
        self._seen_open = is_open

    def _detach(self) -> None:
        self._attached = self._seen_open = False
        self._loop.watch(self._master, 0)
        self._set_ready(True)

    def _follow_settings(self) -> None:
        """CRTSCTS of the client decides about flow control."""
        with contextlib.suppress(termios.error):
            flags = termios.tcgetattr(self._master)[_CFLAG]
            self._line.flow_control = bool(flags & termios.CRTSCTS)

    # ---- Bytes ----

    def _watch(self) -> None:
        events = selectors.EVENT_READ if self._line.pending < TO_KIT_LIMIT else 0
        if self._out and not self._writable:
            events |= selectors.EVENT_WRITE
        self._loop.watch(self._master, events, self._ready)

    def _ready(self, events: int) -> None:
        if events & selectors.EVENT_WRITE:
            self._writable = True
        if events & selectors.EVENT_READ:
            self._take()
        self._pump()

    def _take(self) -> None:
        try:
            data = os.read(self._master, CHUNK)
        except BlockingIOError:
            return
        except OSError as error:
            if error.errno != errno.EIO:
                raise
            self._detach()  # the last client has closed it
            return
        self._loop.at_once(self._line.send, data)

    def _pump(self) -> None:
        """Pass on what the kit has sent, as far as the terminal takes it."""
        if not self._attached:
            return
        while self._out and self._writable:
            try:
                written = os.write(self._master, self._out[:CHUNK])
            except BlockingIOError:
                written = 0
            except OSError:
                self._detach()
                return
            del self._out[:written]
            self._writable = written > 0
        self._set_ready(not (self._line.flow_control and len(self._out) > BACKLOG // 2))
        self._watch()

    def _set_ready(self, ready: bool) -> None:
        if ready != self._line.ready:
            self._loop.at_once(setattr, self._line, "ready", ready)
