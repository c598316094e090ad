"""Cutting a kit's power at one operation on its non-volatile memory, which no instrument can time."""

from __future__ import annotations

from typing import Literal

from hil.errors import InputError
from hil.virtual.soc.nrf52840 import Soc

Phase = Literal["before", "during", "after"]


class PowerFaults:
    """``kit.faults``: counts NVM operations (word writes and erases alike) and cuts power at a chosen one."""

    def __init__(self, soc: Soc) -> None:
        self._soc = soc
        self._phase: Phase = "during"
        self._depth = 0.5
        self.cut_happened = False
        """Whether the cut asked for has happened."""
        soc.nvm_operations.hook = self._reached

    @property
    def operations(self) -> int:
        """How many operations have begun since the kit was made."""
        return self._soc.cpu.nvm.operations

    def cut_at_operation(self, number: int, phase: Phase = "during", depth: float = 0.5) -> None:
        """Cut at operation ``number`` (the first ever is 0): before it begins, at ``depth`` (0..1) of its
        duration, or right after it. Power stays off until ``restore_power``. Raises InputError for one that
        has begun already.
        """
        if number < self.operations:
            raise InputError(f"flash operation {number} has begun already: {self.operations} were counted")
        if phase not in ("before", "during", "after") or not 0.0 <= depth <= 1.0:
            raise InputError(
                f"cut {phase!r} at depth {depth}: the phase is before, during or after, the depth 0 to 1"
            )
        self._phase, self._depth = phase, depth
        self.cut_happened = False
        self._soc.cpu.nvm.stop_at(number)

    def cancel(self) -> None:
        """Forget a cut that has not happened."""
        self._soc.cpu.nvm.stop_at(None)

    def cut_power(self) -> None:
        """Cut now."""
        self.cut_happened = True
        self._soc.cpu.nvm.stop_at(None)
        self._soc.supply.cut()

    def restore_power(self) -> None:
        """Close the switch between supply and kit again; the kit starts if the supply is up."""
        self._soc.rail.set_connected(True)

    def save(self) -> object:
        return self._phase, self._depth, self.cut_happened

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        self._phase, self._depth, self.cut_happened = state

    def _reached(self, duration: int) -> None:
        if self._phase == "before":
            self.cut_power()
            return
        share = self._depth if self._phase == "during" else 1.0
        self._soc.kernel.after(round(duration * share), self.cut_power)
