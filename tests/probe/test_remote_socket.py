"""A probe server that hangs up, falls silent or never ends its line: every wait has an end."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator

import pytest

from hil.errors import BenchError
from hil.probe import remote_socket
from hil.probe.pyocd import PyocdProbe
from hil.probe.remote_socket import BoundedSocket


class Server:
    """Answers whoever connects with `answer`, and hangs up or goes on listening."""

    def __init__(self, answer: bytes, *, hang_up: bool) -> None:
        self._answer, self._hang_up = answer, hang_up
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self._open: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        try:
            while True:
                client, _ = self._listener.accept()
                client.recv(1 << 16)
                client.sendall(self._answer)
                if self._hang_up:
                    client.close()
                else:
                    self._open.append(client)
        except OSError:
            return

    def close(self) -> None:
        self._listener.close()
        for client in self._open:
            client.close()


@pytest.fixture
def soon(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setattr(remote_socket, "ANSWER_TIMEOUT_S", 0.3)
    yield


@pytest.mark.parametrize(
    ("answer", "hang_up", "told"),
    [
        (b"", True, "the probe server has hung up"),
        (b'{"id":', True, "the probe server has hung up"),
        (b"", False, "the probe server does not answer in 0.3 s"),
        (b"no JSON\n", False, "Expecting value"),
        (b"x" * (2 << 20), False, "a line without an end"),
    ],
)
@pytest.mark.usefixtures("soon")
def test_a_server_with_bad_manners_is_the_benchs_fault(answer: bytes, hang_up: bool, told: str) -> None:
    server = Server(answer, hang_up=hang_up)
    try:
        with pytest.raises(
            BenchError, match=f"probe remote:127.0.0.1:{server.port}: cannot connect: .*{told}"
        ):
            PyocdProbe(unique_id=f"remote:127.0.0.1:{server.port}").open()
    finally:
        server.close()


def test_lines_come_one_by_one() -> None:
    server = Server(b"one\ntwo\nthr", hang_up=True)
    try:
        client = BoundedSocket("127.0.0.1", server.port)
        client.connect()
        client.write(b"hello\n")
        assert [client.readline(), client.readline()] == [b"one\n", b"two\n"]
        with pytest.raises(ConnectionResetError):
            client.readline()
    finally:
        server.close()
