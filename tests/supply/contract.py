"""What the contract suite holds each driver and each profile to, and the simulated instrument behind it."""

from __future__ import annotations

import contextlib
import os
import re
import select
import struct
import sys
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from hil.supply import Supply
from hil.supply import profile as profiles
from hil.supply.ppk2 import Ppk2
from hil.supply.relay import Relay, lcus_message
from hil.supply.scpi import ScpiSupply
from hil.supply.uhubctl import UhubctlPort

from . import simulated
from .simulated import Model, Time, Wire

MAX_VOLTS = 3.6
MAX_AMPERES = 0.4
NOMINAL = 3.3

MODELS: dict[str, tuple[type[Model], bool]] = {
    "keysight-e36300": (simulated.KeysightE36312, False),
    "keysight-e36100": (simulated.KeysightE36103, False),
    "rigol-dp800": (simulated.RigolDp832, False),
    "siglent-spd3303x": (simulated.SiglentSpd3303x, False),
    "rohde-schwarz": (simulated.RohdeSchwarzHmp, False),
    "tti-pl": (simulated.TtiPl303, True),
    "korad-ka3005p": (simulated.KoradKa3005p, True),
    "scpi": (simulated.GenericScpi, False),
}
"""For each profile the simulated instrument, and whether it is on a serial port. hil-vps is the virtual bench's own."""

SWITCHES = ("relay", "uhubctl")
DRIVERS = (*MODELS, "ppk2", *SWITCHES)


@dataclass
class Subject:
    """A driver, and what its simulated instrument does."""

    name: str
    supply: Supply
    volts: Callable[[], float]
    """What stands at the terminals."""
    asked: Callable[[], tuple[float, float, float]]
    """The highest voltage, current limit and over-voltage protection that ever reached the instrument."""
    time: Time

    @property
    def sets_volts(self) -> bool:
        return self.name not in SWITCHES

    @property
    def measures_volts(self) -> bool:
        return self.name in MODELS

    @property
    def measures_amperes(self) -> bool:
        return self.name not in SWITCHES


NUMBERS = {
    "keysight-e36300": (r"VOLT (\S+),", r"CURR (\S+),", r"VOLT:PROT (\S+),"),
    "keysight-e36100": (r"VOLT (\S+)", r"CURR (\S+)", r"VOLT:PROT ([\d.]+)"),
    "scpi": (r"VOLT (\S+)", r"CURR (\S+)", r"VOLT:PROT ([\d.]+)"),
    "rohde-schwarz": (r"VOLT (\S+)", r"CURR (\S+)", r"VOLT:PROT (\S+)"),
    "rigol-dp800": (r":SOUR\d:VOLT (\S+)", r":SOUR\d:CURR (\S+)", r":OUTP:OVP:VAL CH\d,(\S+)"),
    "siglent-spd3303x": (r"CH\d:VOLT (\S+)", r"CH\d:CURR (\S+)", "none"),
    "tti-pl": (r"V\d (\S+)", r"I\d (\S+)", r"OVP\d (\S+)"),
    "korad-ka3005p": (r"VSET1:(\S+)", r"ISET1:(\S+)", "none"),
}
"""How a voltage, a current limit and a protection level are told in what an instrument received."""


def highest(name: str, received: list[str]) -> tuple[float, float, float]:
    """The highest of each that is in these messages."""
    found = []
    for pattern in NUMBERS[name]:
        numbers = [float(match.group(1)) for text in received if (match := re.match(pattern, text))]
        found.append(max(numbers, default=0.0))
    return found[0], found[1], found[2]


@contextlib.contextmanager
def subject(
    name: str,
    folder: Path,
    *,
    max_volts: float = MAX_VOLTS,
    max_amperes: float = MAX_AMPERES,
    serial: bool = False,
) -> Iterator[Subject]:
    """Open the driver or profile `name` in front of its simulated instrument; `serial` for a faster wire."""
    if name in MODELS:
        model, on_port = MODELS[name]
        with wired(model(), serial=on_port or serial) as wire:
            bench = Time()
            with opened(name, wire, bench, max_volts, max_amperes) as supply:
                yield scpi_subject(name, wire, supply, bench)
    elif name == "ppk2":
        with PowerProfiler() as kit:
            bench = Time()
            driver = Ppk2(
                kit.port,
                max_volts=max_volts,
                max_amperes=max_amperes,
                trace=folder / "current.csv",
                clock=bench.clock,
                sleep=bench.sleep,
            )
            with contextlib.closing(driver):
                yield Subject(
                    name, driver, kit.terminals, lambda: (max(kit.volts_seen, default=0.0), 0.0, 0.0), bench
                )
    elif name == "relay":
        with RelayBoard() as board, contextlib.closing(open_relay(board.port)) as relay:
            yield Subject(name, relay, lambda: NOMINAL * board.is_on(), lambda: (0.0, 0.0, 0.0), Time())
    else:
        program = fake_uhubctl(folder)
        port = UhubctlPort("1-1.4", 2, nominal_volts=NOMINAL, max_volts=MAX_VOLTS, program=str(program))
        state = folder / "state"
        with contextlib.closing(port):
            yield Subject(
                name, port, lambda: NOMINAL * (state.read_text() == "on"), lambda: (0.0, 0.0, 0.0), Time()
            )


def open_relay(port: str) -> Relay:
    return Relay(
        port,
        on_message=lcus_message(1, True),
        off_message=lcus_message(1, False),
        nominal_volts=NOMINAL,
        max_volts=MAX_VOLTS,
    )


def scpi_subject(name: str, wire: Wire, supply: ScpiSupply, bench: Time) -> Subject:
    output = wire.model.outputs[0]
    return Subject(name, supply, lambda: output.measured_volts, lambda: highest(name, wire.received), bench)


@contextlib.contextmanager
def wired(model: Model, *, serial: bool = False) -> Iterator[Wire]:
    wire = Wire(model, serial=serial)
    try:
        yield wire
    finally:
        wire.close()


def opened(
    name: str,
    wire: Wire,
    bench: Time,
    max_volts: float = MAX_VOLTS,
    max_amperes: float = MAX_AMPERES,
    timeout_s: float = 5.0,
) -> ScpiSupply:
    return ScpiSupply(
        wire.resource,
        max_volts=max_volts,
        max_amperes=max_amperes,
        profile=profiles.named(name),
        clock=bench.clock,
        sleep=bench.sleep,
        timeout_s=timeout_s,
    )


# ---- A Power Profiler Kit II ----


class PowerProfiler:
    """The kit's serial protocol, as ppk2-api and nRF Connect Power Profiler speak it, on a pseudo-terminal."""

    OHMS = 0.94  # of range 3
    MULTIPLIER = 1.8 / 163_840

    def __init__(self, amperes: float = 0.012) -> None:
        self.amperes = amperes
        self.volts_seen: list[float] = []
        self.on = False
        self.received = bytearray()
        self._sampling = False
        self._stop = threading.Event()
        self.silent = False
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> PowerProfiler:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(10)
        for handle in (self._master, self._slave):
            with contextlib.suppress(OSError):
                os.close(handle)

    def terminals(self) -> float:
        return self.volts_seen[-1] if self.on and self.volts_seen else 0.0

    def metadata(self) -> bytes:
        lines = ["Calibrated: 1", "HW: 9173", "IA: 55"]
        ohms = (1031.64, 101.65, 10.15, self.OHMS, 0.043)
        lines += [f"R{index}: {value}" for index, value in enumerate(ohms)]
        for key, value in (("GS", 0.0), ("GI", 1.0), ("O", 0.0), ("S", 0.0), ("I", 0.0), ("UG", 1.0)):
            lines += [f"{key}{index}: {value}" for index in range(5)]
        return ("\n".join(lines) + "\nEND").encode("ascii")

    def _run(self) -> None:
        counter = 0
        lengths = {0x0C: 2, 0x0D: 3, 0x11: 2}
        while not self._stop.is_set():
            if select.select([self._master], [], [], 0.001)[0]:
                with contextlib.suppress(OSError):
                    self.received += os.read(self._master, 4096)
            while self.received and len(self.received) >= (size := lengths.get(self.received[0], 1)):
                message = bytes(self.received[:size])
                del self.received[:size]
                self._take(message)
            if self._sampling and not self.silent:
                raw = round((self.amperes if self.on else 0.0) * self.OHMS / self.MULTIPLIER / 4)
                words = [raw | 3 << 14 | (counter + index & 0x3F) << 18 for index in range(200)]
                counter += len(words)
                with contextlib.suppress(OSError):
                    os.write(self._master, struct.pack("<200I", *words))

    def _take(self, message: bytes) -> None:
        if message[0] == 0x19 and not self.silent:
            os.write(self._master, self.metadata())
        elif message[0] == 0x0D:
            self.volts_seen.append(((message[1] - 3) * 256 + message[2] - 32 + 800) / 1000)
        elif message[0] == 0x0C:
            self.on = message[1] == 1
        elif message[0] in (0x06, 0x07):
            self._sampling = message[0] == 0x06


# ---- Switches ----


class RelayBoard:
    """An LCUS board on a pseudo-terminal."""

    def __init__(self) -> None:
        self._master, self._slave = os.openpty()
        tty.setraw(self._slave)
        self.port = os.ttyname(self._slave)
        self.received = b""
        self._on = False

    def __enter__(self) -> RelayBoard:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._master)
        os.close(self._slave)

    def is_on(self) -> bool:
        while select.select([self._master], [], [], 0.05)[0]:
            self.received += os.read(self._master, 64)
        while len(self.received) >= 4:
            start, channel, state, check = self.received[:4]
            assert (start, channel, check) == (0xA0, 1, start + channel + state & 0xFF)
            self._on = state == 1
            self.received = self.received[4:]
        return self._on


def fake_uhubctl(folder: Path, manners: str = "") -> Path:
    """A program with uhubctl's words, which keeps the port's state in a file; `manners` is what it does before."""
    (folder / "state").write_text("on")
    program = folder / "uhubctl"
    program.write_text(
        f"""#!{sys.executable}
import pathlib, sys, time
{manners}
arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
state = pathlib.Path({str(folder / "state")!r})
def status(word):
    print(word, "status for hub", arguments["-l"], "[05e3:0608 USB2.0 Hub, USB 2.10, 4 ports]")
    print(f"  Port {{arguments['-p']}}:", "0100 power" if state.read_text() == "on" else "0000 off")
status("Current")
if "-a" in arguments:
    state.write_text(arguments["-a"])
    print("Sent power", arguments["-a"], "request")
    status("New")
""",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return program


def soon(what: Callable[[], bool], seconds: float = 5.0) -> bool:
    """Whether it comes true: a simulated instrument takes what it was sent in a thread of its own."""
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True
