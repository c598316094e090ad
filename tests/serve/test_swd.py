"""SWD by pyOCD's remote-probe protocol, several clients at a time."""

from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pyocd.core import exceptions
from pyocd.core.helpers import ConnectHelper
from pyocd.core.session import Session
from pyocd.probe.tcp_client_probe import TCPClientProbe

from hil.serve.sockets import HOST
from hil.serve.swd import LINE_LIMIT, SwdServer
from hil.virtual.wire.swd import probe_class
from tests.serve.conftest import PATIENCE_S, Live

Connect = Callable[[], Session]


@pytest.fixture
def server(live: Live) -> Iterator[SwdServer]:
    """A kit that runs the program that counts, on its SWD socket."""
    live.load("rtt")
    live.bench.swd[0].kernel = live.loop
    made = SwdServer(live.loop, probe_class()(live.kit.name))
    live.start()
    yield made
    live.stop()
    made.close()


@pytest.fixture
def connected(server: SwdServer) -> Iterator[Connect]:
    """Opens sessions of pyOCD, as its command line does for `-u remote:... -t nrf52840`."""
    sessions: list[Session] = []

    def connect() -> Session:
        session = ConnectHelper.session_with_chosen_probe(
            unique_id=server.unique_id, target_override="nrf52840", no_config=True, blocking=False
        )
        assert session is not None
        session.open()
        sessions.append(session)
        return session

    yield connect
    for session in sessions:
        session.close()


class Raw:
    """A client that sends what it likes."""

    def __init__(self, server: SwdServer) -> None:
        self.socket = socket.create_connection((HOST, server.port), PATIENCE_S)
        self._file = self.socket.makefile("rb")

    def ask(self, request: str, *arguments: Any) -> dict[str, Any]:
        line = json.dumps({"id": 1, "request": request, "arguments": arguments})
        self.socket.sendall(line.encode() + b"\n")
        answer: dict[str, Any] = json.loads(self._file.readline())
        return answer

    def power_up(self) -> None:
        """Bring the line in step and ask for debug power."""
        self.ask("connect", "SWD")
        self.ask("swj_sequence", 56, (1 << 56) - 1)
        assert self.ask("read_dp", 0x0)["result"] == 0x2BA0_1477
        self.ask("write_dp", 0x4, 0x5000_0000)
        assert self.ask("read_dp", 0x4)["result"] & 0xF000_0000 == 0xF000_0000

    def vanish(self) -> None:
        """As a process does that is killed."""
        self._file.close()
        self.socket.close()


def test_pyocd_halts_reads_steps_and_resumes(connected: Connect) -> None:
    target = connected().target
    target.halt()
    assert target.is_halted()
    before = target.read_core_register("pc")
    target.step()
    assert target.read_core_register("pc") != before
    target.write_memory(0x2000_8000, 0x1234_5678)
    assert target.read_memory(0x2000_8000) == 0x1234_5678
    target.resume()
    assert not target.is_halted()


def test_a_second_client_may_come_and_go_while_the_first_works(connected: Connect) -> None:
    first = connected()
    first.target.halt()
    second = connected()
    assert second.target.read_memory(0xE000_ED00) == first.target.read_memory(0xE000_ED00) == 0x410F_C241
    second.close()
    first.target.halt()
    assert first.target.is_halted()
    first.target.write_memory(0x2000_8000, 1)
    assert first.target.read_memory(0x2000_8000) == 1


def test_an_error_of_one_client_is_not_the_others(server: SwdServer) -> None:
    first, second = Raw(server), Raw(server)
    for client in (first, second):
        client.power_up()
    first.ask("write_ap", 0x0, 0x2300_0052)  # CSW: words, incrementing
    first.ask("write_ap", 0x4, 0x6000_0000)  # TAR: where nothing is
    assert first.ask("read_ap", 0xC)["status"] == TCPClientProbe.StatusCode.TRANSFER_FAULT
    second.ask("write_ap", 0x4, 0xE000_ED00)
    assert second.ask("read_ap", 0xC)["result"] == 0x410F_C241
    first.vanish()
    second.vanish()


def test_debug_power_stays_for_the_client_that_wants_it(server: SwdServer) -> None:
    first, second = Raw(server), Raw(server)
    for client in (first, second):
        client.power_up()
    second.ask("write_dp", 0x4, 0)
    assert second.ask("read_dp", 0x4)["result"] & 0xF000_0000 == 0, "it waits for the acknowledges to fall"
    assert first.ask("read_dp", 0x4)["result"] & 0xF000_0000 == 0xF000_0000
    first.ask("write_dp", 0x4, 0)
    second.ask("write_dp", 0x4, 0x1000_0000)
    assert second.ask("read_dp", 0x4)["result"] & 0xF000_0000 == 0x3000_0000
    first.vanish()
    second.vanish()


def test_a_client_that_vanishes_lets_go_of_the_lock(server: SwdServer) -> None:
    first, second = Raw(server), Raw(server)
    assert first.ask("lock")["status"] == 0
    assert first.ask("lock")["status"] == 0
    first.vanish()
    assert second.ask("lock")["status"] == 0
    second.vanish()


def test_the_kit_survives_any_number_of_clients_that_vanish(server: SwdServer, connected: Connect) -> None:
    for _ in range(40):
        client = Raw(server)
        client.ask("hello", 1)
        client.socket.sendall(b'{"id": 2, "request": "read_')
        client.vanish()
    assert connected().target.read_memory(0xE000_ED00) == 0x410F_C241


@pytest.mark.parametrize(
    ("request_name", "arguments"),
    [
        ("swj_sequence", (1 << 40, 1)),
        ("swj_sequence", (-1, 1)),
        ("read_ap_multiple", (0xC, 1 << 40)),
        ("read_ap", (-4,)),
        ("read_ap", ("twelve",)),
        ("write_ap", (0xC, None)),
        ("write_ap_multiple", (0xC, [1, "two"])),
        ("write_dp", (1 << 40, 0)),
        ("set_clock", (float("nan"),)),
        ("set_clock", ("fast",)),
        ("connect", ("JTAG",)),
        ("connect", ("nothing",)),
        ("jtag_sequence", (1, 1, True, 1)),
        ("swd_sequence", ([],)),
        ("swo_start", (1000,)),
        ("readprop", ("no_such_property",)),
        ("hello", (99,)),
        ("no_such_request", ()),
        ("read_dp", ()),
    ],
)
def test_what_makes_no_sense_is_refused(
    server: SwdServer, request_name: str, arguments: tuple[Any, ...]
) -> None:
    client = Raw(server)
    assert client.ask(request_name, *arguments)["status"] != 0
    assert client.ask("hello", 1)["status"] == 0
    client.vanish()


def test_a_request_without_end_is_cut_off(server: SwdServer) -> None:
    client = Raw(server)
    try:
        for _ in range(2 + LINE_LIMIT // 4096):
            client.socket.sendall(b"x" * 4096)
        assert client.socket.recv(1) == b""
    except ConnectionError:
        pass  # hung up while there was more to come
    client.vanish()


def test_the_kit_in_HIL_KIT_is_listed(server: SwdServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_KIT", server.unique_id)
    listed = [
        probe for probe in probe_class().get_all_connected_probes() if isinstance(probe, TCPClientProbe)
    ]
    assert [probe.unique_id for probe in listed] == [server.unique_id]
    assert listed[0].associated_board_info.target == "nrf52840"


def test_a_kit_in_HIL_KIT_that_nobody_serves_is_not_listed(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server((HOST, 0)) as free:
        port = free.getsockname()[1]
    monkeypatch.setenv("HIL_KIT", f"remote:{HOST}:{port}")
    assert probe_class().get_all_connected_probes() == []


def test_a_port_that_is_none_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_KIT", "remote:somewhere")
    with pytest.raises(exceptions.ProbeError, match="expected remote:HOST:PORT"):
        probe_class().get_all_connected_probes()


def test_who_asks_after_the_end_gets_an_error(live: Live, server: SwdServer) -> None:
    client = Raw(server)
    client.ask("hello", 1)
    live.stop()
    answer = client.ask("read_dp", 0)
    assert answer["status"] != 0
    assert "closed" in answer["error"]
    client.vanish()
