"""SMP requests over any transport, several in flight.

The messages are those of the `smp` package. A device answers a request under its sequence number; the
answer is matched by sequence, group and command, and an answer that comes after its request was given up
is counted as stray and otherwise ignored.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

import cbor2
from smp import header as smp_header
from smp.exceptions import SMPException
from smp.message import Request, Response

from hil.dfu.errors import LinkLost, SmpError, SmpProtocolError, SmpTimeout, result_error
from hil.dfu.smp_header import HEADER_SIZE, Header

R = TypeVar("R", bound=Response)

DEFAULT_TIMEOUT_S = 5.0


class SmpTransport(Protocol):
    """Carries whole SMP messages to a device and back."""

    @property
    def is_open(self) -> bool: ...

    @property
    def max_window(self) -> int:
        """Most requests in flight that this transport can carry without losing any."""
        ...

    def useful_window(self, message_octets: int) -> int:
        """Requests of this length in flight that keep the transport busy; `max_window` where it cannot be known."""
        ...

    async def send(self, message: bytes) -> None:
        """Queue a message, waiting for room. Raises LinkLost when the link is down."""
        ...

    def set_receiver(self, on_message: Callable[[bytes], None], on_error: Callable[[SmpError], None]) -> None:
        """Deliver messages, and what went wrong (LinkLost, SmpProtocolError), to these."""
        ...

    def resynchronize(self) -> None:
        """Forget a half-received message: its rest did not come in time."""
        ...

    def message_size(self, limit: int) -> int:
        """The message length, at most `limit`, that this transport carries most efficiently."""
        ...

    async def close(self) -> None: ...


class _Pending:
    __slots__ = ("command", "future", "group", "operation", "what")

    def __init__(self, header: Any, what: str, future: asyncio.Future[bytes]) -> None:
        self.operation = int(header.op) + 1  # a response's operation is its request's plus one
        self.group = int(header.group_id)
        self.command = int(header.command_id)
        self.what = what
        self.future = future

    def matches(self, header: Header) -> bool:
        return (header.operation, header.group, header.command) == (self.operation, self.group, self.command)


class Answer(Generic[R]):
    """The answer to a request that was sent: wait for it once, with `result`."""

    def __init__(self, client: SmpClient, sequence: int, pending: _Pending, kind: type[R]) -> None:
        self._client = client
        self._sequence = sequence
        self._pending = pending
        self._kind = kind

    async def result(self, timeout_s: float) -> R:
        """Wait for it. Raises SmpTimeout, LinkLost, SmpProtocolError or the device's SmpResultError."""
        try:
            async with asyncio.timeout(timeout_s):
                message = await self._pending.future
        except TimeoutError:
            self._client.transport.resynchronize()
            raise SmpTimeout(f"{self._pending.what}: no answer within {timeout_s:g} s") from None
        finally:
            self.forget()
        return decode(message, self._kind, self._pending.what)

    def forget(self) -> None:
        """Do not wait for it any more."""
        self._client.forget(self._sequence, self._pending)


class SmpClient:
    """One SMP conversation over one transport; made anew for every connection."""

    def __init__(self, transport: SmpTransport) -> None:
        self.transport = transport
        self.stray = 0
        """Answers that nobody waited for (late ones, mostly)."""
        self._pending: dict[int, _Pending] = {}
        self._next_sequence = 0
        transport.set_receiver(self._on_message, self._on_error)

    @property
    def in_flight(self) -> int:
        """Requests sent and not yet answered or given up."""
        return len(self._pending)

    async def send(self, request: type[Request], kind: type[R], what: str, **fields: Any) -> Answer[R]:
        """Send a request of class `request` with `fields`; `what` names it in errors.

        Returns once the transport has taken it. Raises LinkLost when the link is down.
        """
        sequence = self._free_sequence()
        message = request(sequence=sequence, **fields)
        pending = _Pending(message.header, what, asyncio.get_running_loop().create_future())
        self._pending[sequence] = pending
        try:
            await self.transport.send(bytes(message))
        except BaseException:
            self.forget(sequence, pending)
            raise
        return Answer(self, sequence, pending, kind)

    async def request(
        self,
        request: type[Request],
        kind: type[R],
        what: str,
        *,
        timeout_s: float = DEFAULT_TIMEOUT_S,
        attempts: int = 1,
        **fields: Any,
    ) -> R:
        """Send a request and wait for its answer.

        `attempts` above 1 repeats it after a time-out: for requests that may be carried out twice.
        """
        for attempt in range(1, attempts + 1):
            answer = await self.send(request, kind, what, **fields)
            try:
                return await answer.result(timeout_s)
            except SmpTimeout:
                if attempt == attempts:
                    raise
        raise ValueError("attempts must be 1 or more")

    def forget(self, sequence: int, pending: _Pending) -> None:
        """Stop waiting for an answer."""
        if not pending.future.cancel() and not pending.future.cancelled():
            pending.future.exception()  # seen, so that asyncio does not warn of it
        if self._pending.get(sequence) is pending:
            del self._pending[sequence]

    def _free_sequence(self) -> int:
        for _ in range(256):
            sequence = self._next_sequence
            self._next_sequence = (sequence + 1) % 256
            if sequence not in self._pending:
                return sequence
        raise ValueError("256 SMP requests are in flight: no sequence number is left")

    def _on_message(self, message: bytes) -> None:
        header = Header.parse(message)
        pending = self._pending.get(header.sequence)
        if pending is None or pending.future.done():
            self.stray += 1
        elif not pending.matches(header):
            pending.future.set_exception(
                SmpProtocolError(
                    f"{pending.what}: the answer under its sequence number is to group {header.group} "
                    f"command {header.command}"
                )
            )
        else:
            pending.future.set_result(message)

    def _on_error(self, error: SmpError) -> None:
        """Fail all that is in flight: after a lost link or unreadable bytes no answer can be trusted."""
        for pending in list(self._pending.values()):
            if not pending.future.done():
                kind = LinkLost if isinstance(error, LinkLost) else SmpProtocolError
                pending.future.set_exception(kind(f"{pending.what}: {error}"))
                pending.future.exception()  # whoever still waits gets it; asyncio need not warn if nobody does


def decode(message: bytes, kind: type[R], what: str) -> R:
    """A response message as an object of class `kind`; the device's refusals are raised.

    Fields that a newer device may add are ignored. The bytes come from the device: anything that is
    not a CBOR map of the fields expected is a SmpProtocolError.
    """
    payload = _payload(message, what)
    _raise_refusal(payload, what)
    names = {field.alias or name for name, field in kind.model_fields.items()} - _OWN_FIELDS
    known = {key: value for key, value in payload.items() if key in names}
    try:
        header = smp_header.Header.loads(message[:HEADER_SIZE])
        return kind(header=header, smp_data=message, **known)
    except (ValueError, TypeError, AssertionError, SMPException) as error:
        raise SmpProtocolError(
            f"{what}: the answer does not have the fields it must have: {error}"
        ) from error


_OWN_FIELDS = {"header", "version", "sequence", "smp_data"}


def _payload(message: bytes, what: str) -> dict[str, Any]:
    try:
        payload = cbor2.load(io.BytesIO(message[HEADER_SIZE:]))
    except Exception as error:  # cbor2 lets ValueError, OverflowError, RecursionError and others through
        raise SmpProtocolError(f"{what}: the answer is not CBOR: {error}") from error
    if not isinstance(payload, dict) or not all(isinstance(key, str) for key in payload):
        raise SmpProtocolError(f"{what}: the answer is not a map of names to values")
    return payload


def _raise_refusal(payload: dict[str, Any], what: str) -> None:
    refusal = payload.get("err")
    if refusal is not None:
        group, code = (refusal.get("group"), refusal.get("rc")) if isinstance(refusal, dict) else (None, None)
        if not isinstance(group, int) or not isinstance(code, int):
            raise SmpProtocolError(f"{what}: the answer's error is not a map of group and rc")
        if code:
            raise result_error(what, group, code)
    code = payload.get("rc", 0)
    if not isinstance(code, int):
        raise SmpProtocolError(f"{what}: the answer's result code is not a number")
    if code:
        reason = payload.get("rsn")
        raise result_error(what, None, code, reason if isinstance(reason, str) else None)
