"""The far ends of the wires in a replay: what a driver talks to instead of the instrument."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Any

from hil.replay.log import Entry
from hil.replay.player import Player
from hil.replay.troubles import again


class Played:
    """`hil.wire.Wires` on which nothing is opened: the log answers."""

    def __init__(self, player: Player) -> None:
        self._player = player

    def visa(self, wire: str, opener: Callable[[], Any]) -> Any:
        self._player.call(wire, "open")
        return _Visa(self._player, wire)

    def serial(self, wire: str, opener: Callable[[], Any]) -> Any:
        self._player.call(wire, "open")
        return _Port(self._player, wire)

    async def hci(self, wire: str, opener: Callable[[], Awaitable[Any]]) -> Any:
        self._player.call(wire, "open")
        return _Transport(self._player, wire)

    def swd(self, wire: str, opener: Callable[[], Any]) -> Any:
        from hil.replay.played_probe import PlayedProbe

        self._player.call(wire, "find")
        return PlayedProbe(self._player, wire)


class _Visa:
    """A VISA resource; its settings are of no consequence."""

    def __init__(self, player: Player, wire: str) -> None:
        self._player = player
        self._wire = wire

    def write(self, command: str) -> None:
        self._player.call(self._wire, "write", command)

    def read_bytes(self, count: int, **options: Any) -> Any:
        return self._player.call(self._wire, "read")

    def flush(self, operation: Any) -> None:
        """What was not read is not in the log."""

    def close(self) -> None:
        """Nothing crosses the wire for it."""


class _Port:
    """A pyserial port with the clock of the replay, as those of a virtual bench have it."""

    def __init__(self, player: Player, wire: str) -> None:
        self._player = player
        self._wire = wire
        self._waiting: deque[Entry] = deque()
        self.port = wire
        self.timeout = 0
        self.is_open = True
        self.on_receive: Callable[[], None] | None = None
        player.receivers[wire] = self._receive

    def _receive(self, entry: Entry) -> None:
        self._waiting.append(entry)
        if self.on_receive is not None:
            self.on_receive()

    def write(self, data: bytes) -> int:
        self._player.send(self._wire, bytes(data))
        self._raise_if_next_is_an_error()
        return len(data)

    def _raise_if_next_is_an_error(self) -> None:
        following = self._player.due(self._wire, self._player.clock)
        if following is not None and following.error is not None and following.time <= self._player.clock:
            self._player.take(following)
            raise again(following.error)

    def read_timed(self, size: int) -> list[tuple[float, bytes]]:
        if not _in_loop():
            self._take_due(self._player.clock)
        found: list[tuple[float, bytes]] = []
        while self._waiting:
            entry = self._waiting.popleft()
            if entry.error is not None:
                raise again(entry.error)
            found.append((entry.arrived, entry.data))
        return found

    def _take_due(self, until: float) -> bool:
        taken = False
        while (entry := self._player.due(self._wire, until)) is not None:
            self._player.take(entry)
            self._waiting.append(entry)
            taken = True
        return taken

    def sleep(self, seconds: float) -> None:
        """Until something comes, no longer than `seconds`."""
        player = self._player
        until = player.clock + seconds
        entry = player.due(self._wire, until)
        if entry is not None:
            player.take(entry)
            self._waiting.append(entry)
            return
        player.pass_time(until)

    def bench_time(self) -> float:
        return self._player.clock

    def close(self) -> None:
        self.is_open = False
        self._player.receivers.pop(self._wire, None)


class _Transport:
    """A transport of Bumble's."""

    def __init__(self, player: Player, wire: str) -> None:
        self.source = _Source(player, wire)
        self.sink = self.source

    async def close(self) -> None:
        self.source.close()


class _Source:
    def __init__(self, player: Player, wire: str) -> None:
        self._player = player
        self._wire = wire
        self._host: Any = None
        self.metadata: dict[str, Any] = {}
        self.terminated: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        player.receivers[wire] = self._receive

    def set_packet_sink(self, host: Any) -> None:
        self._host = host

    def on_packet(self, packet: bytes) -> None:
        """From the host to the controller."""
        self._player.send(self._wire, bytes(packet))

    def _receive(self, entry: Entry) -> None:
        if self._host is None:
            return
        if entry.error is not None:
            self._host.on_transport_lost()
        else:
            self._host.on_packet(entry.data)

    def close(self) -> None:
        self._host = None
        self._player.receivers.pop(self._wire, None)


def _in_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
