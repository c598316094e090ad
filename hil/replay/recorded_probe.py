"""A probe of pyOCD whose every call is written down."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from hil.replay import swd
from hil.replay.record import Recorder
from hil.replay.troubles import told


class _Calls:
    """An object of pyOCD's, with some of its methods recorded; everything else goes through to it."""

    _own = ("_recorder", "_wire", "_inner", "_prefix", "_recorded")

    def __init__(
        self, recorder: Recorder, wire: str, inner: Any, prefix: str, recorded: tuple[str, ...]
    ) -> None:
        self._recorder = recorder
        self._wire = wire
        self._inner = inner
        self._prefix = prefix
        self._recorded = frozenset(recorded)

    def __getattr__(self, name: str) -> Any:
        if name in self._recorded:
            method = partial(self._call, name)
            object.__setattr__(self, name, method)  # a probe is asked many thousand times
            return method
        return getattr(self._inner, name)

    def __setattr__(self, name: str, value: Any) -> None:
        if name in self._own:
            object.__setattr__(self, name, value)
        else:
            setattr(self._inner, name, value)

    def _call(self, operation: str, *arguments: Any, **named: Any) -> Any:
        recorder = self._recorder
        kept = swd.plain_arguments(operation, arguments, named)
        make = partial(getattr(self._inner, operation), *arguments, **named)
        name = self._prefix + operation
        if not swd.deferred(operation, arguments, named):
            return recorder.call(self._wire, name, kept, make, swd.plain)
        began = recorder.clock()
        try:
            collect: Callable[[], Any] = make()
        except Exception as error:
            recorder.log.call(self._wire, name, tuple(kept), began, recorder.clock(), error=told(error))
            raise
        number = recorder.log.call(self._wire, name, tuple(kept), began, recorder.clock(), later=True)
        return self._collector(number, collect)

    def _collector(self, number: int, collect: Callable[[], Any]) -> Callable[[], Any]:
        recorder = self._recorder
        answered = False

        def collected() -> Any:
            nonlocal answered
            first, answered = not answered, True
            try:
                result = collect()
            except Exception as error:
                if first:
                    recorder.log.answer(self._wire, number, recorder.clock(), None, told(error))
                raise
            if first:
                recorder.log.answer(self._wire, number, recorder.clock(), swd.plain(result), None)
            return result

        return collected


class RecordedProbe(_Calls):
    """What pyOCD's session takes for a probe."""

    def __init__(self, recorder: Recorder, wire: str, probe: Any) -> None:
        super().__init__(recorder, wire, probe, "", swd.CALLS)

    def __getattr__(self, name: str) -> Any:
        if name in swd.PROPERTIES:
            return self._recorder.call(
                self._wire, f"get {name}", [], lambda: getattr(self._inner, name), swd.plain
            )
        return super().__getattr__(name)

    def create_associated_board(self) -> Any:
        """The board as the probe makes it."""
        return self._recorder.call(
            self._wire, "board", [], self._inner.create_associated_board, self._board_info
        )

    def _board_info(self, board: Any) -> Any:
        info = self._inner.associated_board_info
        return None if board is None or info is None else [info.name, info.target]

    def get_memory_interface_for_ap(self, ap_address: Any) -> Any:
        """The probe's own way to the memory behind an access port, if it has one."""
        address = swd.plain(ap_address)
        found = self._recorder.call(
            self._wire,
            swd.MEMORY,
            [address],
            lambda: self._inner.get_memory_interface_for_ap(ap_address),
            lambda interface: interface is not None,
        )
        if found is None:
            return None
        return _Calls(self._recorder, self._wire, found, f"{address[-1]}.", swd.MEMORY_CALLS)
