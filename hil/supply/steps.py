"""A straight line of voltage played in steps, for instruments that draw none themselves."""

from __future__ import annotations

from collections.abc import Callable

from hil.supply.base import Limits, Ramp


def play_steps(
    set_volts: Callable[[float], None],
    limits: Limits,
    line: tuple[float, float, float],
    step_seconds: float,
    clock: Callable[[], float],
    sleep: Callable[[float], None],
) -> Ramp:
    """Follow `line`, from a voltage to a voltage in seconds, a step every `step_seconds` or as fast as the instrument
    takes them; each step is to where the line is by then. Returns at the end of the line, with the steps that it took.
    """
    first, last, duration = line
    begun = before = clock()
    now = first
    widest = longest = 0.0
    set_volts(first)
    while now != last:
        wait = min(before + step_seconds, begun + duration) - clock()
        if wait > 0:
            sleep(wait)
        moment = clock()
        done = (moment - begun) / duration
        if moment <= before or done >= 1.0:  # a clock that stands still would keep us here for ever
            wanted = last
        else:
            wanted = limits.volts(first + (last - first) * done)
        if wanted != now:
            set_volts(wanted)
        widest, longest = max(widest, abs(wanted - now)), max(longest, moment - before)
        now, before = wanted, moment
    left = begun + duration - clock()
    if left > 0:
        sleep(left)
    return Ramp(0.0, widest, longest)
