"""Tools that nobody here wrote, unmodified, on a served kit."""

from __future__ import annotations

import asyncio
import contextlib
import os
import pty
import re
import select
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from hil.rig import files
from hil.rig.product import bundled_product
from hil.virtual import statefile
from tests.serve.program import compile_program
from tests.serve.served import PATIENCE_S, Served, pyocd

GDB = shutil.which("gdb-multiarch") or shutil.which("arm-none-eabi-gdb")
TSHARK = shutil.which("tshark")
SMPMGR = os.environ.get("HIL_SMPMGR") or shutil.which("smpmgr")


@pytest.fixture
def counting(tmp_path: Path) -> Iterator[Served]:
    """A kit with the program that counts and writes to RTT."""
    image = compile_program("rtt").write_hex(tmp_path / "rtt.hex")
    with Served(tmp_path, "--image", image) as served:
        yield served


def words(text: str) -> list[int]:
    """The words that pyOCD's commander has read."""
    return [
        int(word, 16)
        for line in re.findall(r"^[0-9a-f]{8}:((?: +[0-9a-f]{8})+)", text, re.M)
        for word in line.split()
    ]


def read(served: Served, address: int, count: int = 1) -> list[int]:
    return words(pyocd(served, "commander", "-c", f"read32 {address:#x} {4 * count}"))


@pytest.mark.nightly
def test_pyocd_flashes_and_the_kit_runs_it(tmp_path: Path) -> None:
    program = compile_program("rtt")
    with Served(tmp_path) as served:
        assert "programmed" in pyocd(served, "flash", program.write_hex(tmp_path / "rtt.hex"))
        assert words(pyocd(served, "commander", "-c", "read32 0 16")) == [
            int.from_bytes(program.binary[at : at + 4], "little") for at in range(0, 16, 4)
        ]
        # What follows runs while no debugger is there.
        first = read(served, 0x2000_0000)
        assert read(served, 0x2000_0000) > first, "it counts"


def rtt_says(served: Served, text: bytes, typed: bytes = b"") -> bytes:
    """What `pyocd rtt` shows on a terminal until `text` has come; `typed` is typed as soon as it shows anything."""
    command = [sys.executable, "-m", "pyocd", "rtt", "-u", served["swd"], "-t", served["target"]]
    child, terminal = pty.fork()
    if child == 0:
        os.execv(sys.executable, command)
    seen = b""
    limit = time.monotonic() + PATIENCE_S
    try:
        while text not in seen:
            assert time.monotonic() < limit, seen
            if select.select([terminal], [], [], 0.1)[0]:
                seen += os.read(terminal, 4096)
            if typed and b"count" in seen:
                os.write(terminal, typed)
                typed = b""
        return seen
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        os.close(terminal)


def test_pyocd_shows_rtt_and_survives_being_killed(counting: Served) -> None:
    assert b"count 64" in rtt_says(counting, b"count 640")
    # The one before was killed in the middle; this one types as well, which the program sends back.
    assert rtt_says(counting, b"Q", b"Q").count(b"Q") >= 1


@pytest.mark.nightly
def test_pyocd_lists_the_kit(counting: Served) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "pyocd", "list"],
        env={**os.environ, "HIL_KIT": counting["swd"]},
        capture_output=True,
        timeout=PATIENCE_S,
        check=True,
    )
    assert counting["swd"] in done.stdout.decode()
    assert "nrf52840" in done.stdout.decode()


@pytest.mark.nightly
def test_pyocd_loads_erases_and_resets(counting: Served, tmp_path: Path) -> None:
    program = compile_program("echo")
    pyocd(counting, "load", program.write_elf(tmp_path / "echo.elf"))
    vectors = [int.from_bytes(program.binary[at : at + 4], "little") for at in (0, 4)]
    assert read(counting, 0, 2) == vectors
    pyocd(counting, "erase", "--sector", "0x0-0x1000")
    assert read(counting, 0, 2) == [0xFFFF_FFFF] * 2
    pyocd(counting, "load", compile_program("rtt").write_elf(tmp_path / "rtt.elf"))
    assert read(counting, 0, 2) != vectors
    time.sleep(0.5)
    before = read(counting, 0x2000_0000)[0]
    pyocd(counting, "reset")
    assert read(counting, 0x2000_0000)[0] < before, "it counts from the beginning again"
    for kind in ("--chip", "--mass"):
        pyocd(counting, "erase", kind)
        assert read(counting, 0, 2) == [0xFFFF_FFFF] * 2


@pytest.mark.nightly
def test_what_a_debugger_flashes_is_in_the_state_file(tmp_path: Path) -> None:
    state = tmp_path / "kit.state"
    program = compile_program("echo")
    with Served(tmp_path, "--state", state) as served:
        pyocd(served, "flash", program.write_hex(tmp_path / "echo.hex"))
    assert statefile.load(state).flash[: len(program.binary)] == program.binary
    with Served(tmp_path, "--state", state) as served:
        pyocd(served, "erase", "--chip")
    assert statefile.load(state).flash == b"\xff" * statefile.FLASH_SIZE


@contextlib.contextmanager
def gdb_server(served: Served) -> Iterator[int]:
    """`pyocd gdbserver` on the kit, at a free port."""
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as other:
        port, telnet = one.getsockname()[1], other.getsockname()[1]
    command = [
        *(sys.executable, "-m", "pyocd", "gdbserver", "-u", served["swd"], "-t", served["target"]),
        *("-p", str(port), "-T", str(telnet)),
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    assert process.stdout is not None
    try:
        said = b""
        while b"GDB server listening" not in said:
            line = process.stdout.readline()
            assert line, said
            said += line
        yield port
    finally:
        process.kill()
        process.communicate()


@pytest.mark.nightly
@pytest.mark.skipif(GDB is None, reason="no gdb for Arm is installed (gdb-multiarch)")
def test_gdb_debugs_the_kit(counting: Served, tmp_path: Path) -> None:
    assert GDB is not None
    elf = compile_program("rtt").write_elf(tmp_path / "rtt.elf")
    with gdb_server(counting) as port:
        steps = [
            "set pagination off",
            f"target remote 127.0.0.1:{port}",
            "load",
            "compare-sections",
            "monitor reset halt",
            "hbreak step",
            "continue",
            "backtrace",
            "print/x $pc",
            "stepi",
            "print/x $pc",
            "delete",
            "watch counter",
            "print counter",
            "continue",
            "print counter",
            "delete",
            "break say",
            "continue",
            "backtrace",
            "monitor reset",
            "detach",
        ]
        command = [GDB, "-nx", "-batch", *(part for step in steps for part in ("-ex", step)), str(elf)]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
    text = done.stdout.decode()
    assert "Transfer rate" in text
    assert "Section .text, range 0x0" in text
    assert "matched" in text
    assert "MIS-MATCHED" not in text
    assert re.search(r"#0 +step \(\).*\n#1 .*main \(\)", text), text
    values = [int(value, 0) for value in re.findall(r"^\$\d+ = (\w+)", text, re.M)]
    assert 0 < values[1] - values[0] <= 4, "one instruction"
    assert values[3] == values[2] + 1, "the watchpoint stops at the very store"
    assert re.search(r"#0 +say \(text=.*\"count \", number=64\).*\n#1 .*step \(\)", text), text
    assert read(counting, 0x2000_0000)[0] > 0, "and it runs on"


@pytest.mark.nightly
def test_two_debuggers_at_once(counting: Served) -> None:
    with gdb_server(counting):
        for _ in range(3):
            assert "Core 0" in pyocd(counting, "commander", "-c", "status")
        assert rtt_says(counting, b"count")


# ---- The bundled firmware ----


@pytest.fixture(scope="module")
def bundled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A kit with the bundled bootloader and application, its HCI recorded."""
    folder = tmp_path_factory.mktemp("bundled")
    with Served(folder, "--bundled", "--btsnoop", folder / "kit.btsnoop") as served:
        served.wait_for("listening")
        yield served


@pytest.fixture(scope="module")
def update(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sound update for it."""
    path = tmp_path_factory.mktemp("update") / "update.bin"
    path.write_bytes(bundled_product(files.load().device).images().make("1.1.0").data)
    return path


@pytest.mark.nightly
@pytest.mark.skipif(SMPMGR is None, reason="smpmgr is not installed; HIL_SMPMGR may name its executable")
def test_smpmgr_uploads_over_the_terminal(bundled: Served, update: Path) -> None:
    def smpmgr(*arguments: str) -> str:
        command = [str(SMPMGR), "--port", bundled["console"], *arguments]
        done = subprocess.run(command, capture_output=True, timeout=PATIENCE_S, check=False)
        text = (done.stdout + done.stderr).decode()
        assert done.returncode == 0, text
        return text

    assert "version='1.0.0'" in smpmgr("image", "state-read")
    smpmgr("image", "upload", str(update))
    state = smpmgr("image", "state-read")
    assert "version='1.0.0'" in state
    assert "version='1.1.0'" in state


@pytest.mark.nightly
def test_bumble_scans_and_connects_and_smpclient_talks_over_it(bundled: Served) -> None:
    from bumble.device import Device, Peer
    from bumble.hci import Address
    from bumble.transport import open_transport
    from smp import packet  # noqa: F401  # the reference client's messages
    from smpclient.requests.os_management import EchoWrite

    smp_service = "8D53DC1D-1DB7-4CD3-868B-8A527460AA84"
    smp_characteristic = "DA2E7828-FBCE-4E01-AE9E-261174997C48"

    async def talk() -> tuple[str, bytes]:
        async with await open_transport(bundled["hci"]) as transport:
            device = Device.with_hci("host", Address("F0:F1:F2:F3:F4:F5"), transport.source, transport.sink)
            loop = asyncio.get_running_loop()
            found: asyncio.Future[object] = loop.create_future()
            device.on(
                "advertisement",
                lambda report: found.done() or found.set_result((report.address, report.data)),
            )
            await device.power_on()
            await device.start_scanning()
            address, data = await found  # type: ignore[misc]
            await device.stop_scanning()
            connection = await device.connect(address)
            peer = Peer(connection)
            await peer.request_mtu(247)
            await peer.discover_service(smp_service)
            service = next(each for each in peer.services if str(each.uuid) == smp_service)
            await service.discover_characteristics()
            characteristic = next(
                each for each in service.characteristics if str(each.uuid) == smp_characteristic
            )
            answer: asyncio.Future[bytes] = loop.create_future()
            await peer.subscribe(characteristic, answer.set_result)
            await peer.write_value(characteristic, EchoWrite(d="over the air").BYTES)
            received = await answer
            await connection.disconnect()
            await device.power_off()
            return str(data), bytes(received)

    async def in_time() -> tuple[str, bytes]:
        return await asyncio.wait_for(talk(), PATIENCE_S)

    advertised, answered = asyncio.run(in_time())
    assert "hil-dut" in advertised
    assert b"over the air" in answered


@pytest.mark.nightly
@pytest.mark.skipif(TSHARK is None, reason="tshark is not installed")
def test_tshark_reads_the_capture(bundled: Served) -> None:
    done = subprocess.run(
        [str(TSHARK), "-r", bundled["btsnoop"]], capture_output=True, timeout=PATIENCE_S, check=False
    )
    assert done.returncode == 0
    packets = done.stdout.decode().splitlines()
    assert "Sent Reset" in packets[0]
    assert any("LE Set Advertise Enable" in line for line in packets)
    assert not any("Malformed" in line for line in packets)


@pytest.mark.nightly
def test_a_terminal_shows_the_log_again_after_each_power_cycle(bundled: Served) -> None:
    import pyvisa
    import serial

    manager = pyvisa.ResourceManager("@py")
    with (
        serial.Serial(bundled["console"], 115_200, timeout=PATIENCE_S) as port,
        manager.open_resource(
            bundled["supply"], read_termination="\n", write_termination="\n", timeout=1000 * PATIENCE_S
        ) as supply,
    ):
        for _ in range(2):
            supply.write("OUTP OFF")
            while float(supply.query("MEAS:VOLT?")) > 0.1:
                pass
            port.reset_input_buffer()
            supply.write("OUTP ON")
            assert port.read_until(b"app: version 1.0.0").endswith(b"app: version 1.0.0")
    manager.close()


@pytest.mark.nightly
def test_an_outside_controller_may_take_the_place_of_the_kits_own(tmp_path: Path) -> None:
    import serial

    with Served(tmp_path, "--bundled", "--no-controller") as served:
        assert served["uarts"].keys() == {"console", "uart1"}
        with serial.Serial(served["uarts"]["uart1"], 1_000_000, rtscts=True, timeout=PATIENCE_S) as port:
            assert port.read(4) == bytes.fromhex("01030c00"), "the firmware's host begins with HCI_Reset"
            port.write(bytes.fromhex("040e0401030c00"))
            assert port.read(4) == bytes.fromhex("01011000"), (
                "and goes on with HCI_Read_Local_Version_Information"
            )
