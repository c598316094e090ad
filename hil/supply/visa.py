"""Text to and from an instrument through PyVISA, with bounds on what it may answer and how long it may take."""

from __future__ import annotations

import logging
import select
import socket
import time
from collections.abc import Callable
from functools import partial
from typing import Any

import pyvisa
from pyvisa.errors import Error as PyVisaError
from pyvisa.errors import VisaIOError
from pyvisa_py.tcpip import TCPIPSocketSession

from hil.errors import BenchError, InputError
from hil.wire import DIRECT, Wires

ANSWER_LIMIT = 1024
"""Bytes of one answer; more is refused, since no answer of a supply is longer."""

_DRAIN_LIMIT = 1 << 20
"""Bytes that are dropped at a time: an instrument that talks without an end is not waited out."""

DEFAULT_BAUD = 9600
"""bit/s, what serial instruments come out of the box with."""

log = logging.getLogger(__name__)


class NoAnswer(BenchError):
    """A query that was not answered in time: it may be sent again, if it changes nothing."""


SILENCE_S = 0.1
"""s; where nothing ends an answer of unknown length, this pause does."""


class Instrument:
    """One VISA resource that exchanges messages of text. Errors name the instrument and the command.

    `baud` is used for serial resources (ASRL...) only, `write_end` ends what is sent. With an empty `read_end` an
    answer ends by its length. `gap_s` is the least time between two messages, on `clock` and `sleep`; `library` is
    PyVISA's name of a VISA library. Raises BenchError when the resource cannot be opened and InputError when its name
    makes no sense.
    """

    def __init__(
        self,
        resource: str,
        *,
        timeout_s: float = 2.0,
        baud: int = DEFAULT_BAUD,
        write_end: str = "\n",
        read_end: str = "\n",
        gap_s: float = 0.0,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        library: str = "@py",
        wires: Wires = DIRECT,
    ) -> None:
        self.name = resource
        self._timeout_s = timeout_s
        self._baud = baud
        self._write_end = write_end
        self._read_end = read_end
        self._gap_s = gap_s
        self._clock = clock
        self._sleep = sleep
        self._library = library
        self._wires = wires
        self._next_message = 0.0
        self._resource: Any = None
        self.reopen()

    def reopen(self) -> None:
        """Open the resource, anew if it is open; raises as the constructor does."""
        self.close()
        resource = self.name
        try:
            opened: Any = self._wires.visa("supply", lambda: _open(resource, self._library))
        except PyVisaError as error:
            if getattr(error, "error_code", None) in (
                None,
                pyvisa.constants.StatusCode.error_invalid_resource_name,
            ):
                raise InputError(f"supply: {resource!r} is not a VISA resource name") from None
            raise BenchError(f"supply {resource}: cannot be opened: {_reason(error)}") from None
        except Exception as error:  # pyvisa-py passes on what its transports raise, of any class
            raise BenchError(f"supply {resource}: cannot be opened: {_reason(error)}") from None
        try:
            opened.timeout = self._timeout_s * 1000
            opened.read_termination = self._read_end or None
            opened.write_termination = self._write_end
            if resource.upper().startswith("ASRL"):
                opened.baud_rate = self._baud
                if not self._read_end:
                    opened.end_input = pyvisa.constants.SerialTermination.none
        except Exception as error:
            opened.close()
            raise BenchError(f"supply {resource}: cannot be set up: {_reason(error)}") from None
        self._resource = opened

    def write(self, command: str) -> None:
        """Send one message; raises BenchError."""
        if self._resource is None:
            raise BenchError(f"supply {self.name}: {command!r} cannot be sent: the resource is not open")
        self._pause()
        log.debug("%s <- %s", self.name, command)
        try:
            self._resource.write(command)
        except Exception as error:
            raise BenchError(f"supply {self.name}: {command!r} could not be sent: {_reason(error)}") from None
        self._next_message = self._clock() + self._gap_s

    def query(self, command: str, length: int | None = None) -> str:
        """Send one message and return the answer without its line end; raises BenchError.

        `length` is for instruments that end their answers by nothing; without it a pause ends one. Control characters
        in the answer are replaced, so that it is safe to print.
        """
        text = self.query_bytes(command, length).decode("ascii", errors="replace").strip("\r\n\0 ")
        text = "".join(c if c.isprintable() else "?" for c in text)
        log.debug("%s -> %s", self.name, text)
        return text

    def query_bytes(self, command: str, length: int | None = None) -> bytes:
        """The same, as the bytes that came."""
        self._pause()
        self.discard_input()  # an answer that came after its time-out would pass for this one
        self.write(command)
        if self._read_end:
            answer = self._read(command, ANSWER_LIMIT, to_end=True)
            if not answer.endswith(self._read_end.encode("ascii")):
                raise BenchError(
                    f"supply {self.name}: the answer to {command!r} has no end within {ANSWER_LIMIT} bytes"
                )
        elif length is not None:
            answer = self._read(command, length, to_end=False)
        else:
            answer = self._read_to_silence(command)
        self._next_message = self._clock() + self._gap_s
        return answer

    def read_line(self, command: str) -> str:
        """One more line of an answer to `command`, for finding the way back after a time-out; raises BenchError."""
        text = self._read(command, ANSWER_LIMIT, to_end=True).decode("ascii", errors="replace").strip()
        return "".join(c if c.isprintable() else "?" for c in text)

    def _pause(self) -> None:
        if self._gap_s <= 0:
            return
        wait = self._next_message - self._clock()
        if wait > 0:
            self._sleep(wait)

    def _read(self, command: str, count: int, *, to_end: bool) -> bytes:
        try:
            return bytes(self._resource.read_bytes(count, break_on_termchar=to_end))
        except VisaIOError as error:
            if error.error_code == pyvisa.constants.StatusCode.error_timeout:
                raise NoAnswer(
                    f"supply {self.name}: no answer to {command!r} in {self._timeout_s:g} s"
                ) from None
            raise BenchError(f"supply {self.name}: {command!r} failed: {_reason(error)}") from None
        except Exception as error:
            raise BenchError(f"supply {self.name}: {command!r} failed: {_reason(error)}") from None

    def _read_to_silence(self, command: str) -> bytes:
        answer = self._read(command, 1, to_end=False)
        self._resource.timeout = SILENCE_S * 1000
        try:
            while len(answer) <= ANSWER_LIMIT:
                answer += self._read(command, 1, to_end=False)
        except NoAnswer:
            return answer
        finally:
            self._resource.timeout = self._timeout_s * 1000
        raise BenchError(
            f"supply {self.name}: the answer to {command!r} has no end within {ANSWER_LIMIT} bytes"
        )

    def discard_input(self) -> None:
        """Drop bytes of an answer that nobody waited for."""
        try:
            self._resource.flush(pyvisa.constants.BufferOperation.discard_read_buffer)
        except Exception as error:
            log.debug("%s: discarding input: %s", self.name, _reason(error))

    def close(self) -> None:
        """Close the resource; a second call does nothing."""
        resource, self._resource = self._resource, None
        if resource is not None:
            try:
                resource.close()
            except Exception as error:
                log.debug("%s: closing: %s", self.name, _reason(error))


def _open(resource: str, library: str) -> Any:
    opened: Any = pyvisa.ResourceManager(library).open_resource(resource)
    session = getattr(opened.visalib, "sessions", {}).get(opened.session)
    if isinstance(session, TCPIPSocketSession):
        # pyvisa-py's own never returns once the instrument has hung up, and takes 0.1 s each time else.
        session.clear = partial(_drain, session)
        # A command behind another that has no answer would wait for the peer's delayed acknowledgement, some 40 ms,
        # in which a ramp cannot be driven; pyvisa-py has the attribute for it, but does not carry it out.
        session.interface.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return opened


def _drain(session: Any) -> Any:
    """Drop what has come in on a raw socket; what is still on its way cannot be waited for."""
    session._pending_buffer.clear()
    dropped = 0
    while dropped < _DRAIN_LIMIT and select.select([session.interface], [], [], 0)[0]:
        data = session.interface.recv(4096)
        if not data:
            raise ConnectionResetError("the instrument has hung up")
        dropped += len(data)
    return pyvisa.constants.StatusCode.success


def _reason(error: BaseException) -> str:
    """One line of an exception's text, bounded."""
    text = " ".join(str(error).split()) or type(error).__name__
    return text[:200]
