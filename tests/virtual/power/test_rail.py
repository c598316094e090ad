from __future__ import annotations

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Kernel
from hil.virtual.power.rail import Rail
from hil.virtual.power.source import Battery, Profile


def _watched(kernel: Kernel, rail: Rail, volts: float, hysteresis: float = 0.0) -> list[tuple[int, bool]]:
    crossings: list[tuple[int, bool]] = []

    def crossed(below: bool) -> None:
        crossings.append((kernel.now, below))

    rail.watch(volts, crossed, hysteresis)
    return crossings


def test_a_ramp_crosses_at_the_exact_tick_and_returns_with_hysteresis() -> None:
    kernel = Kernel()
    rail = Rail(kernel)
    rail.set_voltage(3.0)
    crossings = _watched(kernel, rail, 2.0, 0.5)
    rail.ramp(1.0, 2 * TICKS_PER_SECOND)
    kernel.advance(2 * TICKS_PER_SECOND)
    [(when, below)] = crossings
    assert below
    assert rail.voltage() == 1.0
    assert abs(when - TICKS_PER_SECOND) <= 1
    rail.ramp(3.0, 2 * TICKS_PER_SECOND)
    kernel.advance(4 * TICKS_PER_SECOND)
    assert len(crossings) == 2
    assert abs(crossings[1][0] - int(3.5 * TICKS_PER_SECOND)) <= 1


def test_a_load_pulls_a_resistive_supply_through_the_threshold() -> None:
    kernel = Kernel()
    rail = Rail(kernel, source=Profile(2.1, resistance=20.0))
    crossings = _watched(kernel, rail, 2.0)
    rail.set_load("CPU", 4e-3)
    kernel.advance(TICKS_PER_MS)
    assert crossings == []
    rail.set_load("flash", 7e-3)
    kernel.advance(2 * TICKS_PER_MS)
    assert crossings == [(TICKS_PER_MS, True)]


def test_a_battery_runs_down_by_what_is_drawn() -> None:
    kernel = Kernel()
    battery = Battery(capacity=1.0, resistance=0.0, charge=1.0, curve=((0.0, 2.0), (0.5, 2.8), (1.0, 3.0)))
    rail = Rail(kernel, source=battery)
    rail.set_load("CPU", 0.1)
    crossings = _watched(kernel, rail, 2.4)
    kernel.advance(10 * TICKS_PER_SECOND)
    [(when, _)] = crossings
    assert abs(when - 7.5 * TICKS_PER_SECOND) < TICKS_PER_MS
    assert abs(rail.voltage() - 2.0) < 1e-6


def test_disconnecting_is_seen_at_once() -> None:
    kernel = Kernel()
    rail = Rail(kernel, source=Profile(3.0))
    crossings = _watched(kernel, rail, 1.6)
    rail.set_connected(False)
    kernel.advance(1)
    assert crossings == [(0, True)]
