"""Supplies of other makers, simulated at the wire: text or bytes over a TCP socket or a pseudo-terminal.

Each speaks as its maker's manual says, written here apart from the profiles, and knows nothing of limits. Every
message that reached it is kept.
"""

from __future__ import annotations

import os
import re
import select
import socket
import threading
import time
import tty
from collections.abc import Callable
from dataclasses import dataclass, field

LOAD_AMPERES = 0.012


@dataclass
class Output:
    volts: float = 0.0
    amperes: float = 1.0
    protection: float = 33.0
    protected: bool = False
    on: bool = False

    @property
    def measured_volts(self) -> float:
        return self.volts if self.on else 0.0

    @property
    def measured_amperes(self) -> float:
        return min(LOAD_AMPERES, self.amperes) if self.on else 0.0


class Refused(Exception):
    """What the instrument puts into its error queue."""


Rule = tuple[str, Callable[..., str | None]]


@dataclass
class Model:
    """What an instrument is, without its wire."""

    outputs: list[Output] = field(default_factory=lambda: [Output(), Output(), Output()])
    errors: list[str] = field(default_factory=list)
    selected: int = 0
    stuck_on: bool = False
    """A relay that is welded: the output cannot be switched off."""

    identity = ""
    end = "\n"
    no_error = '0,"No error"'

    def rules(self) -> list[Rule]:
        raise NotImplementedError

    def execute(self, message: str) -> str | None:
        for pattern, action in self.rules():
            match = re.fullmatch(pattern, message)
            if match:
                try:
                    return action(*match.groups())
                except Refused as error:
                    self.refuse(str(error))
                    return None
        self.refuse('-113,"Undefined header"')
        return None

    def refuse(self, error: str) -> None:
        self.errors.append(error)

    def output(self, channel: str) -> Output:
        if not 1 <= int(channel) <= len(self.outputs):
            raise Refused('-241,"Hardware missing"')
        return self.outputs[int(channel) - 1]

    def next_error(self) -> str:
        return self.errors.pop(0) if self.errors else self.no_error

    def forget(self) -> None:
        self.errors.clear()

    def set_volts(self, channel: str, volts: str) -> None:
        self.output(channel).volts = float(volts)

    def set_amperes(self, channel: str, amperes: str) -> None:
        self.output(channel).amperes = float(amperes)

    def switch(self, channel: str, word: str) -> None:
        output = self.output(channel)
        output.on = word in ("ON", "1") or (self.stuck_on and output.on)

    def protect(self, channel: str, volts: str) -> None:
        self.output(channel).protection = float(volts)

    def arm(self, channel: str, word: str) -> None:
        self.output(channel).protected = word == "ON"


NUMBER = r"(\d+\.\d+)"


class KeysightE36312(Model):
    identity = "Keysight Technologies,E36312A,MY58420000,1.0.4-1.0.0-1.00"
    no_error = '+0,"No error"'

    def rules(self) -> list[Rule]:
        chosen = r"\(@(\d)\)"
        return [
            (r"\*IDN\?", lambda: self.identity),
            (r"\*CLS", self.forget),
            (r"SYST:ERR\?", self.next_error),
            (rf"VOLT {NUMBER},{chosen}", lambda volts, at: self.set_volts(at, volts)),
            (rf"CURR {NUMBER},{chosen}", lambda amperes, at: self.set_amperes(at, amperes)),
            (rf"VOLT\? {chosen}", lambda at: f"{self.output(at).volts:+.8E}"),
            (rf"CURR\? {chosen}", lambda at: f"{self.output(at).amperes:+.8E}"),
            (rf"VOLT:PROT {NUMBER},{chosen}", lambda volts, at: self.protect(at, volts)),
            (rf"OUTP (ON|OFF|0|1),{chosen}", lambda word, at: self.switch(at, word)),
            (rf"OUTP\? {chosen}", lambda at: f"{self.output(at).on:d}"),
            (rf"MEAS:VOLT\? {chosen}", lambda at: f"{self.output(at).measured_volts:+.8E}"),
            (rf"MEAS:CURR\? {chosen}", lambda at: f"{self.output(at).measured_amperes:+.8E}"),
        ]


class KeysightE36103(Model):
    identity = "Keysight Technologies,E36103B,MY55000000,1.0.2"
    no_error = '+0,"No error"'

    def rules(self) -> list[Rule]:
        return [
            (r"\*IDN\?", lambda: self.identity),
            (r"\*CLS", self.forget),
            (r"SYST:ERR\?", self.next_error),
            (rf"VOLT {NUMBER}", lambda volts: self.set_volts("1", volts)),
            (rf"CURR {NUMBER}", lambda amperes: self.set_amperes("1", amperes)),
            (r"VOLT\?", lambda: f"{self.outputs[0].volts:+.8E}"),
            (r"CURR\?", lambda: f"{self.outputs[0].amperes:+.8E}"),
            (rf"VOLT:PROT {NUMBER}", lambda volts: self.protect("1", volts)),
            (r"VOLT:PROT:STAT (ON|OFF)", lambda word: self.arm("1", word)),
            (r"OUTP (ON|OFF|0|1)", lambda word: self.switch("1", word)),
            (r"OUTP\?", lambda: f"{self.outputs[0].on:d}"),
            (r"MEAS:VOLT\?", lambda: f"{self.outputs[0].measured_volts:+.8E}"),
            (r"MEAS:CURR\?", lambda: f"{self.outputs[0].measured_amperes:+.8E}"),
        ]


class RigolDp832(Model):
    identity = "RIGOL TECHNOLOGIES,DP832A,DP8B000000000,00.01.16"

    def rules(self) -> list[Rule]:
        return [
            (r"\*IDN\?", lambda: self.identity),
            (r"\*CLS", self.forget),
            (r":SYST:ERR\?", self.next_error),
            (rf":SOUR(\d):VOLT {NUMBER}", self.set_volts),
            (rf":SOUR(\d):CURR {NUMBER}", self.set_amperes),
            (r":SOUR(\d):VOLT\?", lambda at: f"{self.output(at).volts:.3f}"),
            (r":SOUR(\d):CURR\?", lambda at: f"{self.output(at).amperes:.4f}"),
            (rf":OUTP:OVP:VAL CH(\d),{NUMBER}", self.protect),
            (r":OUTP:OVP CH(\d),(ON|OFF)", self.arm),
            (r":OUTP CH(\d),(ON|OFF)", self.switch),
            (r":OUTP\? CH(\d)", lambda at: "ON" if self.output(at).on else "OFF"),
            (r":MEAS:VOLT\? CH(\d)", lambda at: f"{self.output(at).measured_volts:.4f}"),
            (r":MEAS:CURR\? CH(\d)", lambda at: f"{self.output(at).measured_amperes:.4f}"),
        ]


class SiglentSpd3303x(Model):
    identity = "Siglent Technologies,SPD3303X,SPD00001130025,1.01.01.01.02,V3.0"
    no_error = "0  No Error"

    def rules(self) -> list[Rule]:
        return [
            (r"\*IDN\?", lambda: self.identity),
            (r"SYST:ERR\?", self.next_error),
            (rf"CH([12]):VOLT {NUMBER}", self.set_volts),
            (rf"CH([12]):CURR {NUMBER}", self.set_amperes),
            (r"CH([12]):VOLT\?", lambda at: f"{self.output(at).volts:.3f}"),
            (r"CH([12]):CURR\?", lambda at: f"{self.output(at).amperes:.3f}"),
            (r"OUTP CH([123]),(ON|OFF)", self.switch),
            (r"MEAS:VOLT\? CH([12])", lambda at: f"{self.output(at).measured_volts:.3f}"),
            (r"MEAS:CURR\? CH([12])", lambda at: f"{self.output(at).measured_amperes:.3f}"),
            (r"SYST:STAT\?", self.status),
        ]

    def status(self) -> str:
        return hex(0x4 | self.outputs[0].on << 4 | self.outputs[1].on << 5)


class RohdeSchwarzHmp(Model):
    identity = "ROHDE&SCHWARZ,HMP4040,000000000,HW50020003/SW2.51"

    general = False

    def rules(self) -> list[Rule]:
        return [
            (r"\*IDN\?", lambda: self.identity),
            (r"\*CLS", self.forget),
            (r"SYST:ERR\?", self.next_error),
            (r"INST:NSEL (\d)", self.choose),
            (rf"VOLT {NUMBER}", lambda volts: self.set_volts(self.at, volts)),
            (rf"CURR {NUMBER}", lambda amperes: self.set_amperes(self.at, amperes)),
            (r"VOLT\?", lambda: f"{self.output(self.at).volts:.3f}"),
            (r"CURR\?", lambda: f"{self.output(self.at).amperes:.4f}"),
            (rf"VOLT:PROT {NUMBER}", lambda volts: self.protect(self.at, volts)),
            (r"OUTP:SEL (ON|OFF|0|1)", lambda word: self.switch(self.at, word)),
            (r"OUTP:SEL\?", lambda: f"{self.output(self.at).on:d}"),
            (r"OUTP:GEN (ON|OFF|0|1)", self.switch_all),
            (r"MEAS:VOLT\?", lambda: f"{self.output(self.at).measured_volts * self.general:.3f}"),
            (r"MEAS:CURR\?", lambda: f"{self.output(self.at).measured_amperes * self.general:.4f}"),
        ]

    @property
    def at(self) -> str:
        return str(self.selected + 1)

    def choose(self, channel: str) -> None:
        self.output(channel)
        self.selected = int(channel) - 1

    def switch_all(self, word: str) -> None:
        self.general = word in ("ON", "1")


class TtiPl303(Model):
    identity = "THURLBY THANDAR, PL303-P, 400001, 3.02-4.06"
    end = "\r\n"

    def rules(self) -> list[Rule]:
        return [
            (r"\*IDN\?", lambda: self.identity),
            (r"\*CLS", self.forget),
            (r"EER\?", self.next_error),
            (r"QER\?", lambda: "0"),
            (rf"V(\d) {NUMBER}", self.set_volts),
            (rf"I(\d) {NUMBER}", self.set_amperes),
            (r"V(\d)\?", lambda at: f"V{at} {self.output(at).volts:.3f}"),
            (r"I(\d)\?", lambda at: f"I{at} {self.output(at).amperes:.3f}"),
            (r"V(\d)O\?", lambda at: f"{self.output(at).measured_volts:.3f}V"),
            (r"I(\d)O\?", lambda at: f"{self.output(at).measured_amperes:.3f}A"),
            (r"OP(\d) ([01])", self.switch),
            (r"OP(\d)\?", lambda at: f"{self.output(at).on:d}"),
            (rf"OVP(\d) {NUMBER}", self.protect),
        ]

    def refuse(self, error: str) -> None:
        self.errors = ["103"]  # a register, which holds the last one

    def next_error(self) -> str:
        return self.errors.pop() if self.errors else "0"


class GenericScpi(KeysightE36103):
    identity = "ACME,PSU-1,1,1"

    def rules(self) -> list[Rule]:
        return [(r"INST:NSEL ([123])", lambda _: None), *super().rules()]


class KoradKa3005p(Model):
    """Takes what is a whole command as one: its lines have no end."""

    identity = "KORADKA3005PV2.0"
    end = ""
    COMMAND = re.compile(
        r"\*IDN\?|STATUS\?|[VI](?:SET|OUT)1\?|VSET1:\d\d\.\d\d|ISET1:\d\.\d{3}|OUT[01]|O[CV]P[01]|BEEP[01]"
    )

    def rules(self) -> list[Rule]:
        return [
            (r"\*IDN\?", lambda: self.identity),
            (r"STATUS\?", lambda: chr(0x11 | self.outputs[0].on << 6)),
            (rf"VSET1:{NUMBER}", lambda volts: self.set_volts("1", volts)),
            (rf"ISET1:{NUMBER}", self.limit),
            (r"VSET1\?", lambda: f"{self.outputs[0].volts:05.2f}"),
            (r"ISET1\?", lambda: f"{self.outputs[0].amperes:.3f}K"),  # the sixth byte
            (r"VOUT1\?", lambda: f"{self.outputs[0].measured_volts:05.2f}"),
            (r"IOUT1\?", lambda: f"{self.outputs[0].measured_amperes:.3f}"),
            (r"OUT([01])", lambda word: self.switch("1", word)),
        ]

    def limit(self, amperes: str) -> None:
        self.set_amperes("1", amperes)
        self.outputs[0].on = False


class Wire:
    """A model behind a wire of its own, in a thread: a TCP socket or, for serial instruments, a pseudo-terminal.

    `manners` is asked first what to answer to a message, and may give bytes, None for nothing, or `PROPER`.
    """

    PROPER = object()

    def __init__(self, model: Model, *, serial: bool = False) -> None:
        self.model = model
        self.received: list[str] = []
        self.manners: Callable[[str], object] = lambda message: self.PROPER
        self._serial = serial
        self._stop = threading.Event()
        self._unplug = threading.Event()
        self._listener: socket.socket | None = None
        if serial:
            self._master, self._slave = os.openpty()
            tty.setraw(self._slave)
            self.resource = f"ASRL{os.ttyname(self._slave)}::INSTR"
        else:
            self._listener = socket.create_server(("127.0.0.1", 0))
            self.resource = f"TCPIP0::127.0.0.1::{self._listener.getsockname()[1]}::SOCKET"
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def unplug(self) -> None:
        """Break the wire, from within `manners` or from outside."""
        self._unplug.set()

    def close(self) -> None:
        self._stop.set()
        self._thread.join(10)

    def _run(self) -> None:
        if self._serial:
            try:
                self._talk(self._master)
            finally:
                os.close(self._master)
                os.close(self._slave)
            return
        assert self._listener is not None
        with self._listener:
            while not self._stop.is_set() and not self._unplug.is_set():
                if select.select([self._listener], [], [], 0.02)[0]:
                    connection, _ = self._listener.accept()
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    with connection:
                        self._talk(connection.fileno())

    def _talk(self, handle: int) -> None:
        buffer = b""
        while not self._stop.is_set() and not self._unplug.is_set():
            if not select.select([handle], [], [], 0.02)[0]:
                continue
            try:
                data = os.read(handle, 4096)
            except OSError:
                return
            if not data:
                return
            buffer += data
            messages, buffer = self._split(buffer)
            for message in messages:
                self._answer(handle, message)

    def _split(self, buffer: bytes) -> tuple[list[str], bytes]:
        if isinstance(self.model, KoradKa3005p):
            text = buffer.decode("ascii", errors="replace")
            found = []
            while match := self.model.COMMAND.match(text):
                found.append(match.group())
                text = text[match.end() :]
            return found, text.encode("ascii", errors="replace")
        *lines, rest = buffer.split(b"\n")
        return [line.decode("ascii", errors="replace").strip() for line in lines], rest

    def _answer(self, handle: int, message: str) -> None:
        self.received.append(message)
        answer = self.manners(message)
        if answer is self.PROPER:
            text = self.model.execute(message)
            answer = None if text is None else (text + self.model.end).encode("latin-1")
        if isinstance(answer, bytes) and not self._unplug.is_set():
            try:
                while answer:
                    answer = answer[os.write(handle, answer) :]
            except OSError:
                return


class Time:
    """A bench's time that passes by sleeping, and a millisecond at each look at it, as work takes time."""

    def __init__(self) -> None:
        self.now = 0.0

    def clock(self) -> float:
        self.now += 0.001
        return self.now

    def sleep(self, seconds: float) -> None:
        assert seconds >= 0
        self.now += seconds


class RealTime:
    """The wall clock, for what has to happen at the same time as the simulated instrument's own thread."""

    clock = staticmethod(time.monotonic)
    sleep = staticmethod(time.sleep)
