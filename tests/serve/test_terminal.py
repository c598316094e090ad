"""A UART of the kit as a pseudo-terminal."""

from __future__ import annotations

import os
import select
import termios
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hil.serve.terminal import BACKLOG, OPEN_POLL_S, PseudoTerminal
from tests.serve.conftest import PATIENCE_S, Live

EVERY_BYTE = bytes(range(256))


@pytest.fixture
def terminal(live: Live) -> Iterator[PseudoTerminal]:
    """The console of a kit that has no power, so that the test plays the kit."""
    made = PseudoTerminal(live.loop, live.kit.console)
    yield made
    live.stop()
    made.close()


def client(terminal: PseudoTerminal) -> int:
    """Open it as a program does that leaves its settings alone."""
    return os.open(terminal.path, os.O_RDWR | os.O_NOCTTY)


def read(descriptor: int, count: int) -> bytes:
    data = b""
    limit = time.monotonic() + PATIENCE_S
    while len(data) < count and time.monotonic() < limit:
        if select.select([descriptor], [], [], 0.1)[0]:
            data += os.read(descriptor, count - len(data))
    return data


def test_every_byte_passes_unchanged(live: Live, terminal: PseudoTerminal) -> None:
    live.start()
    descriptor = client(terminal)
    live.loop.call(lambda: terminal.receive(EVERY_BYTE))
    assert read(descriptor, 256) == EVERY_BYTE
    os.close(descriptor)


def test_what_came_before_it_was_opened_is_there(live: Live, terminal: PseudoTerminal) -> None:
    live.start()
    live.loop.call(lambda: terminal.receive(b"boot\r\n"))
    time.sleep(4 * OPEN_POLL_S)
    # pyserial throws away what has arrived when it opens a port.
    with serial.Serial(terminal.path, 115_200, timeout=PATIENCE_S) as port:
        assert port.read(6) == b"boot\r\n"


def test_it_stays_while_clients_come_and_go(live: Live, terminal: PseudoTerminal) -> None:
    live.start()
    for turn in range(3):
        descriptor = client(terminal)
        live.loop.call(lambda text=b"turn %d" % turn: terminal.receive(text))
        assert read(descriptor, 6) == b"turn %d" % turn
        os.close(descriptor)
        live.until(lambda: not terminal._attached)


def test_a_client_that_does_not_read_holds_nothing_up(live: Live, terminal: PseudoTerminal) -> None:
    live.start()
    descriptor = client(terminal)
    live.until(lambda: terminal._attached)
    flood = bytes(3 * BACKLOG) + b"end"
    for at in range(0, len(flood), 8192):
        live.loop.call(lambda part=flood[at : at + 8192]: terminal.receive(part))
    assert terminal.dropped > 0
    assert len(terminal._out) <= BACKLOG
    data = b""
    while not data.endswith(b"end"):  # the newest bytes are kept
        part = read(descriptor, 1)
        assert part, "the end never came"
        data += part + os.read(descriptor, 4096)
    assert len(data) + terminal.dropped == len(flood)
    os.close(descriptor)


def test_flow_control_is_the_clients_choice(live: Live, terminal: PseudoTerminal) -> None:
    live.start()
    line = live.kit.console
    with serial.Serial(terminal.path, 115_200, rtscts=True, timeout=PATIENCE_S):
        live.until(lambda: line.flow_control)
        live.loop.call(lambda: terminal.receive(bytes(BACKLOG)))
        live.until(lambda: not line.ready)
    live.until(lambda: line.ready)
    with serial.Serial(terminal.path, 115_200, rtscts=False):
        live.until(lambda: not line.flow_control)


def test_it_is_raw_from_the_beginning(live: Live, terminal: PseudoTerminal) -> None:
    descriptor = client(terminal)
    local = termios.tcgetattr(descriptor)[3]
    assert not local & (termios.ECHO | termios.ICANON | termios.ISIG)
    os.close(descriptor)


def test_firmware_on_the_line(live: Live, terminal: PseudoTerminal) -> None:
    live.load("echo")
    live.start()
    with serial.Serial(terminal.path, 9_600, timeout=PATIENCE_S) as port:
        assert port.read(12) == b"echo ready\r\n"
        port.write(EVERY_BYTE)
        assert port.read(256) == EVERY_BYTE


def test_it_is_gone_at_the_end(live: Live) -> None:
    made = PseudoTerminal(live.loop, live.kit.console)
    assert Path(made.path).exists()
    made.close()
    assert live.kit.console.far_end is None
