"""Text to and from an instrument through PyVISA, with bounds on what it may answer and how long it may take."""

from __future__ import annotations

import logging
import select
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


class Instrument:
    """One VISA resource that exchanges lines of text. Errors name the instrument and the command.

    `baud` is used for serial resources (ASRL...) only. Raises BenchError when the resource cannot be opened and
    InputError when its name makes no sense.
    """

    def __init__(
        self,
        resource: str,
        *,
        timeout_s: float = 2.0,
        baud: int = DEFAULT_BAUD,
        wires: Wires = DIRECT,
    ) -> None:
        self.name = resource
        self._timeout_s = timeout_s
        try:
            opened: Any = wires.visa("supply", lambda: _open(resource))
        except PyVisaError as error:
            if getattr(error, "error_code", None) in (
                None,
                pyvisa.constants.StatusCode.error_invalid_resource_name,
            ):
                raise InputError(f"supply: {resource!r} is not a VISA resource name") from None
            raise BenchError(f"supply {resource}: cannot be opened: {_reason(error)}") from None
        except Exception as error:  # pyvisa-py passes on what its transports raise, of any class
            raise BenchError(f"supply {resource}: cannot be opened: {_reason(error)}") from None
        self._resource: Any = opened
        try:
            opened.timeout = timeout_s * 1000
            opened.read_termination = "\n"
            opened.write_termination = "\n"
            if resource.upper().startswith("ASRL"):
                opened.baud_rate = baud
        except Exception as error:
            opened.close()
            raise BenchError(f"supply {resource}: cannot be set up: {_reason(error)}") from None

    def write(self, command: str) -> None:
        """Send one line; raises BenchError."""
        log.debug("%s <- %s", self.name, command)
        try:
            self._resource.write(command)
        except Exception as error:
            raise BenchError(f"supply {self.name}: {command!r} could not be sent: {_reason(error)}") from None

    def query(self, command: str) -> str:
        """Send one line and return the answer without its line end; raises BenchError.

        Control characters in the answer are replaced, so that it is safe to print.
        """
        self.discard_input()  # an answer that came after its time-out would pass for this one
        self.write(command)
        try:
            raw = self._resource.read_bytes(ANSWER_LIMIT, break_on_termchar=True)
        except VisaIOError as error:
            if error.error_code == pyvisa.constants.StatusCode.error_timeout:
                raise BenchError(
                    f"supply {self.name}: no answer to {command!r} in {self._timeout_s:g} s"
                ) from None
            raise BenchError(f"supply {self.name}: {command!r} failed: {_reason(error)}") from None
        except Exception as error:
            raise BenchError(f"supply {self.name}: {command!r} failed: {_reason(error)}") from None
        if not raw.endswith(b"\n"):
            raise BenchError(
                f"supply {self.name}: the answer to {command!r} has no end within {ANSWER_LIMIT} bytes"
            )
        text = raw.decode("ascii", errors="replace").strip()
        text = "".join(c if c.isprintable() else "?" for c in text)
        log.debug("%s -> %s", self.name, text)
        return text

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


def _open(resource: str) -> Any:
    opened: Any = pyvisa.ResourceManager("@py").open_resource(resource)
    session = getattr(opened.visalib, "sessions", {}).get(opened.session)
    if isinstance(session, TCPIPSocketSession):
        # pyvisa-py's own never returns once the instrument has hung up, and takes 0.1 s each time else.
        session.clear = partial(_drain, session)
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
