"""The virtual supply's own SCPI: syntax, error queue, status, lists, protection, turn-off modes."""

from __future__ import annotations

import pytest

from hil.virtual.instruments import psu
from hil.virtual.instruments.psu import PowerSupply
from hil.virtual.instruments.terminals import RailTerminals
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Kernel
from hil.virtual.power.rail import Rail


class Bench:
    def __init__(self) -> None:
        self.kernel = Kernel()
        self.rail = Rail(self.kernel)
        self.supply = PowerSupply(self.kernel, RailTerminals(self.kernel, self.rail))
        self.answers = bytearray()
        self.supply.set_host(self.answers.extend)

    def ask(self, text: str, wait_ms: int = 100) -> str:
        self.answers.clear()
        self.supply.receive(text.encode() + b"\n")
        self.wait(wait_ms)
        return self.answers.decode().strip()

    def wait(self, milliseconds: float) -> None:
        self.kernel.advance(self.kernel.now + round(milliseconds * TICKS_PER_MS))


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize(
    "command",
    [
        "VOLT 2.5",
        "volt 2.5",
        "SOUR:VOLT 2.5",
        ":SOURce:VOLTage:LEVel:IMMediate:AMPLitude 2500mV",
        "VOLT 2.5e0 V",
    ],
)
def test_every_spelling_of_a_command_is_one_command(bench: Bench, command: str) -> None:
    assert bench.ask(command + ";:SYST:ERR?") == '0,"No error"'
    assert bench.ask("VOLT?") == "2.5000"


def test_a_header_goes_on_from_the_one_before(bench: Bench) -> None:
    assert bench.ask("SOUR:VOLT 1.5;CURR 0.2;:OUTP ON;*OPC?") == "1"
    assert bench.ask("VOLT?;CURR?") == "1.5000;0.2000"
    assert bench.ask("OUTP?") == "1"


@pytest.mark.parametrize(
    ("command", "error"),
    [
        ("FOO 1", "-113"),
        ("VOLT", "-109"),
        ("VOLT 1,2", "-108"),
        ("VOLT abc", "-104"),
        ("VOLT 1 A", "-131"),
        ("VOLT 6.5", "-222"),
        ("VOLT -1", "-222"),
        ("OUTP MAYBE", "-104"),
        ("OUTP:TMOD LOUD", "-224"),
        ("VOLT ,", "-103"),
        ("#nonsense", "-101"),
        ("INIT", "-221"),
        ("LIST:DWEL " + ",".join(["1"] * 101), "-108"),
        ("VOLT " + ",".join(["1"] * 300), "-223"),
        ("X" * 2000, "-363"),
    ],
)
def test_what_is_wrong_goes_to_the_error_queue(bench: Bench, command: str, error: str) -> None:
    bench.ask(command)
    assert bench.ask("SYST:ERR?").startswith(error + ",")
    assert bench.ask("SYST:ERR?") == '0,"No error"'


def test_the_error_queue_overflows_in_its_last_place(bench: Bench) -> None:
    for _ in range(30):
        bench.ask("FOO", wait_ms=5)
    errors = [bench.ask("SYST:ERR?", wait_ms=5) for _ in range(17)]
    assert errors[14].startswith("-113")
    assert errors[15].startswith("-350")
    assert errors[16].startswith("0,")


def test_status_registers(bench: Bench) -> None:
    assert bench.ask("*ESR?") == "128"
    bench.ask("FOO")
    bench.ask("VOLT 9")
    assert bench.ask("*STB?") == "4"
    assert bench.ask("*ESE 48;*SRE 32;*STB?") == "100"
    assert bench.ask("*ESR?") == "48"
    bench.ask("*CLS;*OPC")
    assert bench.ask("*ESR?;:SYST:ERR?") == '1;0,"No error"'


def test_garbage_bytes_do_no_harm(bench: Bench) -> None:
    bench.supply.receive(bytes(range(256)) * 20 + b"\n")
    bench.wait(50)
    bench.ask("*CLS")
    assert bench.ask("*IDN?").startswith("HIL,")


def test_output_rises_and_falls_at_the_slew_rate(bench: Bench) -> None:
    bench.ask("VOLT:SLEW 10;:VOLT 3")
    start = bench.kernel.now
    bench.ask("OUTP ON", wait_ms=101)
    on_at = start + psu.COMMAND_TICKS
    expected = 10.0 * (bench.kernel.now - on_at) / TICKS_PER_SECOND
    assert bench.rail.voltage() == pytest.approx(expected)
    bench.wait(400)
    assert bench.rail.voltage() == 3.0
    bench.ask("OUTP OFF", wait_ms=2)
    assert 0.0 < bench.rail.voltage() < 3.0
    bench.wait(3)
    assert bench.rail.voltage() == 0.0


def test_high_impedance_off_discharges_through_the_load(bench: Bench) -> None:
    bench.ask("VOLT 3;:OUTP:TMOD HIGHZ;:OUTP ON")
    bench.rail.set_load("kit", 0.005)
    bench.ask("OUTP OFF", wait_ms=1)
    bench.wait(3)
    assert bench.rail.voltage() == pytest.approx(3.0 - 0.005 * 0.003 / 22e-6, abs=0.01)
    bench.wait(50)
    assert bench.rail.voltage() == 0.0


def test_a_list_runs_its_steps_and_returns_to_the_level(bench: Bench) -> None:
    bench.ask("VOLT 3;:OUTP ON")
    bench.ask("VOLT:MODE LIST;:LIST:VOLT 2,1;DWEL 0.1,0.2;COUN 2;:INIT")
    assert bench.rail.voltage() == 3.0
    bench.ask("*TRG", wait_ms=1)
    seen = []
    for milliseconds in (50, 100, 140, 60, 100, 200):
        bench.wait(milliseconds)
        seen.append(round(bench.rail.voltage(), 3))
    assert seen == [2.0, 1.0, 1.0, 2.0, 1.0, 3.0]
    assert bench.ask("SYST:ERR?") == '0,"No error"'


def test_abort_and_triggered_level(bench: Bench) -> None:
    bench.ask("VOLT 3;:OUTP ON;:VOLT:MODE LIST;:LIST:VOLT 1;DWEL 10;:TRIG:SOUR IMM;:INIT")
    assert bench.rail.voltage() == 1.0
    bench.ask("ABOR")
    assert bench.rail.voltage() == 3.0
    bench.ask("VOLT:MODE FIX;:VOLT:TRIG 2;:INIT")
    assert bench.rail.voltage() == 2.0


def test_over_voltage_protection_trips_and_must_be_cleared(bench: Bench) -> None:
    bench.ask("VOLT:PROT 2.5;:VOLT 2;:OUTP ON")
    bench.ask("VOLT 3")
    assert bench.ask("OUTP?;:VOLT:PROT:TRIP?") == "0;1"
    bench.ask("OUTP ON")
    assert bench.ask("SYST:ERR?").startswith("-221")
    bench.ask("OUTP:PROT:CLE;:VOLT 2;:OUTP ON")
    assert bench.rail.voltage() == 2.0


def test_reset_pulls_the_output_down_from_where_it_is(bench: Bench) -> None:
    bench.ask("VOLT 3;:OUTP ON")
    bench.ask("*RST", wait_ms=2)
    assert 0.0 < bench.rail.voltage() < 3.0
    bench.wait(5)
    assert bench.rail.voltage() == 0.0
    assert bench.ask("VOLT?;CURR?;OUTP?;*ESR?").startswith("0.0000;0.5000")


def test_state_is_saved_and_restored(bench: Bench) -> None:
    bench.ask("VOLT 3;:OUTP ON;:FOO")
    state = (bench.kernel.save(), bench.rail.save(), bench.supply.save())
    bench.ask("VOLT 1;:OUTP OFF;*CLS")
    bench.kernel.restore(state[0])
    bench.rail.restore(state[1])
    bench.supply.restore(state[2])
    assert bench.ask("VOLT?;:OUTP?;:SYST:ERR?").startswith("3.0000;1;-113")
    assert bench.rail.voltage() == 3.0
