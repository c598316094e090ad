"""The wires from a supply's terminals to a rail: its voltage profile, its current limit, its disconnection."""

from __future__ import annotations

from collections.abc import Callable

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Event, Kernel
from hil.virtual.power.rail import Rail
from hil.virtual.power.source import Profile

BOARD_FARADS = 22e-6
"""Decoupling on the rail: what keeps it up for a moment when the terminals open."""
BLEED_AMPERES = 0.2e-3
"""Leakage that discharges the board when nothing else draws."""
KIT_PEAK_AMPERES = 0.1
"""More than a kit can draw: a limit above it never acts, so load changes need not be followed."""


HELD_TICKS = 5 * TICKS_PER_MS
"""How often it is looked whether a pin still feeds the board."""


def _nothing_holds() -> float:
    return 0.0


class LimitedProfile(Profile):
    """A voltage profile that collapses when the load takes more than the limit.

    The loads of a rail are constant currents: one that asks for more than the limit pulls the output down to
    zero, where brown-out switches the load off.
    """

    def __init__(self, ohms: float = 0.0) -> None:
        super().__init__(resistance=ohms)
        self._ohms = ohms
        self.limit = KIT_PEAK_AMPERES

    def set_ohms(self, ohms: float) -> None:
        """Have this output resistance from now on."""
        self._ohms = ohms
        self.set_limit(self.limit)

    def set_limit(self, amperes: float) -> None:
        """Fold back above `amperes` from now on."""
        self.limit = amperes
        # A rail recomputes its crossings on load changes only for a source that is not ideal; one micro-ohm
        # of output resistance asks for that, and is too little to be seen.
        self.resistance = self._ohms or (0.0 if amperes >= KIT_PEAK_AMPERES else 1e-6)

    def voltage(self, now: int, current: float) -> float:
        return 0.0 if current > self.limit else super().voltage(now, current)

    def save(self) -> object:
        return super().save(), self.limit, self._ohms

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        inner, self.limit, self._ohms = state
        super().restore(inner)


class RailTerminals:
    """A supply's terminals wired to `rail` by leads of `lead_ohms`; connecting replaces whatever fed the rail.

    `source_ohms` is what the supply shows at its terminals when it plays a battery; 0 regulates them.
    `farads` is the decoupling on the board. `held_at` says to what voltage something else holds the rail up
    when the terminals are open: a host's pin that is driven high feeds a board through the protection diode
    of the chip's input.
    """

    def __init__(
        self,
        kernel: Kernel,
        rail: Rail,
        lead_ohms: float = 0.0,
        source_ohms: float = 0.0,
        farads: float = BOARD_FARADS,
        held_at: Callable[[], float] = _nothing_holds,
    ) -> None:
        self._farads = farads
        self._held_at = held_at
        self._held: Event | None = None
        self._kernel = kernel
        self._rail = rail
        self._lead_ohms = lead_ohms
        self._source = LimitedProfile(lead_ohms + source_ohms)
        rail.connect(self._source)

    def drive(self, profile: list[tuple[int, float]]) -> None:
        """Follow (tick, volts) points, straight lines between them, the last one for ever after."""
        self._kernel.cancel(self._held)
        self._held = None
        self._source.set_points(profile)
        self._rail.changed()

    def release(self) -> None:
        """Open the terminals: the load empties the board's capacitors in a straight line, down to what holds
        the rail.
        """
        now, volts, floor = self._kernel.now, self._rail.voltage(), self._held_at()
        amperes = max(self._rail.current, BLEED_AMPERES)
        fall = round(max(0.0, volts - floor) * self._farads / amperes * TICKS_PER_SECOND)
        self.drive([(now, volts), (now + fall, min(volts, floor))] if fall else [(now, min(volts, floor))])
        if floor > 0.0:
            self._held = self._kernel.after(HELD_TICKS, self._look_again, floor)

    def _look_again(self, floor: float) -> None:
        """Whether what holds the rail still does."""
        self._held = None
        if self._held_at() < floor:
            self.release()
        else:
            self._held = self._kernel.after(HELD_TICKS, self._look_again, floor)

    def limit_current(self, amperes: float) -> None:
        """Fold the voltage back where the load would take more than this."""
        self._source.set_limit(amperes)
        self._rail.changed()

    def set_resistance(self, ohms: float) -> None:
        """Put this resistance, besides that of the leads, between the supply and the rail."""
        self._source.set_ohms(self._lead_ohms + ohms)
        self._rail.changed()

    def volts(self) -> float:
        """Voltage at the terminals now."""
        return self._rail.voltage() + self._lead_ohms * self._rail.current

    def amperes(self) -> float:
        """Current out of the terminals now: what the load takes, or nothing from a collapsed output."""
        current = self._rail.current
        return current if current <= self._source.limit else self._source.limit
