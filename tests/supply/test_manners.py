"""Instruments with bad manners: each ends in one line that names instrument and command, in a bounded time."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from hil.errors import BenchError
from hil.supply import profile as profiles
from hil.supply.ppk2 import Ppk2
from hil.supply.scpi import OFF_ATTEMPTS, ScpiSupply
from hil.supply.uhubctl import UhubctlPort

from .contract import (
    MODELS,
    NOMINAL,
    PowerProfiler,
    RelayBoard,
    fake_uhubctl,
    open_relay,
    opened,
    soon,
    wired,
)
from .simulated import KeysightE36312, RigolDp832, RohdeSchwarzHmp, Time, Wire

NAME = "keysight-e36300"
PATIENCE_S = 20.0


def fails(wire: Wire, attempt: Callable[[], object], words: str) -> None:
    """It fails, in time, with one printable line that holds the instrument's name and `words`."""
    begun = time.monotonic()
    with pytest.raises(BenchError) as caught:
        attempt()
    assert time.monotonic() - begun < PATIENCE_S
    text = str(caught.value)
    assert wire.resource in text and words in text and text.isprintable(), text


@pytest.mark.parametrize("serial", [False, True])
@pytest.mark.parametrize(
    ("message", "answer", "words"),
    [
        ("MEAS:VOLT? (@1)", None, "no answer to 'MEAS:VOLT? (@1)' in 0.2 s"),
        ("MEAS:VOLT? (@1)", b"\x1b[2J\xff\n", "'MEAS:VOLT? (@1)' was answered by"),
        ("MEAS:VOLT? (@1)", b"9.91E37\n", "'MEAS:VOLT? (@1)' was answered by '9.91E37'"),
        ("MEAS:VOLT? (@1)", b"7" * 5_000, "the answer to 'MEAS:VOLT? (@1)' has no end within 1024 bytes"),
        ("OUTP? (@1)", b"maybe\n", "neither on nor off"),
        ("SYST:ERR?", b'-222,"Data out of range"\n', "was refused: -222 Data out of range"),
        ("SYST:ERR?", b"\n", "'SYST:ERR?' was answered by ''"),
    ],
)
def test_an_answer_that_is_none(message: str, answer: bytes | None, words: str, serial: bool) -> None:
    with wired(KeysightE36312(), serial=serial) as wire, opened(NAME, wire, Time(), timeout_s=0.2) as supply:
        supply.set_volts(NOMINAL)
        wire.manners = lambda got: answer if got == message else wire.PROPER
        fails(wire, lambda: (supply.on(), supply.measure_volts()), words)
        wire.manners = lambda got: wire.PROPER
        supply.safe_off()
        assert not wire.model.outputs[0].on


def test_an_error_queue_that_is_never_empty() -> None:
    with wired(MODELS["siglent-spd3303x"][0](), serial=True) as wire:
        wire.manners = lambda got: b"5  Out Of Range\n" if got == "SYST:ERR?" else wire.PROPER
        fails(
            wire,
            lambda: opened("siglent-spd3303x", wire, Time()),
            "'SYST:ERR?' still tells of errors after 32",
        )


def test_a_query_without_an_answer_is_sent_once_more() -> None:
    with wired(KeysightE36312(), serial=True) as wire, opened(NAME, wire, Time(), timeout_s=0.2) as supply:
        asked = []

        def once(got: str) -> object:
            asked.append(got)
            return None if asked.count("MEAS:VOLT? (@1)") == 1 and got == "MEAS:VOLT? (@1)" else wire.PROPER

        wire.manners = once
        assert supply.measure_volts() == 0.0
        assert asked == ["MEAS:VOLT? (@1)", "*IDN?", "MEAS:VOLT? (@1)"]


def test_a_late_answer_is_not_taken_for_the_next_one() -> None:
    with wired(KeysightE36312(), serial=True) as wire, opened(NAME, wire, Time(), timeout_s=0.3) as supply:
        supply.set_volts(NOMINAL)
        supply.on()
        wire.received.clear()

        def slow(got: str) -> object:
            if wire.received == ["MEAS:VOLT? (@1)"]:
                time.sleep(0.4)
                return b"+1.11100000E+00\n"
            return wire.PROPER

        wire.manners = slow
        assert supply.measure_volts() == pytest.approx(NOMINAL)
        assert supply.measure_amperes() == pytest.approx(0.012)


def test_another_instrument_than_the_rig_file_says() -> None:
    with wired(RigolDp832(), serial=True) as wire:
        fails(wire, lambda: opened(NAME, wire, Time()), "answered by 'RIGOL TECHNOLOGIES,DP832A")
        assert wire.received == ["*IDN?"], "nothing is set on an instrument that was not meant"


@pytest.mark.parametrize("name", [name for name in MODELS if profiles.named(name).automatic])
def test_the_profile_is_found_by_the_identity(name: str) -> None:
    model = MODELS[name][0]()
    fitting = [
        n
        for n, each in profiles.bundled().items()
        if each.automatic and profiles.re.search(each.identity, model.identity)
    ]
    assert fitting == [name]
    with (
        wired(model, serial=True) as wire,
        ScpiSupply(
            wire.resource, max_volts=3.6, max_amperes=0.1, clock=(bench := Time()).clock, sleep=bench.sleep
        ),
    ):
        assert wire.model.outputs[0].amperes == 0.1


def test_an_instrument_that_nobody_knows_is_not_guessed_at() -> None:
    with wired(MODELS["scpi"][0](), serial=True) as wire:
        fails(
            wire,
            lambda: ScpiSupply(wire.resource, max_volts=3.6, max_amperes=0.1),
            "no profile fits 'ACME,PSU-1",
        )
        assert wire.received == ["*IDN?"]


def test_a_channel_that_it_has_not() -> None:
    with wired(KeysightE36312(), serial=True) as wire:
        fails(
            wire,
            lambda: ScpiSupply(wire.resource, max_volts=3.6, max_amperes=0.1, channel=5),
            "it has no channel 5",
        )


@pytest.mark.parametrize("serial", [False, True])
def test_unplugged_in_the_middle_of_a_command(serial: bool) -> None:
    with wired(KeysightE36312(), serial=serial) as wire, opened(NAME, wire, Time(), timeout_s=0.3) as supply:
        supply.set_volts(NOMINAL)

        def pull(got: str) -> object:
            wire.unplug()
            return None

        wire.manners = pull
        fails(wire, supply.on, "'SYST:ERR?'")
        fails(wire, supply.safe_off, "supply")


def test_an_output_that_stays_on() -> None:
    with wired(KeysightE36312(), serial=True) as wire, opened(NAME, wire, Time()) as supply:
        supply.on()
        wire.model.stuck_on = True
        fails(wire, supply.off, "the output stays on after 'OUTP OFF,(@1)'; switch it off by hand")
        wire.received.clear()
        fails(wire, supply.safe_off, "the output stays on after 'OUTP OFF,(@1)'; switch it off by hand")
        assert wire.received.count("OUTP OFF,(@1)") == OFF_ATTEMPTS


def test_switching_off_finds_an_instrument_that_came_back() -> None:
    with wired(KeysightE36312()) as wire, opened(NAME, wire, Time(), timeout_s=0.3) as supply:
        supply.on()
        supply._instrument._resource.close()  # the connection is gone, the instrument is not
        supply.safe_off()
        assert not wire.model.outputs[0].on


def test_a_front_panel_that_chooses_another_output() -> None:
    with wired(RohdeSchwarzHmp(), serial=True) as wire, opened("rohde-schwarz", wire, Time()) as supply:
        supply.set_volts(NOMINAL)
        wire.model.selected = 2
        supply.set_volts(1.0)
        assert [output.volts for output in wire.model.outputs] == [1.0, 0.0, 0.0]


def _hang_up(listener: socket.socket) -> None:
    listener.accept()[0].close()


def test_a_socket_that_was_closed_does_not_hold_up_the_discarding_of_input() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        resource = f"TCPIP0::127.0.0.1::{listener.getsockname()[1]}::SOCKET"
        threading.Thread(target=_hang_up, args=(listener,), daemon=True).start()
        begun = time.monotonic()
        with pytest.raises(BenchError, match=r"\*IDN\?"):
            ScpiSupply(resource, max_volts=3.6, max_amperes=0.1, timeout_s=0.3)
        assert time.monotonic() - begun < PATIENCE_S


# ---- Others than programmable supplies ----


def test_a_kit_that_says_nothing_and_one_that_is_none() -> None:
    with PowerProfiler() as kit:
        kit.silent = True
        with pytest.raises(BenchError, match=f"PPK2 {kit.port}: 'get metadata' failed: no calibration data"):
            Ppk2(kit.port, max_volts=3.6, max_amperes=0.1, timeout_s=0.3)
    with pytest.raises(BenchError, match="PPK2 /dev/nothing: cannot be opened"):
        Ppk2("/dev/nothing", max_volts=3.6, max_amperes=0.1)


def test_a_kit_that_stops_sampling() -> None:
    with PowerProfiler() as kit:
        supply = Ppk2(kit.port, max_volts=3.6, max_amperes=0.1, timeout_s=0.5)
        supply.on()
        assert soon(lambda: abs(supply.measure_amperes() - 0.012) < 2e-4)
        kit.silent = True
        time.sleep(0.2)  # what is on its way arrives
        with pytest.raises(BenchError, match=r"no samples in 0\.5 s"):
            for _ in range(20):
                supply.measure_amperes()
        supply.safe_off()
        assert soon(lambda: not kit.on)
        supply.close()


def test_a_device_that_takes_more_than_the_limit_is_switched_off(tmp_path: Path) -> None:
    with PowerProfiler(amperes=0.2) as kit:
        supply = Ppk2(kit.port, max_volts=3.6, max_amperes=0.1, trace=tmp_path / "current.csv")
        supply.set_volts(3.0)
        supply.on()
        assert soon(lambda: supply._tripped != "" and not kit.on)
        with pytest.raises(
            BenchError, match=r"took 0\.\d+ A, above the rig's limit of 0\.1 A; its power was switched off"
        ):
            supply.set_volts(3.0)
        with pytest.raises(BenchError, match="above the rig's limit"):
            supply.on()
        supply.close()
        rows = (tmp_path / "current.csv").read_text().splitlines()
        assert rows[0] == "time_s,min_amperes,mean_amperes,max_amperes"
        assert max(float(row.split(",")[3]) for row in rows[1:]) == pytest.approx(0.2, rel=0.01)


@pytest.mark.parametrize(
    "microamperes",
    [[1e4] * 4000 + [2e5] * 1500 + [1e4] * 4500, [float("nan")] * 1000],
    ids=["early in a backlog", "not a number"],
)
def test_too_much_is_seen_wherever_it_stands_in_what_is_decoded_at_once(microamperes: list[float]) -> None:
    with PowerProfiler() as kit:
        supply = Ppk2(kit.port, max_volts=3.6, max_amperes=0.1)
        supply._api.get_samples = lambda data: (microamperes, [])
        supply.set_volts(3.0)
        with contextlib.suppress(BenchError):  # it may be seen before the call returns
            supply.on()
        assert soon(lambda: supply._tripped != "" and not kit.on)
        supply.close()


def test_a_device_switched_off_while_it_is_being_switched_on_stays_off() -> None:
    with PowerProfiler() as kit:
        supply = Ppk2(kit.port, max_volts=3.6, max_amperes=0.1)

        def trips() -> None:
            supply._tripped = "the device took too much"

        supply._sample = trips  # type: ignore[method-assign]
        with pytest.raises(BenchError, match="the device took too much"):
            supply.on()
        assert soon(lambda: not kit.on)
        supply.close()


def test_a_relay_that_is_pulled_out() -> None:
    with RelayBoard() as board:
        relay = open_relay(board.port)
        relay.on()
        assert soon(board.is_on)
    with pytest.raises(BenchError, match=f"supply {board.port}: "):
        relay.off()
    with pytest.raises(BenchError, match=f"supply {board.port}: "):
        relay.safe_off()
    relay.close()


@pytest.mark.parametrize(
    ("manners", "words"),
    [
        ("print('No compatible devices detected!'); sys.exit(1)", r"failed \(1\): No compatible devices"),
        ("time.sleep(60)", "has not ended in 1 s"),
        ("while True: print('x' * 1000)", "says more than 65536 bytes"),
        ("print('Port 1: 0100 power'); sys.exit(0)", "tells of no port 2"),
    ],
)
def test_uhubctl_with_bad_manners(tmp_path: Path, manners: str, words: str) -> None:
    program = fake_uhubctl(tmp_path, manners)
    begun = time.monotonic()
    with pytest.raises(BenchError, match=f"hub 1-1.4 port 2: .*{words}"):
        UhubctlPort("1-1.4", 2, nominal_volts=3.3, max_volts=3.6, program=str(program), timeout_s=1.0)
    assert time.monotonic() - begun < PATIENCE_S


def test_a_hub_that_does_not_switch(tmp_path: Path) -> None:
    program = fake_uhubctl(tmp_path)
    port = UhubctlPort("1-1.4", 2, nominal_volts=3.3, max_volts=3.6, program=str(program))
    program.write_text(program.read_text().replace("state.write_text", "print"))
    with pytest.raises(
        BenchError, match=r"the port is not off after .* does this hub switch its power at all"
    ):
        port.off()


def test_a_missing_uhubctl() -> None:
    with pytest.raises(BenchError, match=r"cannot be run: .*No such file"):
        UhubctlPort("1-1.4", 2, nominal_volts=3.3, max_volts=3.6, program="/nowhere/uhubctl")
