"""pyOCD's own command line on a kit in a file (HIL_KIT), each command a process of its own."""

from __future__ import annotations

import os
import random
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from intelhex import IntelHex

from hil.virtual import statefile

ROOT = Path(__file__).parents[3]
# What the console script `pyocd` does, with the plugin in place whether or not the package is installed.
PYOCD = "import sys; from hil.virtual.wire import swd; swd.install(); from pyocd.__main__ import main; sys.exit(main())"
COMMON = ("-t", "nrf52840", "--no-config")


def pyocd(kit: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {key: value for key, value in os.environ.items() if key != "HIL_KIT"}
    if kit is not None:
        environment["HIL_KIT"] = str(kit)
    return subprocess.run(
        [sys.executable, "-c", PYOCD, *arguments],
        env=environment,
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture
def kit(tmp_path: Path) -> Path:
    return tmp_path / "desk.kit"


def test_list_shows_the_kit_of_the_file_and_nothing_without(kit: Path) -> None:
    listed = pyocd(kit, "list")
    assert "virtual nRF52840 kit" in listed.stdout
    assert "hil-" in listed.stdout
    assert kit.stat().st_size == statefile.FILE_SIZE
    assert "virtual nRF52840 kit" not in pyocd(None, "list").stdout


def test_flash_reset_read_and_erase_keep_their_work_in_the_file(kit: Path, tmp_path: Path) -> None:
    data = random.Random(5).randbytes(9000)
    image = IntelHex()
    image.puts(0x2000, data)
    image.puts(0x1000_1080, b"\x01\x02\x03\x04")
    path = tmp_path / "app.hex"
    image.write_hex_file(str(path))
    done = pyocd(kit, "flash", *COMMON, str(path))
    assert done.returncode == 0, done.stderr
    state = statefile.load(kit)
    assert state.flash[0x2000 : 0x2000 + len(data)] == data
    assert state.uicr[0x80:0x84] == b"\x01\x02\x03\x04"

    assert pyocd(kit, "reset", *COMMON).returncode == 0
    read = pyocd(
        kit, "commander", *COMMON, "-c", "halt", "-c", "read32 0x2000 4", "-c", "reg pc", "-c", "step"
    )
    assert data[:4][::-1].hex() in read.stdout
    assert statefile.load(kit) == state

    erased = pyocd(kit, "erase", *COMMON, "-s", "0x2000-0x3000")
    assert erased.returncode == 0, erased.stderr
    assert statefile.load(kit).flash[0x2000:0x3000] == b"\xff" * 0x1000
    assert statefile.load(kit).flash[0x3000:0x3010] == data[0x1000:0x1010]
    assert pyocd(kit, "erase", *COMMON, "--mass").returncode == 0
    assert statefile.load(kit) == statefile.KitState.blank()


@pytest.mark.parametrize("content", [b"", b"rubbish" * 1000])
def test_a_broken_state_file_is_one_line(kit: Path, content: bytes) -> None:
    kit.write_bytes(content)
    answer = pyocd(kit, "list")
    assert answer.returncode != 0
    lines = [line for line in answer.stderr.splitlines() if "kit state file" in line]
    assert len(lines) == 1
    assert "Traceback" not in answer.stderr
    assert kit.read_bytes() == content


class Gdb:
    """As much of the GDB remote protocol as it takes to look and to run."""

    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self._input = b""

    def ask(self, command: str) -> str:
        self._socket.sendall(f"${command}#{sum(command.encode()) & 0xFF:02x}".encode())
        return self.answer()

    def answer(self) -> str:
        while b"#" not in self._input or len(self._input.partition(b"#")[2]) < 2:
            data = self._socket.recv(4096)
            if not data:
                raise EOFError
            self._input += data
        packet, _, rest = self._input.partition(b"#")
        self._input = rest[2:]
        self._socket.sendall(b"+")
        return packet.partition(b"$")[2].decode()

    def close(self) -> None:
        self._socket.close()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_gdbserver_halts_runs_and_stops_at_a_breakpoint(kit: Path) -> None:
    # 0x100: count up r0 and loop; a breakpoint sits on the loop's store.
    flash = bytearray(b"\xff" * statefile.FLASH_SIZE)
    flash[0:8] = (0x2000_8000).to_bytes(4, "little") + (0x101).to_bytes(4, "little")
    flash[0x100:0x108] = bytes.fromhex("0020 0130 00bf fce7")
    statefile.save(kit, statefile.KitState(bytes(flash), b"\xff" * statefile.UICR_SIZE))
    port, telnet = free_port(), free_port()
    server = subprocess.Popen(
        [sys.executable, "-c", PYOCD, "gdbserver", *COMMON, "-p", str(port), "-T", str(telnet), "--persist"],
        env={**os.environ, "HIL_KIT": str(kit)},
        cwd=ROOT,
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert server.stderr is not None
        for line in server.stderr:
            if "listening on port" in line.lower() and str(port) in line:
                break
        else:
            pytest.fail("gdbserver did not start")
        gdb = Gdb(port)
        assert "PacketSize" in gdb.ask("qSupported:multiprocess+")
        assert gdb.ask("?").startswith("T")
        assert gdb.ask("Z1,104,2") == "OK"
        assert gdb.ask("c").startswith("T")
        pc = bytes.fromhex(gdb.ask("g"))[4 * 15 : 4 * 16]
        assert int.from_bytes(pc, "little") == 0x104
        gdb.close()
    finally:
        server.terminate()
        server.communicate(timeout=20)
