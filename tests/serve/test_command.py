"""The command itself: its one line of JSON, its errors, its end."""

from __future__ import annotations

import errno
import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest
import serial

from hil.virtual import statefile
from tests.serve.program import compile_program
from tests.serve.served import PATIENCE_S, Served


def refused(*arguments: str | Path) -> str:
    """The message of a `hil serve` that does not start, for which the input is to blame."""
    done = subprocess.run(
        [sys.executable, "-m", "hil", "serve", *map(str, arguments)],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b""), done.stderr
    message = done.stderr.decode()
    assert message.count("\n") == 1, message
    return message


def test_one_line_of_json_and_a_kit_that_runs(tmp_path: Path) -> None:
    image = compile_program("echo").write_hex(tmp_path / "echo.hex")
    with Served(tmp_path, "--image", image) as served:
        assert served.line.endswith(b"}\n")
        assert json.loads(served.line).keys() >= {
            "swd",
            "target",
            "console",
            "uarts",
            "supply",
            "hci",
            "btsnoop",
            "log",
        }
        assert served["volts"] == 3.0
        with serial.Serial(served["console"], 115_200, timeout=PATIENCE_S) as port:
            assert port.read(12) == b"echo ready\r\n"
        terminal = os.open(served["console"], os.O_RDWR | os.O_NOCTTY)
        code, out, messages = served.end(signal.SIGINT)
        assert (code, out) == (0, b"")
        assert "listening on 127.0.0.1 only" in messages
        assert "of virtual time in" in messages
        try:
            assert os.read(terminal, 1) == b"", "it is hung up"
        except OSError as error:
            assert error.errno == errno.EIO
        os.close(terminal)


def test_nothing_listens_but_on_the_loopback_address(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        ports = {served.port, *(int(value.rpartition(":")[2]) for value in served["controllers"].values())}
        ports.add(int(served["supply"].split("::")[2]))
        table = Path(f"/proc/{served.process.pid}/net/tcp").read_text().splitlines()[1:]
        listening = [line.split()[1].split(":") for line in table if line.split()[3] == "0A"]
        found = {int(port, 16): address for address, port in listening if int(port, 16) in ports}
        assert found == dict.fromkeys(ports, "0100007F")


def test_a_failing_image_says_why(tmp_path: Path) -> None:
    image = compile_program("fault").write_hex(tmp_path / "fault.hex")
    with Served(tmp_path, "--image", image) as served:
        messages = served.wait_for("backtrace")
        assert "unmodelled write at 0x40000ffc" in messages
        assert "HardFault at 0x" in messages
        assert "BFAR 0x60000000" in messages
        assert "r0 0x60000000" in messages


def test_the_state_outlives_the_process_even_when_it_is_killed(tmp_path: Path) -> None:
    state = tmp_path / "kit.state"
    image = compile_program("echo").write_hex(tmp_path / "echo.hex")
    with Served(tmp_path, "--state", state, "--image", image) as served:
        second = subprocess.run(
            [sys.executable, "-m", "hil", "serve", "--state", str(state)],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
        assert second.returncode == 3
        assert b"in use by another process" in second.stderr
        while statefile.load(state).flash[:4] == b"\xff" * 4:  # saved once a second
            pass
        served.end(signal.SIGKILL)
    assert statefile.load(state).flash[:64] == compile_program("echo").binary[:64]
    with (
        Served(tmp_path, "--state", state) as served,
        serial.Serial(served["console"], 115_200, timeout=PATIENCE_S) as port,
    ):
        assert port.read(12) == b"echo ready\r\n"


def test_what_is_wrong_is_one_line(tmp_path: Path) -> None:
    broken = tmp_path / "broken.hex"
    broken.write_text("hello\n")
    image = compile_program("echo").write_hex(tmp_path / "echo.hex")
    assert "broken.hex:1: not Intel HEX" in refused("--image", broken)
    assert "write address 0x00000000" in refused("--image", image, "--image", image)
    outside = compile_program("echo").write_hex(tmp_path / "outside.hex", 0xF_FFF0)
    assert "is not in the nRF52840's flash" in refused("--image", outside)
    assert 'no rig called "nowhere"' in refused("--rig", "nowhere")
    assert "--btsnoop" in refused("--btsnoop", tmp_path / "x", "--no-controller")


def test_a_port_that_is_taken_is_the_benchs_trouble(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        done = subprocess.run(
            [sys.executable, "-m", "hil", "serve", "--swd-port", port],
            capture_output=True,
            timeout=PATIENCE_S,
            check=False,
        )
    assert done.returncode == 3
    assert f"cannot listen on 127.0.0.1:{port}".encode() in done.stderr


@pytest.mark.parametrize("option", ["--swd-port", "--supply-port", "--hci-port"])
def test_a_port_can_be_chosen(tmp_path: Path, option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = str(free.getsockname()[1])
    with Served(tmp_path, option, port) as served:
        endpoint = {"--swd-port": "swd", "--supply-port": "supply", "--hci-port": "hci"}[option]
        assert port in served[endpoint].replace("::", ":").split(":")
