"""The SCPI driver on the virtual supply: set, ramp, cut, measure, limits, and instruments that misbehave."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from hil.errors import BenchError, HilError, InputError
from hil.supply import ScpiSupply, Supply
from hil.virtual import registry
from hil.virtual.kernel import Kernel
from hil.virtual.wire import serial as wire_serial

from .conftest import RESOURCE, Bench


def test_the_driver_is_a_supply(supply: ScpiSupply) -> None:
    assert isinstance(supply, Supply)
    assert supply.identity() == "HIL,VPS-6003,0001,1.0"


def test_on_measures_what_was_set(bench: Bench, supply: ScpiSupply) -> None:
    supply.set_volts(3.0)
    assert bench.rail.voltage() == 0.0
    supply.on()
    assert bench.rail.voltage() == pytest.approx(3.0)
    bench.rail.set_load("kit", 0.0123)
    assert supply.measure_volts() == pytest.approx(3.0, abs=1e-4)
    assert supply.measure_amperes() == pytest.approx(0.0123, abs=1e-6)


def test_ramp_is_a_straight_line_and_leaves_full_slew_behind(bench: Bench, supply: ScpiSupply) -> None:
    supply.set_volts(3.0)
    supply.on()
    supply.ramp(3.0, 1.8, 1.2)
    first, start = bench.rail.voltage(), bench.seconds
    bench.wait(0.5)
    assert (first - bench.rail.voltage()) / (bench.seconds - start) == pytest.approx(1.0, rel=1e-3)
    bench.wait(1.0)
    assert bench.rail.voltage() == pytest.approx(1.8)
    before = bench.seconds
    supply.set_volts(3.0)
    assert bench.rail.voltage() == pytest.approx(3.0)
    assert bench.seconds - before < 0.15


def test_cut_takes_the_rail_down_and_restore_brings_the_set_voltage_back(
    bench: Bench, supply: ScpiSupply
) -> None:
    supply.set_volts(3.3)
    supply.on()
    supply.ramp(3.3, 2.0, 10.0)
    supply.cut()
    assert bench.rail.voltage() == 0.0
    supply.restore()
    assert bench.rail.voltage() == pytest.approx(3.3)
    supply.safe_off()
    assert bench.rail.voltage() == 0.0


def test_current_limit_collapses_an_overloaded_rail(bench: Bench, supply: ScpiSupply) -> None:
    supply.set_volts(3.0)
    supply.set_current_limit(0.02)
    supply.on()
    bench.rail.set_load("short", 0.05)
    assert bench.rail.voltage() == 0.0
    assert supply.measure_amperes() == pytest.approx(0.02)
    bench.rail.set_load("short", 0.01)
    assert bench.rail.voltage() == pytest.approx(3.0)


def test_opening_takes_an_instrument_inside_the_limits(bench: Bench) -> None:
    bench.instrument.receive(b"VOLT 5;OUTP ON\n")
    bench.wait(0.1)
    assert bench.rail.voltage() == pytest.approx(5.0)
    with ScpiSupply(RESOURCE, max_volts=3.6, max_amperes=0.4):
        assert bench.rail.voltage() == 0.0


def test_a_refused_command_is_a_bench_error_naming_instrument_and_command(
    bench: Bench, supply: ScpiSupply
) -> None:
    bench.instrument.receive(b"VOLT:PROT 2\n")
    supply.set_volts(3.0)
    with pytest.raises(BenchError) as caught:
        supply.on()
        supply.on()
    assert "hil://bench-psu" in str(caught.value)
    assert "'OUTP ON' was refused: -221 Settings conflict" in str(caught.value)


@pytest.mark.parametrize("volts", [3.601, 100.0, -0.1, float("nan"), float("inf")])
def test_voltages_beyond_the_limit_are_refused_before_the_wire(
    bench: Bench, supply: ScpiSupply, volts: float
) -> None:
    before = bench.kernel.now
    for attempt in (
        supply.set_volts,
        lambda value: supply.ramp(1.0, value, 1.0),
        lambda value: supply.ramp(value, 1.0, 1.0),
    ):
        with pytest.raises(InputError):
            attempt(volts)
    assert bench.kernel.now == before


def test_bad_durations_and_currents_are_refused(supply: ScpiSupply) -> None:
    for seconds in (0.0, -1.0, float("nan")):
        with pytest.raises(InputError):
            supply.ramp(3.0, 2.0, seconds)
    with pytest.raises(InputError, match="above the rig's limit"):
        supply.set_current_limit(0.41)


NUMBERS = st.one_of(
    st.floats(min_value=-1, max_value=8),
    st.floats(allow_nan=True, allow_infinity=True),
    st.sampled_from([3.6, 3.60000001, 3.5999999, 0.4, 0.400001, 0.0]),
)
ASKS = st.lists(
    st.one_of(
        st.tuples(st.just("set_volts"), NUMBERS),
        st.tuples(st.just("set_current_limit"), NUMBERS),
        st.tuples(st.just("ramp"), NUMBERS, NUMBERS, st.floats(min_value=1e-3, max_value=10)),
        st.tuples(st.sampled_from(["on", "off", "cut", "restore"])),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    asks=ASKS,
    max_volts=st.floats(min_value=0.5, max_value=5.5),
    max_amperes=st.floats(min_value=0.01, max_value=2.0),
)
def test_no_sequence_of_calls_exceeds_the_rig_limits(
    bench: Bench, asks: list[tuple[object, ...]], max_volts: float, max_amperes: float
) -> None:
    with ScpiSupply(RESOURCE, max_volts=max_volts, max_amperes=max_amperes) as supply:
        for name, *arguments in asks:
            try:
                getattr(supply, str(name))(*arguments)
            except HilError:
                continue
            assert bench.rail.voltage() <= max_volts
            assert bench.instrument._amperes <= max_amperes
            bench.wait(0.2)
            assert bench.rail.voltage() <= max_volts


class Rude:
    """An instrument that answers every line with what it was told to, or not at all."""

    def __init__(self, kernel: Kernel, answers: dict[bytes, bytes | None]) -> None:
        self.kernel = kernel
        self.answers = answers
        self.send = None
        self.input = b""

    def set_host(self, sink) -> None:  # type: ignore[no-untyped-def]
        self.send = sink

    def receive(self, data: bytes) -> None:
        self.input += data
        while b"\n" in self.input:
            line, _, self.input = self.input.partition(b"\n")
            answer = self.answers.get(line, b"0\n" if line.endswith(b"?") else None)
            if answer is not None and self.send is not None:
                self.send(answer)


GOOD = {b"*IDN?": b"HIL,VPS-6003,0002,1.0\n", b"SYST:ERR?": b'0,"No error"\n', b"VOLT?": b"0.000\n"}


@pytest.mark.parametrize(
    ("answers", "words"),
    [
        ({b"*IDN?": None}, "no answer to '*IDN?' in 2 s"),
        ({b"VOLT?": b"9.91E37\n"}, "'VOLT?' was answered by '9.91E37'"),
        ({b"VOLT?": b"nan\n"}, "not a number"),
        ({b"VOLT?": b"\x1b[2J\xff\n"}, "not a number"),
        ({b"SYST:ERR?": b"hello\n"}, "'SYST:ERR?' was answered by 'hello'"),
        ({b"SYST:ERR?": b'-222,"Data out of range"\n'}, "was refused: -222 Data out of range; -222"),
        ({b"*IDN?": b"A" * 1500 + b"\n"}, "has no end within 1024 bytes"),
        ({b"*IDN?": b"half an answer"}, "no answer to '*IDN?'"),
    ],
)
def test_a_rude_instrument_is_a_bench_error_in_one_line(
    answers: dict[bytes, bytes | None], words: str
) -> None:
    wire_serial.install()
    kernel = Kernel()
    registry.register("rude-psu", Rude(kernel, GOOD | answers), kernel)
    try:
        with pytest.raises(BenchError) as caught:
            ScpiSupply("ASRLhil://rude-psu?visa::INSTR", max_volts=3.6, max_amperes=0.4)
    finally:
        registry.unregister("rude-psu")
    assert words in str(caught.value)
    assert "hil://rude-psu" in str(caught.value)
    assert str(caught.value).isprintable()


def test_a_missing_instrument_and_a_bad_name_are_told_apart() -> None:
    wire_serial.install()
    with pytest.raises(BenchError, match="nothing is called 'nobody'"):
        ScpiSupply("ASRLhil://nobody?visa::INSTR", max_volts=3.6, max_amperes=0.4)
    with pytest.raises(InputError, match="not a VISA resource"):
        ScpiSupply("rubbish", max_volts=3.6, max_amperes=0.4)


def test_a_closed_supply_says_so(supply: ScpiSupply) -> None:
    supply.close()
    supply.close()
    with pytest.raises(BenchError, match="after the supply was closed"):
        supply.set_volts(1.0)
