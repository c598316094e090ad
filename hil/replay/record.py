"""Keeps a record of what crosses the wires of a bench, while the drivers use them as ever."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from hil.replay.log import LogWriter
from hil.replay.troubles import told

Clock = Callable[[], float]


class Recorder:
    """`hil.wire.Wires` that hands out the real objects, each in a wrapper that writes what crosses to `log`."""

    def __init__(self, log: LogWriter, clock: Clock) -> None:
        self.log = log
        self.clock = clock
        self._turn = 0
        self._turn_counted = False
        self._came_in_turn = -1

    def call(
        self,
        wire: str,
        operation: str,
        arguments: list[Any],
        make: Callable[[], Any],
        keep: Callable[[Any], Any],
    ) -> Any:
        """Make a call and write it down with its answer, as `keep` gives it, or its error."""
        began = self.clock()
        try:
            result = make()
        except Exception as error:
            self.log.call(wire, operation, tuple(arguments), began, self.clock(), error=told(error))
            raise
        self.log.call(wire, operation, tuple(arguments), began, self.clock(), result=keep(result))
        return result

    def came(self, wire: str, data: bytes, at: float | None = None) -> None:
        """Data that came, at `at` if not now."""
        turn = self._turn_of_loop()
        joined = turn is not None and turn == self._came_in_turn
        self._came_in_turn = -1 if turn is None else turn
        self.log.came(wire, self.clock(), data, at=at, joined=joined)

    def _turn_of_loop(self) -> int | None:
        """A number for each turn of the event loop in which something comes; None outside of one."""
        try:
            loop = asyncio.get_running_loop()
        except RuntimeError:
            return None
        if not self._turn_counted:
            self._turn_counted = True
            self._turn += 1
            loop.call_soon(self._end_turn)
        return self._turn

    def _end_turn(self) -> None:
        self._turn_counted = False

    # ---- Wires ----

    def visa(self, wire: str, opener: Callable[[], Any]) -> Any:
        return _Visa(self, wire, self.call(wire, "open", [], opener, _nothing))

    def serial(self, wire: str, opener: Callable[[], Any]) -> Any:
        port = self.call(wire, "open", [], opener, _nothing)
        return (_TimedPort if hasattr(port, "read_timed") else _Port)(self, wire, port)

    async def hci(self, wire: str, opener: Callable[[], Awaitable[Any]]) -> Any:
        began = self.clock()
        try:
            transport = await opener()
        except Exception as error:
            self.log.call(wire, "open", (), began, self.clock(), error=told(error))
            raise
        self.log.call(wire, "open", (), began, self.clock())
        return _Transport(self, wire, transport)

    def swd(self, wire: str, opener: Callable[[], Any]) -> Any:
        from hil.replay.recorded_probe import RecordedProbe

        return RecordedProbe(self, wire, self.call(wire, "find", [], opener, _nothing))


def _nothing(value: Any) -> None:
    """What is opened is no answer that a log could hold."""


def _itself(value: Any) -> Any:
    return value


class _Wrapper:
    """All that is not recorded goes through to the object itself."""

    _own: tuple[str, ...] = ("_recorder", "_wire", "_inner")

    def __init__(self, recorder: Recorder, wire: str, inner: Any) -> None:
        self._recorder = recorder
        self._wire = wire
        self._inner = inner

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._own:
            object.__setattr__(self, name, value)
        else:
            setattr(self._inner, name, value)


class _Visa(_Wrapper):
    def write(self, command: str) -> Any:
        return self._recorder.call(
            self._wire, "write", [command], lambda: self._inner.write(command), _nothing
        )

    def read_bytes(self, count: int, **options: Any) -> Any:
        return self._recorder.call(
            self._wire, "read", [], lambda: self._inner.read_bytes(count, **options), bytes
        )


class _Port(_Wrapper):
    def write(self, data: bytes) -> Any:
        self._recorder.log.sent(self._wire, self._recorder.clock(), bytes(data))
        try:
            return self._inner.write(data)
        except Exception as error:
            self._broke(error)
            raise

    def read(self, size: int = 1) -> bytes:
        try:
            data = bytes(self._inner.read(size))
        except Exception as error:
            self._broke(error)
            raise
        if data:
            self._recorder.came(self._wire, data)
        return data

    def _broke(self, error: Exception) -> None:
        self._recorder.log.broke(self._wire, self._recorder.clock(), told(error))


class _TimedPort(_Port):
    def read_timed(self, size: int) -> list[tuple[float, bytes]]:
        try:
            pieces: list[tuple[float, bytes]] = self._inner.read_timed(size)
        except Exception as error:
            self._broke(error)
            raise
        for when, data in pieces:
            self._recorder.came(self._wire, data, when)
        return pieces


class _Transport:
    """A transport of Bumble's: source, sink, and a way to close it."""

    def __init__(self, recorder: Recorder, wire: str, transport: Any) -> None:
        self._transport = transport
        self.source = _Source(recorder, wire, transport.source)
        self.sink = _Sink(recorder, wire, transport.sink)

    async def close(self) -> None:
        await self._transport.close()


class _Source(_Wrapper):
    _own = ("_recorder", "_wire", "_inner", "_host")

    def __init__(self, recorder: Recorder, wire: str, inner: Any) -> None:
        super().__init__(recorder, wire, inner)
        self._host: Any = None

    def set_packet_sink(self, host: Any) -> None:
        self._host = host
        self._inner.set_packet_sink(self)

    def on_packet(self, packet: bytes) -> None:
        self._recorder.came(self._wire, bytes(packet))
        if self._host is not None:
            self._host.on_packet(packet)

    def on_transport_lost(self) -> None:
        self._recorder.log.broke(self._wire, self._recorder.clock(), ("lost", "the transport was lost", None))
        if self._host is not None:
            self._host.on_transport_lost()


class _Sink(_Wrapper):
    def on_packet(self, packet: bytes) -> None:
        self._recorder.log.sent(self._wire, self._recorder.clock(), bytes(packet))
        self._inner.on_packet(packet)
