"""Whatever a test asks, nothing above the rig's limits reaches an instrument: looked at in the messages themselves."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.errors import BenchError, HilError, InputError
from hil.rig.power_log import LoggedSupply
from hil.supply import profile as profiles
from hil.supply.base import Limits, Ramp
from hil.supply.ppk2 import Ppk2

from .contract import (
    DRIVERS,
    MODELS,
    SWITCHES,
    PowerProfiler,
    highest,
    opened,
    scpi_subject,
    soon,
    subject,
    wired,
)
from .simulated import Time

LIMITS = [(3.6, 0.4), (3.605, 0.12345), (2.9999999, 1.0), (5.0, 0.1), (0.85, 0.007)]
NUMBERS = st.one_of(
    st.floats(min_value=-1, max_value=8),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from(
        [3.6, 3.60000001, 3.5999999, 3.605, 3.6049999999, 0.4, 0.400001, 0.12345, 0.85, 1e308, -0.0]
    ),
)
SECONDS = st.one_of(
    st.floats(min_value=1e-3, max_value=2), st.sampled_from([0.0, -1.0, float("nan"), float("inf")])
)
POINTS = st.lists(st.tuples(st.one_of(st.just(0.0), SECONDS), NUMBERS), max_size=5)
ASKS = st.lists(
    st.one_of(
        st.tuples(st.just("set_volts"), NUMBERS),
        st.tuples(st.just("set_current_limit"), NUMBERS),
        st.tuples(st.just("ramp"), NUMBERS, NUMBERS, SECONDS),
        st.tuples(st.just("shape"), NUMBERS, POINTS),
        st.tuples(st.sampled_from(["on", "off", "cut", "restore", "safe_off"])),
    ),
    min_size=1,
    max_size=10,
)


@settings(
    max_examples=15,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@pytest.mark.parametrize("name", [name for name in DRIVERS if name not in SWITCHES])
@given(
    asks=ASKS,
    limits=st.sampled_from(LIMITS),
    found=st.sampled_from([(0.0, 0.01), (5.5, 3.0), (33.0, 5.0)]),
    on=...,
)
def test_no_sequence_of_calls_exceeds_them(
    name: str,
    asks: list[tuple[Any, ...]],
    limits: tuple[float, float],
    found: tuple[float, float],
    on: bool,
    tmp_path: Path,
) -> None:
    max_volts, max_amperes = limits
    if name == "ppk2":
        with subject(name, tmp_path, max_volts=max_volts, max_amperes=max_amperes) as each:
            attack(each.supply, each.time, asks, limits)
            assert soon(lambda: each.asked()[0] > 0)
            assert each.asked()[0] <= max_volts
        return
    with wired(MODELS[name][0](), serial=True) as wire:
        output = wire.model.outputs[0]
        output.volts, output.amperes, output.on = *found, on
        bench = Time()
        with opened(name, wire, bench, max_volts, max_amperes) as supply:
            each = scpi_subject(name, wire, supply, bench)
            assert output.volts <= max_volts, "found above the limit, and left there"
            attack(supply, bench, asks, limits)
            volts, amperes, protection = each.asked()
            assert volts <= max_volts
            assert amperes <= max_amperes
            assert protection <= max_volts + profiles.named(name).protect_margin
            assert output.volts <= max_volts
            assert output.amperes <= max_amperes
        # All that was sent is a command that the instrument knows: none could have meant something else.
        assert wire.model.errors == []


def attack(supply: Any, bench: Time, asks: list[tuple[Any, ...]], limits: tuple[float, float]) -> None:
    log = LoggedSupply(
        supply, bench.clock, None, sleep=bench.sleep, max_volts=limits[0], max_amperes=limits[1]
    )
    for call, *arguments in asks:
        for target in (supply, log) if call != "shape" else (log,):
            try:
                getattr(target, call)(*arguments)
            except HilError:
                continue


@given(
    value=st.floats(min_value=0, max_value=70),
    limit=st.floats(min_value=1e-3, max_value=60),
    digits=st.integers(min_value=0, max_value=6),
)
def test_what_is_read_from_the_digits_is_never_above_the_limit(
    value: float, limit: float, digits: int
) -> None:
    limits = Limits(limit, limit, volts_digits=digits, amperes_digits=digits)
    for text in (limits.volts_text, limits.amperes_text):
        if value > limit:
            with pytest.raises(InputError):
                text(value)
        else:
            assert float(text(value)) <= limit
            assert abs(float(text(value)) - value) <= 10**-digits


def test_limits_cannot_be_changed(tmp_path: Path) -> None:
    limits = Limits(3.6, 0.4)
    for name in ("max_volts", "max_amperes"):
        with pytest.raises(AttributeError):
            setattr(limits, name, 60.0)
    with subject("tti-pl", tmp_path) as each, pytest.raises(AttributeError):
        each.supply.max_volts = 60.0  # type: ignore[misc]


class Careless:
    """A driver of somebody's own, which sends whatever it is told."""

    max_volts, max_amperes = 60.0, 20.0

    def __init__(self) -> None:
        self.sent: list[float] = []

    def set_volts(self, volts: float) -> None:
        self.sent.append(volts)

    set_current_limit = set_volts

    def ramp(self, start: float, stop: float, seconds: float) -> Ramp:
        self.sent += [start, stop]
        return Ramp(seconds)


def test_the_rig_limits_a_driver_that_does_not() -> None:
    driver, bench = Careless(), Time()
    log = LoggedSupply(driver, bench.clock, None, sleep=bench.sleep, max_volts=3.6, max_amperes=0.4)  # type: ignore[arg-type]
    assert (log.max_volts, log.max_amperes) == (3.6, 0.4)
    for attempt in (
        lambda: log.set_volts(3.61),
        lambda: log.set_current_limit(0.5),
        lambda: log.ramp(1.0, 4.0, 1.0),
        lambda: log.ramp(4.0, 1.0, 1.0),
        lambda: log.shape(3.0, [(0.0, 2.0), (1.0, 5.0)]),
    ):
        with pytest.raises(InputError):
            attempt()
    assert driver.sent == []


@pytest.mark.parametrize("name", [name for name in MODELS if profiles.named(name).commands.protect])
def test_protection_is_armed_above_the_limit(name: str) -> None:
    with wired(MODELS[name][0](), serial=True) as wire, opened(name, wire, Time()) as supply:
        margin = profiles.named(name).protect_margin
        assert wire.model.outputs[0].protection == pytest.approx(supply.max_volts + margin)


def test_a_voltage_that_reads_back_above_the_limit_switches_off() -> None:
    with (
        wired(MODELS["rigol-dp800"][0](), serial=True) as wire,
        opened("rigol-dp800", wire, Time()) as supply,
    ):
        supply.set_volts(3.0)
        supply.on()
        wire.manners = lambda message: b"3.61\n" if message == ":SOUR1:VOLT?" else wire.PROPER
        with pytest.raises(BenchError, match=r"3\.6 V was set and 3\.61 V reads back, above the rig's limit"):
            supply.set_volts(3.6)
        assert soon(lambda: not wire.model.outputs[0].on)


def test_terminals_above_the_limit_switch_off() -> None:
    with (
        wired(MODELS["rigol-dp800"][0](), serial=True) as wire,
        opened("rigol-dp800", wire, Time()) as supply,
    ):
        supply.set_volts(3.0)
        wire.manners = lambda message: b"5.2\n" if message.startswith(":MEAS:VOLT") else wire.PROPER
        with pytest.raises(
            BenchError, match=r"3 V was set and 5\.2 V stands at the terminals, above the rig's"
        ):
            supply.on()
        assert soon(lambda: not wire.model.outputs[0].on)


def test_an_output_that_stays_on_is_not_said_to_be_off() -> None:
    with (
        wired(MODELS["rigol-dp800"][0](), serial=True) as wire,
        opened("rigol-dp800", wire, Time()) as supply,
    ):
        supply.set_volts(3.0)
        supply.on()
        lies = {":SOUR1:VOLT?": b"3.7\n", ":OUTP CH1,OFF": b""}
        wire.manners = lambda message: lies.get(message, wire.PROPER)
        with pytest.raises(
            BenchError, match=r"its output stays on after ':OUTP CH1,OFF'; switch it off by hand"
        ):
            supply.set_volts(3.0)
        assert wire.model.outputs[0].on


def test_a_kit_is_never_asked_below_what_it_can_give(tmp_path: Path) -> None:
    """ppk2-api takes 0.8 V for anything less: it may be more than the rig allows."""
    with PowerProfiler() as kit:
        with pytest.raises(BenchError, match=r"cannot give less than 0\.8 V, and the rig's limit is 0\.7 V"):
            Ppk2(kit.port, max_volts=0.7, max_amperes=0.1)
        assert kit.volts_seen == []
    with subject("ppk2", tmp_path) as each:
        for volts in (0.0, 0.5, 0.7999):
            with pytest.raises(BenchError, match=r"it gives 0\.8 to 5 V"):
                each.supply.set_volts(volts)


def test_the_instrument_side_of_this_suite_sees_what_is_too_much() -> None:
    assert highest("rigol-dp800", [":SOUR1:VOLT 4.000", ":OUTP:OVP:VAL CH1,5.000"]) == (4.0, 0.0, 5.0)
    for name in MODELS:
        with wired(MODELS[name][0](), serial=True) as wire, opened(name, wire, Time(), 9.0, 1.0) as supply:
            supply.set_volts(8.0)
            assert highest(name, wire.received)[:2] == (8.0, 1.0), name
