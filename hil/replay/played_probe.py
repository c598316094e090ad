"""A probe of pyOCD that a log answers for."""

from __future__ import annotations

from functools import partial
from typing import Any

from pyocd.board.board import Board
from pyocd.board.board_ids import BoardInfo
from pyocd.probe.debug_probe import DebugProbe

from hil.errors import InputError
from hil.replay import swd
from hil.replay.player import Player


class _Calls:
    """Methods that are calls in the log."""

    def __init__(self, player: Player, wire: str, prefix: str, recorded: tuple[str, ...]) -> None:
        self._player = player
        self._wire = wire
        self._prefix = prefix
        self._recorded = frozenset(recorded)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self._recorded:
            raise AttributeError(name)
        return partial(self.call, name)

    def call(self, operation: str, *arguments: Any, **named: Any) -> Any:
        """One call, now or with a function that returns the answer."""
        kept = swd.plain_arguments(operation, arguments, named)
        name = self._prefix + operation
        if not swd.deferred(operation, arguments, named):
            return self._player.call(self._wire, name, *kept)
        entry = self._player.call_entry(self._wire, name, *kept)
        return partial(self._player.collect, entry)


class PlayedProbe(DebugProbe):  # type: ignore[misc]  # pyOCD is not typed
    """What pyOCD's session takes for a probe."""

    def __init__(self, player: Player, wire: str) -> None:
        super().__init__()
        self._player = player
        self._wire = wire
        self._calls = _Calls(player, wire, "", swd.CALLS)
        self._info: BoardInfo | None = None
        self._opened = False

    def _get(self, name: str) -> Any:
        return self._player.call(self._wire, f"get {name}")

    @property
    def vendor_name(self) -> Any:
        return self._get("vendor_name")

    @property
    def product_name(self) -> Any:
        return self._get("product_name")

    @property
    def description(self) -> Any:
        return self._get("description")

    @property
    def unique_id(self) -> Any:
        return self._get("unique_id")

    @property
    def supported_wire_protocols(self) -> Any:
        return [_member(DebugProbe.Protocol, name) for name in self._get("supported_wire_protocols") or ()]

    @property
    def wire_protocol(self) -> Any:
        name = self._get("wire_protocol")
        return None if name is None else _member(DebugProbe.Protocol, name)

    @property
    def capabilities(self) -> Any:
        return {_member(DebugProbe.Capability, name) for name in self._get("capabilities") or ()}

    @property
    def is_open(self) -> bool:
        return self._opened

    @property
    def associated_board_info(self) -> BoardInfo | None:
        return self._info

    def create_associated_board(self) -> Any:
        """The board of the recording."""
        named = self._player.call(self._wire, "board")
        if named is None:
            return None
        self._info = BoardInfo(name=str(named[0]), target=None if named[1] is None else str(named[1]))
        return Board(self.session, board_info=self._info)

    def open(self) -> None:
        self._calls.call("open")
        self._opened = True

    def close(self) -> None:
        self._opened = False
        self._calls.call("close")

    def get_memory_interface_for_ap(self, ap_address: Any) -> Any:
        address = swd.plain(ap_address)
        if not self._player.call(self._wire, swd.MEMORY, address):
            return None
        return _Calls(self._player, self._wire, f"{address[-1]}.", swd.MEMORY_CALLS)


def _forward(name: str) -> Any:
    def method(self: PlayedProbe, *arguments: Any, **named: Any) -> Any:
        return self._calls.call(name, *arguments, **named)

    return method


for _name in swd.CALLS:
    if _name not in ("open", "close"):
        setattr(PlayedProbe, _name, _forward(_name))


def _member(kind: Any, name: Any) -> Any:
    try:
        return kind[name]
    except (KeyError, TypeError):
        raise InputError(
            f"wire log: the probe is said to have {str(name)[:40]!r}, which pyOCD does not know"
        ) from None
