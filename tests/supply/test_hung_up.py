"""A supply on a raw socket that hangs up: pyvisa-py's own way to drop old input would never return."""

from __future__ import annotations

import socket
import threading

import pytest

from hil.errors import BenchError
from hil.supply.visa import Instrument


def _server(answers: list[bytes]) -> tuple[socket.socket, threading.Thread]:
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        client, _ = listener.accept()
        with client:
            for answer in answers:
                client.recv(4096)
                client.sendall(answer)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    return listener, thread


def test_an_instrument_that_hung_up_is_told_and_not_waited_for() -> None:
    listener, thread = _server([b"ACME,1,2,3\n"])
    with listener:
        name = f"TCPIP::127.0.0.1::{listener.getsockname()[1]}::SOCKET"
        instrument = Instrument(name, timeout_s=0.3)
        assert instrument.query("*IDN?") == "ACME,1,2,3"
        thread.join()
        instrument.discard_input()
        for _ in range(2):
            with pytest.raises(BenchError, match=f"supply {name}: "):
                instrument.query("OUTP?")
        instrument.close()


def test_what_nobody_waited_for_is_dropped() -> None:
    listener, thread = _server([b"1\nlate\nlater\n", b"2\n"])
    with listener:
        instrument = Instrument(f"TCPIP::127.0.0.1::{listener.getsockname()[1]}::SOCKET", timeout_s=5.0)
        assert instrument.query("A?") == "1"
        assert instrument.query("B?") == "2"
        instrument.close()
        thread.join()


def test_a_command_does_not_wait_for_the_acknowledgement_of_the_one_before() -> None:
    listener, thread = _server([b"1\n"])
    with listener:
        instrument = Instrument(f"TCPIP::127.0.0.1::{listener.getsockname()[1]}::SOCKET", timeout_s=5.0)
        opened = instrument._resource
        connected = opened.visalib.sessions[opened.session].interface
        assert connected.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        assert instrument.query("A?") == "1"
        instrument.close()
        thread.join()
