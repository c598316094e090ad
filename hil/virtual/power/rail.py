"""A supply rail: a source behind a series resistance, the loads on it, and exact threshold crossings.

The rail never samples. Whenever the source or a load changes it computes, for each watched threshold, the
first tick at which the voltage is on the other side, and has the kernel call then.
"""

from __future__ import annotations

from collections.abc import Callable

from hil.virtual.kernel import Event, Kernel
from hil.virtual.power.source import Profile, Source

Crossing = Callable[[bool], None]


class Watch:
    """A threshold in volts; ``on_cross(below)`` is called when the rail goes below it or returns to or
    above it.
    """

    def __init__(self, volts: float, on_cross: Crossing, hysteresis: float) -> None:
        self.volts = volts
        self.hysteresis = hysteresis
        self.on_cross = on_cross
        self.below = False

    def __deepcopy__(self, memo: dict[int, object]) -> Watch:
        """Shared, never copied, by a save: the rail that owns it saves its state."""
        return self

    @property
    def level(self) -> float:
        """The voltage that ends the present side: the threshold, or with its hysteresis on the way up."""
        return self.volts + self.hysteresis if self.below else self.volts


class Rail:
    """A named rail. Volts, amperes and ohms; times are kernel ticks."""

    def __init__(self, kernel: Kernel, name: str = "VDD", source: Source | None = None) -> None:
        self.kernel = kernel
        self.name = name
        self.connected = True
        self._source: Source = source if source is not None else Profile()
        self._loads: dict[str, float] = {}
        self._current = 0.0
        self._watches: list[Watch] = []
        self._event: Event | None = None
        self.on_changed: Callable[[], None] = _nothing
        """Called when the voltage may have changed, before the next crossing is computed."""
        self.settle_loads: Callable[[], None] = _nothing
        """Called before current or voltage are looked at: a consumer may hold changes of its load back."""

    @property
    def source(self) -> Source:
        return self._source

    def connect(self, source: Source) -> None:
        """Feed the rail from another source from now on."""
        self._source.draw(self.kernel.now, self._current)
        self._source = source
        self._source.draw(self.kernel.now, 0.0)
        self.changed()

    def set_connected(self, connected: bool) -> None:
        """Open or close the switch between source and rail; an open one takes the rail to 0 V at once."""
        self._source.draw(self.kernel.now, self._current if self.connected else 0.0)
        self.connected = connected
        self.changed()

    def set_voltage(self, volts: float) -> None:
        """Step an ideal supply to ``volts`` (0 or more) now."""
        self._profile().set_points([(self.kernel.now, _checked(volts))])
        self.changed()

    def ramp(self, volts: float, ticks: int) -> None:
        """Move an ideal supply in a straight line from its present voltage to ``volts`` over ``ticks``."""
        now = self.kernel.now
        start = self._source.voltage(now, self._current)
        self._profile().set_points([(now, start), (now + max(0, ticks), _checked(volts))])
        self.changed()

    def set_profile(self, points: list[tuple[int, float]]) -> None:
        """Follow points of (kernel tick, volts), joined by straight lines."""
        for _, volts in points:
            _checked(volts)
        self._profile().set_points(points)
        self.changed()

    def voltage(self, when: int | None = None) -> float:
        """Volts on the rail at ``when`` (default now), never below 0."""
        self.settle_loads()
        return self._volts(self.kernel.now if when is None else when)

    def _volts(self, now: int) -> float:
        if not self.connected:
            return 0.0
        open_circuit = self._source.voltage(now, self._current)
        return max(0.0, open_circuit - self._source.resistance * self._current)

    @property
    def current(self) -> float:
        """Amperes drawn from the source now."""
        self.settle_loads()
        return self._current if self.connected else 0.0

    def set_load(self, name: str, amperes: float) -> None:
        """What the consumer ``name`` draws from now on."""
        if self._loads.get(name, 0.0) == amperes:
            return
        self._source.draw(self.kernel.now, self._current if self.connected else 0.0)
        self._loads[name] = amperes
        self._current = sum(self._loads.values())
        # An ideal supply keeps its voltage whatever is drawn: nothing to compute again.
        if self._source.resistance != 0.0 or not isinstance(self._source, Profile):
            self.changed()

    def stays_above(self, volts: float, more: float) -> bool:
        """Whether the rail is at or above ``volts`` until the source, the switch or another load change, even
        with ``more`` amperes drawn than now.
        """
        source = self._source
        if not self.connected or not isinstance(source, Profile):
            return False
        now, current = self.kernel.now, self._current + more
        if source.breakpoint(now, current) is not None:
            return False
        return source.voltage(now, current) - source.resistance * current >= volts

    def watch(
        self, volts: float, on_cross: Crossing, hysteresis: float = 0.0, *, below: bool | None = None
    ) -> Watch:
        """Call ``on_cross(below)`` at each crossing; going up it counts at ``volts + hysteresis``.

        The present side is taken over silently: read ``below`` of what is returned. ``below`` says instead on
        which side the rail was last seen.
        """
        watch = Watch(volts, on_cross, hysteresis)
        watch.below = self.voltage() < volts if below is None else below
        self._watches.append(watch)
        self.changed()
        return watch

    def unwatch(self, watch: Watch) -> None:
        """Forget a threshold; unknown ones are ignored."""
        if watch in self._watches:
            self._watches.remove(watch)

    def changed(self) -> None:
        """Source, switch or load changed: compute the next crossing again."""
        self.on_changed()
        self.kernel.cancel(self._event)
        self._event = None
        when = self._next_crossing()
        if when is not None:
            self._event = self.kernel.at(when, self._cross)

    def save(self) -> object:
        sides = [(watch, watch.below, watch.volts) for watch in self._watches]
        return self.connected, self._source, self._source.save(), dict(self._loads), sides, self._event

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        self.connected, self._source, inner, loads, sides, self._event = state
        self._source.restore(inner)
        self._loads = dict(loads)
        self._current = sum(self._loads.values())
        self._watches = [watch for watch, _, _ in sides]
        for watch, below, volts in sides:
            watch.below, watch.volts = below, volts

    def _profile(self) -> Profile:
        if not isinstance(self._source, Profile):
            self.connect(Profile(resistance=self._source.resistance))
        assert isinstance(self._source, Profile)
        return self._source

    def _next_crossing(self) -> int | None:
        if not self._watches:
            return None
        now = self.kernel.now
        if any(_crossed(watch, self._volts(now)) for watch in self._watches):
            return now
        if not self.connected:
            return None
        end = self._source.breakpoint(now, self._current)
        if end is None:
            return None
        # Just before the breakpoint the line still holds; at it a step may sit, which the call there will
        # see.
        last = end - 1
        crossings = [self._first(watch, now, last) for watch in self._watches]
        return min((when for when in crossings if when is not None), default=end)

    def _first(self, watch: Watch, now: int, last: int) -> int | None:
        """First tick in (now, last] on the other side of ``watch``: on a straight line a bisection finds
        it.
        """
        if last <= now or not _crossed(watch, self._volts(last)):
            return None
        low, high = now, last
        while high - low > 1:
            middle = (low + high) // 2
            if _crossed(watch, self._volts(middle)):
                high = middle
            else:
                low = middle
        return high

    def _cross(self) -> None:
        self._event = None
        volts = self.voltage()
        # The lowest threshold first: a chip that loses its power has no use for the warning above it.
        for watch in sorted(self._watches, key=lambda watch: watch.volts):
            if watch in self._watches and _crossed(watch, volts):
                watch.below = not watch.below
                watch.on_cross(watch.below)
        self.changed()


def _nothing() -> None:
    """Nobody asked to be told."""


def _crossed(watch: Watch, volts: float) -> bool:
    return volts >= watch.level if watch.below else volts < watch.level


def _checked(volts: float) -> float:
    if not 0.0 <= volts <= 6.0:
        raise ValueError(f"{volts} V is outside 0..6 V, what the rail stands")
    return volts
