"""The command itself: its one line of JSON, its errors, its end."""

from __future__ import annotations

import contextlib
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

from hil.errors import BenchError, InputError
from hil.rig import files
from hil.serve.bench import Options, serve
from hil.serve.sockets import HOST
from hil.virtual import statefile
from tests.serve.program import compile_program
from tests.serve.served import PATIENCE_S, Served


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
        assert served["pid"] == served.process.pid
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
        while statefile.load(state).flash[:4] == b"\xff" * 4:  # saved once a second
            pass
        served.end(signal.SIGKILL)
    assert statefile.load(state).flash[:64] == compile_program("echo").binary[:64]
    with (
        Served(tmp_path, "--state", state) as served,
        serial.Serial(served["console"], 115_200, timeout=PATIENCE_S) as port,
    ):
        assert port.read(12) == b"echo ready\r\n"


def test_what_is_wrong_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    broken = tmp_path / "broken.hex"
    broken.write_text("hello\n")
    done = subprocess.run(
        [sys.executable, "-m", "hil", "serve", "--image", str(broken)],
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert (done.returncode, done.stdout) == (2, b"")
    assert done.stderr.decode() == f"hil: {broken}:1: not Intel HEX, a line starts with 'h'\n"


def test_what_cannot_be_served_is_refused(tmp_path: Path) -> None:
    image = compile_program("echo").write_hex(tmp_path / "echo.hex")
    outside = compile_program("echo").write_hex(tmp_path / "outside.hex", 0xF_FFF0)
    real = tmp_path / "real.toml"
    real.write_text(
        files.find("virtual").read_text().replace('bench = "virtual"', 'bench = "real"').split("[virtual]")[0]
    )
    for options, message in (
        (Options(images=(image, image)), "write address 0x00000000"),
        (Options(images=(outside,)), "is not in the nRF52840's flash"),
        (Options(rig="nowhere"), 'no rig called "nowhere"'),
        (Options(rig=str(real)), "is a real bench"),
        (Options(btsnoop=tmp_path / "x", controller=False), "--btsnoop"),
        (Options(btsnoop=tmp_path / "no" / "x"), "cannot be written"),
        (Options(log=tmp_path / "no" / "x"), "cannot be written"),
        (Options(console_pins="P0.99"), "--console-pins"),
    ):
        with pytest.raises(InputError, match=message):
            serve(options)


def test_a_port_that_is_taken_is_the_benchs_trouble() -> None:
    with socket.create_server((HOST, 0)) as taken:
        port = taken.getsockname()[1]
        for options in (Options(swd_port=port), Options(supply_port=port), Options(hci_port=port)):
            with pytest.raises(BenchError, match=f"cannot listen on {HOST}:{port}: "):
                serve(options)


def test_ports_can_be_chosen(tmp_path: Path) -> None:
    with contextlib.ExitStack() as stack:
        free = [str(stack.enter_context(socket.create_server((HOST, 0))).getsockname()[1]) for _ in range(3)]
    with Served(tmp_path, "--swd-port", free[0], "--supply-port", free[1], "--hci-port", free[2]) as served:
        assert served["swd"] == f"remote:{HOST}:{free[0]}"
        assert served["supply"] == f"TCPIP::{HOST}::{free[1]}::SOCKET"
        assert served["hci"] == f"tcp-client:{HOST}:{free[2]}"
