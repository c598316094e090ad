"""What every console does alike: on the virtual UART, a pseudo-terminal, a TCP socket, and RTT in the virtual
kit's RAM.

On each, something plays the device: it says bytes, hears bytes, and can go away.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
import time
import tty
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from hil.console import ConsolePanic, ConsoleTimeout, SerialConsole, open_console
from hil.console.rtt import PATIENCE_S, RttPort
from hil.errors import BenchError, DeviceError
from hil.probe import PyocdProbe
from hil.virtual import registry
from hil.virtual.kernel import TICKS_PER_SECOND, Kernel
from hil.virtual.uart import UartLine
from hil.virtual.wire import serial as wire_serial
from tests.probe.conftest import NAME, make_kit
from tests.probe.test_contract import RAM, rtt_block

CONSOLES = ("hil", "pty", "socket", "rtt")


@dataclass
class Far:
    """A console, and the device's end of it."""

    name: str
    console: SerialConsole
    say: Callable[[bytes], None]
    heard: Callable[[], bytes]
    unplug: Callable[[], None]


def on_virtual_uart(folder: Path) -> Iterator[Far]:
    wire_serial.install()
    kernel, line = Kernel(), UartLine("console", txd=6, rxd=8)
    registry.register("dut/console", line, kernel)
    sent = bytearray()
    line.send = sent.extend  # type: ignore[method-assign]
    with open_console("hil://dut/console", log=folder / "serial.log") as console:

        def unplug() -> None:
            console._port.close()

        yield Far("hil", console, line.deliver, lambda: bytes(sent), unplug)
    registry.unregister("dut/console")


def on_pty(folder: Path) -> Iterator[Far]:
    ours, theirs = os.openpty()
    tty.setraw(theirs)
    name = os.ttyname(theirs)
    with contextlib.suppress(BenchError), open_console(name, log=folder / "serial.log") as console:
        os.close(theirs)
        yield Far(
            "pty",
            console,
            lambda data: _written(ours, data),
            lambda: os.read(ours, 4096),
            lambda: os.close(ours),
        )
    with contextlib.suppress(OSError):
        os.close(ours)


def _written(descriptor: int, data: bytes) -> None:
    os.write(descriptor, data)


def on_socket(folder: Path) -> Iterator[Far]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        accepted: list[socket.socket] = []
        waiting = threading.Thread(target=lambda: accepted.append(server.accept()[0]))
        waiting.start()
        url = f"socket://127.0.0.1:{server.getsockname()[1]}"
        with contextlib.suppress(BenchError), open_console(url, log=folder / "serial.log") as console:
            waiting.join()
            device = accepted[0]
            yield Far("socket", console, device.sendall, lambda: device.recv(4096), device.close)
        accepted[0].close()


def on_rtt(folder: Path) -> Iterator[Far]:
    kits = make_kit("Rev2")
    kit = next(kits)
    rtt_block(kit.soc.memory, b"", up_size=256)
    memory = kit.soc.memory
    gone = False

    def say(data: bytes) -> None:
        """As the device does: into the ring, in pieces that fit."""
        for byte in data:
            write = int.from_bytes(memory.read(RAM + 0x300 + 24 + 12, 4), "little")
            memory.write(RAM + 0x400 + write, bytes((byte,)))
            memory.write(RAM + 0x300 + 24 + 12, ((write + 1) % 256).to_bytes(4, "little"))

    def heard() -> bytes:
        write, read = struct.unpack("<II", memory.read(RAM + 0x300 + 48 + 12, 8))
        return bytes(memory.read(RAM + 0x500 + (read + at) % 16, 1)[0] for at in range((write - read) % 16))

    with PyocdProbe(unique_id=NAME) as probe:
        rtt = probe.rtt(RAM, 0x1000)

        def reader():  # type: ignore[no-untyped-def]
            if gone:
                raise BenchError("probe bench-kit: cannot read: it was unplugged")
            return rtt

        port = RttPort(
            reader,
            channel=0,
            poll_s=0.01,
            now=lambda: kit.kernel.now / TICKS_PER_SECOND,
            sleep=lambda seconds: kit.wait_ms(1000 * seconds + 0.001),  # never none at all
        )

        def unplug() -> None:
            nonlocal gone
            gone = True

        with contextlib.suppress(BenchError), SerialConsole(port, log=folder / "serial.log") as console:
            yield Far("rtt", console, say, heard, unplug)
    for _ in kits:
        pass


@pytest.fixture(params=CONSOLES)
def far(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Far]:
    opened = {"hil": on_virtual_uart, "pty": on_pty, "socket": on_socket, "rtt": on_rtt}
    yield from opened[request.param](tmp_path)


def test_a_line_comes_with_its_time_and_goes_to_the_log(far: Far, tmp_path: Path) -> None:
    before = far.console.now()
    far.say(b"boot: version 1.0.0\r\nand more")
    assert far.console.wait_for(r"version (\S+)", 5.0)[1] == "1.0.0"
    [line] = far.console.lines
    assert before <= line.time_s <= far.console.now()
    assert line.text == "boot: version 1.0.0"
    far.console.close()
    log = (tmp_path / "serial.log").read_text()
    assert "boot: version 1.0.0\n" in log
    assert "and more" in log


def test_it_waits_for_one_after_the_other(far: Far) -> None:
    far.say(b"one\ntwo\nthree\n")
    far.console.wait_for("two", 5.0)
    far.console.wait_for("three", 5.0)
    with pytest.raises(ConsoleTimeout, match=r"no line matches 'one' within 0\.2 s; last line: 'three'"):
        far.console.wait_for("one", 0.2)


def test_what_is_sent_is_heard(far: Far) -> None:
    far.console.send(b"help\n")
    limit = far.console.now() + 5.0
    while True:
        heard = far.heard()
        if heard or far.console.now() > limit:
            break
        far.console._wait(0.05)
    assert heard == b"help\n"


def test_bytes_that_are_no_text_do_no_harm(far: Far) -> None:
    far.say(bytes(range(256))[:200] + b"\nnext\n")
    far.console.wait_for("^next", 5.0)


def test_a_panic_ends_the_wait_at_once_and_is_kept(far: Far) -> None:
    far.say(b"booting\n***** HARD FAULT *****\n")
    with pytest.raises(ConsolePanic, match=r"while waiting for 'ready' the device gave up: '.* HARD FAULT"):
        far.console.wait_for("ready", 5.0)
    assert "HARD FAULT" in far.console.panics.lines[0]


def test_a_panic_that_is_waited_for_or_expected_is_none(far: Far) -> None:
    far.say(b"***** HARD FAULT *****\n")
    far.console.wait_for("HARD FAULT", 5.0)
    far.say(b"***** BUS FAULT *****\nready\n")
    far.console.wait_for("ready", 5.0, expect_panic=True)
    assert far.console.panics.count == 2


def test_memory_is_bounded(far: Far) -> None:
    far.console._capacity = 4
    for number in range(10):
        far.say(f"line {number}\n".encode())
        far.console.wait_for(f"line {number}", 5.0)
    assert [line.text for line in far.console.lines] == ["line 6", "line 7", "line 8", "line 9"]
    assert far.console.dropped_lines == 6


def test_a_port_that_is_pulled_out_is_the_benchs_fault(far: Far) -> None:
    far.say(b"half a li")
    far.console.pump()
    far.unplug()
    with pytest.raises(BenchError, match="console"):
        limit = time.monotonic() + 30.0
        until = far.console.now() + PATIENCE_S + 1.0
        while far.console.now() < until and time.monotonic() < limit:
            far.console.pump()
            far.console._wait(0.05)


def test_a_device_without_power_prints_nothing_and_is_no_fault() -> None:
    time_s = 0.0

    def sleep(seconds: float) -> None:
        nonlocal time_s
        time_s += seconds

    port = RttPort(lambda: None, channel=0, poll_s=0.05, now=lambda: time_s, sleep=sleep)
    console = SerialConsole(port)
    with pytest.raises(ConsoleTimeout, match="nothing was printed at all"):
        console.wait_for("anything", 60.0)
    console.close()


class Deaf:
    """RTT of a device that takes nothing; `trouble` is raised when it is read."""

    def __init__(self, trouble: Exception | None = None) -> None:
        self.trouble = trouble
        self.taken = b""

    def read(self, channel: int) -> bytes:
        if self.trouble is not None:
            raise self.trouble
        return b""

    def write(self, channel: int, data: bytes) -> int:
        if self.trouble is not None:
            raise self.trouble
        self.taken += data
        return len(data)


def test_what_is_typed_while_the_device_is_off_is_lost() -> None:
    device: Deaf | None = None
    clock = [0.0]
    port = RttPort(lambda: device, channel=0, poll_s=0.05, now=lambda: clock[0], sleep=lambda seconds: None)
    port.write(b"erase\n")
    port.read(100)
    device, clock[0] = Deaf(), 60.0
    port.read(100)
    assert device.taken == b""


def test_what_could_not_be_sent_at_once_is_sent_once() -> None:
    device = Deaf(BenchError("probe: no answer"))
    clock = [0.0]
    port = RttPort(lambda: device, channel=0, poll_s=0.05, now=lambda: clock[0], sleep=lambda seconds: None)
    port.write(b"erase\n")
    port.read(100)
    device.trouble = None
    clock[0] = 1.0
    port.read(100)
    assert device.taken == b"erase\n"


def test_a_block_that_makes_no_sense_for_a_moment_is_no_failure_and_for_long_it_is() -> None:
    device = Deaf(DeviceError("RTT: the control block names a buffer"))
    clock = [0.0]
    port = RttPort(lambda: device, channel=0, poll_s=0.05, now=lambda: clock[0], sleep=lambda seconds: None)
    assert port.read(100) == b""
    clock[0] = 0.9
    assert port.read(100) == b""
    clock[0] = 2.0
    with pytest.raises(DeviceError):
        port.read(100)


def test_bytes_that_a_device_never_takes_are_bounded() -> None:
    port = RttPort(lambda: None, channel=0, poll_s=0.05, now=lambda: 0.0, sleep=lambda seconds: None)
    console = SerialConsole(port)
    with pytest.raises(BenchError, match="has not taken 65536 bytes"):
        for _ in range(17):
            console.send(bytes(4096))
