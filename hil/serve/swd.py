"""The kit's SWD behind pyOCD's own remote-probe protocol, which `pyocd ... -u remote:host:port` speaks.

pyOCD's request handler answers, one thread for each client. Below it stands a `ClientProbe` of that client's own: it
checks what came over the socket, lets the bench's thread do the transfer, and undoes what the client leaves behind when
it vanishes. Several clients may be connected; what they would get into each other's way with is kept apart where
it can be: the requests for debug power, sticky errors, the lock.
"""

from __future__ import annotations

import logging
import math
import socket
import socketserver
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, TypeVar

from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.probe.debug_probe import DebugProbe
from pyocd.probe.tcp_probe_server import DebugProbeRequestHandler

from hil.errors import BenchError
from hil.serve.loop import PacedLoop
from hil.serve.sockets import HOST, Listener
from hil.virtual.debugport import (
    ABORT_STKERRCLR,
    CTRL_CDBGPWRUPREQ,
    CTRL_CSYSPWRUPREQ,
    DP_CTRL_STAT,
    DP_DPIDR_ABORT,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

CLIENTS = 16
LINE_LIMIT = 1 << 20
"""Octets of one request, which is a line of JSON."""
BLOCK_LIMIT = 1 << 12
"""Words of one block transfer."""
SEQUENCE_LIMIT = 1 << 12
"""Bits of one SWJ sequence."""
LOCK_PATIENCE_S = 10.0
"""How long a client waits for another one that holds the probe; the longest a client needs it for is a moment."""

_POWER = CTRL_CDBGPWRUPREQ | CTRL_CSYSPWRUPREQ
_WORD = 0xFFFF_FFFF


class SwdServer:
    """Serves `probe`, an unopened probe of a kit on `loop`. Raises BenchError when it cannot listen."""

    def __init__(self, loop: PacedLoop, probe: DebugProbe, port: int = 0) -> None:
        self._loop = loop
        # Without its files: those of whoever starts the bench are for their debugger, not for the bench.
        session = Session(None, no_config=True)
        probe.session = session
        probe.open()
        self._probe = probe
        self._clients = _Clients(session, _SharedProbe(loop, probe))
        self._listener = Listener(loop, "SWD", self._clients.serve, self._clients.has_room, port)

    @property
    def unique_id(self) -> str:
        """What `pyocd -u` takes."""
        return f"remote:{HOST}:{self.port}"

    @property
    def port(self) -> int:
        """Where it listens."""
        return self._listener.port

    def close(self) -> None:
        """Accept no more. Clients that are connected get errors from the loop that has ended."""
        self._listener.close()
        self._probe.close()


class _SharedProbe:
    """What the clients of one probe share: the bench's thread, the lock and what each has asked for."""

    def __init__(self, loop: PacedLoop, probe: DebugProbe) -> None:
        self.loop = loop
        self.probe = probe
        self.power_requests: dict[ClientProbe, int] = {}
        """The power bits of CTRL/STAT that each client has set."""
        self._free = threading.Condition()
        self._holder: ClientProbe | None = None
        self._depth = 0

    def take(self, client: ClientProbe) -> None:
        """Lock the probe for a client; raises ProbeError when another one keeps it."""
        with self._free:
            if not self._free.wait_for(lambda: self._holder in (None, client), LOCK_PATIENCE_S):
                raise exceptions.ProbeError("the probe is locked by another client")
            self._holder = client
            self._depth += 1

    def give_back(self, client: ClientProbe, *, wholly: bool = False) -> None:
        """Undo one `take`, or all of a client's."""
        with self._free:
            if self._holder is client:
                self._depth = 0 if wholly else self._depth - 1
                if self._depth == 0:
                    self._holder = None
                    self._free.notify_all()


class ClientProbe:
    """The probe as one client sees it: the methods and properties that the protocol has requests for."""

    def __init__(self, shared: _SharedProbe) -> None:
        self._shared = shared
        self._probe = shared.probe
        self.session = shared.probe.session
        for name in ("vendor_name", "product_name", "description", "unique_id"):
            setattr(self, name, getattr(self._probe, name))
        self.capabilities = self._probe.capabilities
        self.supported_wire_protocols = self._probe.supported_wire_protocols
        self._opened = False

    @property
    def wire_protocol(self) -> Any:
        """SWD, once a client has connected."""
        return self._probe.wire_protocol

    @property
    def associated_board_info(self) -> None:
        """Nothing that could be sent."""
        return

    def gone(self) -> None:
        """The client has disconnected, in good order or not."""
        self._shared.give_back(self, wholly=True)
        self._shared.power_requests.pop(self, None)

    # ---- Requests ----

    def open(self) -> None:
        self._opened = True

    def close(self) -> None:
        self._opened = False

    def lock(self) -> None:
        self._shared.take(self)

    def unlock(self) -> None:
        self._shared.give_back(self)

    def connect(self, protocol: Any = None) -> None:
        if protocol not in (None, DebugProbe.Protocol.DEFAULT, DebugProbe.Protocol.SWD):
            raise exceptions.ProbeError("the kit has SWD only")
        self._call(partial(self._probe.connect, DebugProbe.Protocol.SWD))

    def disconnect(self) -> None:
        """The wire stays in step for the other clients."""

    def swj_sequence(self, length: int, bits: int) -> None:
        _check_integer(length, SEQUENCE_LIMIT, "sequence length")
        _check_integer(bits, (1 << SEQUENCE_LIMIT) - 1, "sequence")
        self._call(partial(self._probe.swj_sequence, length, bits))

    def swd_sequence(self, sequences: Any) -> None:
        raise exceptions.ProbeError("SWD sequences are not supported")

    def jtag_sequence(self, cycles: Any, tms: Any, read_tdo: Any, tdi: Any) -> None:
        raise exceptions.ProbeError("the kit has no JTAG")

    def set_clock(self, frequency: float) -> None:
        if not isinstance(frequency, int | float) or not math.isfinite(frequency):
            raise exceptions.ProbeError("the clock frequency is no number")
        self._call(partial(self._probe.set_clock, frequency))

    def reset(self) -> None:
        self._call(self._probe.reset)

    def assert_reset(self, asserted: bool) -> None:
        self._call(partial(self._probe.assert_reset, bool(asserted)))

    def is_reset_asserted(self) -> bool:
        return bool(self._call(self._probe.is_reset_asserted))

    def flush(self) -> None:
        self._call(self._probe.flush)

    def read_dp(self, addr: int, now: bool = True) -> int:
        address = _address(addr)
        value = int(self._call(partial(self._probe.read_dp, address)))
        if address & 0xF == DP_CTRL_STAT:
            # A client that has let power go waits for the acknowledges to fall, whatever others want.
            foreign = _POWER & ~self._shared.power_requests.get(self, 0)
            value &= ~(foreign | foreign << 1)
        return value

    def write_dp(self, addr: int, data: int) -> None:
        address, value = _address(addr), _word(data)
        if address & 0xF == DP_CTRL_STAT:
            # Debug power goes down when the last client lets it, not when the first one leaves.
            requests = self._shared.power_requests
            requests[self] = value & _POWER
            for request in list(requests.values()):
                value |= request
        self._call(partial(self._probe.write_dp, address, value))

    def read_ap(self, addr: int, now: bool = True) -> int:
        return int(self._call(partial(self._probe.read_ap, _address(addr))))

    def write_ap(self, addr: int, data: int) -> None:
        self._call(partial(self._probe.write_ap, _address(addr), _word(data)))

    def read_ap_multiple(self, addr: int, count: int = 1, now: bool = True) -> list[int]:
        _check_integer(count, BLOCK_LIMIT, "block length")
        return list(self._call(partial(self._probe.read_ap_multiple, _address(addr), count)))

    def write_ap_multiple(self, addr: int, values: Sequence[int]) -> None:
        if not isinstance(values, list) or len(values) > BLOCK_LIMIT:
            raise exceptions.ProbeError(f"a block is a list of at most {BLOCK_LIMIT} words")
        self._call(partial(self._probe.write_ap_multiple, _address(addr), [_word(value) for value in values]))

    def get_memory_interface_for_ap(self, ap_address: Any) -> None:
        """None: pyOCD then makes memory accesses of AP accesses itself."""

    def swo_start(self, baudrate: Any) -> None:
        raise exceptions.ProbeError("trace is not modelled, so there is no SWO")

    def swo_stop(self) -> None:
        raise exceptions.ProbeError("trace is not modelled, so there is no SWO")

    def swo_read(self) -> bytes:
        raise exceptions.ProbeError("trace is not modelled, so there is no SWO")

    def _call(self, work: Callable[[], T]) -> T:
        """Do it in the bench's thread."""
        try:
            return self._shared.loop.call(partial(self._transfer, work))
        except BenchError as error:
            raise exceptions.ProbeDisconnected(str(error)) from None

    def _transfer(self, work: Callable[[], T]) -> T:
        try:
            return work()
        except exceptions.TransferFaultError:
            if len(self._shared.power_requests) > 1:
                # The error is told to the one who made it; the others must not run into it.
                self._probe.write_dp(DP_DPIDR_ABORT, ABORT_STKERRCLR)
            raise


class _Handler(DebugProbeRequestHandler):  # type: ignore[misc]  # pyOCD is not typed
    """pyOCD's handler, on a probe of this client's own and with requests of bounded length."""

    def setup(self) -> None:
        super().setup()
        self.rfile: Any = _BoundedLines(self.rfile)

    def finish(self) -> None:
        self.server.probe.gone()
        super().finish()


class _BoundedLines:
    """A stream that ends where a line is too long."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def readline(self) -> bytes:
        try:
            line: bytes = self._stream.readline(LINE_LIMIT)
        except OSError:
            return b""  # the client was killed
        if len(line) == LINE_LIMIT and not line.endswith(b"\n"):
            log.warning("SWD: a client sent a request of more than %d bytes and was cut off", LINE_LIMIT)
            return b""
        return line

    def close(self) -> None:
        self._stream.close()

    @property
    def closed(self) -> bool:
        return bool(self._stream.closed)


class _Clients(socketserver.ThreadingMixIn, socketserver.BaseServer):
    """Serves each client in a thread. `session` and `probe` are what pyOCD's handler asks for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self, session: Session, shared: _SharedProbe) -> None:
        self.session = session
        self._shared = shared
        self._room = threading.Semaphore(CLIENTS)
        self._own = threading.local()
        super().__init__((HOST, 0), _Handler)

    @property
    def probe(self) -> ClientProbe:
        """The probe of the client whose handler asks."""
        client: ClientProbe = self._own.probe
        return client

    def has_room(self) -> bool:
        """Whether one more may come; keeps the place for it."""
        if self._room.acquire(blocking=False):
            return True
        log.warning("SWD: a client was refused, there are %d already", CLIENTS)
        return False

    def serve(self, connected: socket.socket) -> None:
        """Take a client on."""
        connected.setblocking(True)
        self.process_request(connected, connected.getsockname())

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        try:
            super().process_request_thread(request, client_address)
        finally:
            self._room.release()

    def finish_request(self, request: Any, client_address: Any) -> None:
        self._own.probe = ClientProbe(self._shared)
        super().finish_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        request.close()

    def handle_error(self, request: Any, client_address: Any) -> None:
        log.debug("SWD: a client was cut off", exc_info=True)


def _check_integer(value: Any, limit: int, what: str) -> None:
    if type(value) is not int or not 0 <= value <= limit:
        raise exceptions.ProbeError(f"{what}: expected an integer of 0 to {limit}")


def _address(value: Any) -> int:
    _check_integer(value, _WORD, "register address")
    return int(value)


def _word(value: Any) -> int:
    """pyOCD hands over wider words where it knows that only 32 bits count."""
    if type(value) is not int:
        raise exceptions.ProbeError("data: expected an integer")
    return value & _WORD
