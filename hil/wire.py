"""Where a driver meets the wire below it: the one place at which what crosses can be recorded, or played back.

A driver does not open its third-party object itself. It hands a function that does so to the `Wires` it was given, and
uses what it gets back: the object itself (`DIRECT`), or one that behaves the same and keeps a record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol


class Wires(Protocol):
    """Opens the wires of one bench. `wire` is its name in records: supply, console, central, spare, probe."""

    def visa(self, wire: str, opener: Callable[[], Any]) -> Any:
        """A VISA resource of PyVISA: `write`, `read_bytes`, `flush`, `close` and settings."""

    def serial(self, wire: str, opener: Callable[[], Any]) -> Any:
        """A port of pyserial, read without blocking."""

    async def hci(self, wire: str, opener: Callable[[], Awaitable[Any]]) -> Any:
        """A transport of Bumble to a controller."""

    def swd(self, wire: str, opener: Callable[[], Any]) -> Any:
        """A probe of pyOCD, not yet open."""


class Direct:
    """Nothing lies between."""

    def visa(self, wire: str, opener: Callable[[], Any]) -> Any:
        return opener()

    def serial(self, wire: str, opener: Callable[[], Any]) -> Any:
        return opener()

    async def hci(self, wire: str, opener: Callable[[], Awaitable[Any]]) -> Any:
        return await opener()

    def swd(self, wire: str, opener: Callable[[], Any]) -> Any:
        return opener()


DIRECT: Wires = Direct()
