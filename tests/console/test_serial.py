"""The console on a virtual UART, on pyserial's loop-back port, and in an asyncio loop."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import serial

from hil.console import ConsoleTimeout, SerialConsole, open_console
from hil.errors import BenchError, InputError
from hil.virtual import registry
from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.uart import UartLine
from hil.virtual.wire import serial as wire_serial
from hil.virtual.wire.loop import VirtualEventLoop


class Device:
    """The kit's end of a console."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.line = UartLine("console", txd=6, rxd=8)

    def say_in(self, milliseconds: float, data: bytes) -> None:
        self.kernel.after(round(milliseconds * TICKS_PER_MS), self.line.deliver, data)


@pytest.fixture
def device() -> Iterator[Device]:
    wire_serial.install()
    device = Device()
    registry.register("dut/console", device.line, device.kernel)
    yield device
    registry.unregister("dut/console")


@pytest.fixture
def console(device: Device, tmp_path: Path) -> Iterator[SerialConsole]:
    with open_console("hil://dut/console", log=tmp_path / "serial.log") as console:
        yield console


def test_lines_carry_the_time_they_arrived_not_when_they_were_asked_for(
    device: Device, console: SerialConsole
) -> None:
    device.say_in(5, b"one\r\n")
    device.say_in(9, b"two\r\n")
    device.kernel.advance(100 * TICKS_PER_MS)
    assert [(line.time_s, line.text) for line in console.lines] == [(0.005, "one"), (0.009, "two")]
    assert console.text() == "[    0.005000] one\n[    0.009000] two\n"


def test_wait_for_waits_in_bench_time_and_goes_on_after_the_match(
    device: Device, console: SerialConsole
) -> None:
    device.say_in(50, b"boot\n")
    device.say_in(60, b"version 1.2.3\n")
    device.say_in(70, b"version 9.9.9\n")
    assert console.wait_for(r"version (\S+)").group(1) == "1.2.3"
    assert device.kernel.now == 60 * TICKS_PER_MS
    assert console.wait_for(r"version (\S+)").group(1) == "9.9.9"


def test_wait_for_sees_what_came_before_unless_skipped(device: Device, console: SerialConsole) -> None:
    device.say_in(1, b"ready\n")
    device.kernel.advance(10 * TICKS_PER_MS)
    console.skip()
    with pytest.raises(ConsoleTimeout):
        console.wait_for("ready", timeout_s=0.1)


def test_wait_for_matches_a_prompt_without_line_end(device: Device, console: SerialConsole) -> None:
    device.say_in(1, b"login: ")
    assert console.wait_for("login: $", timeout_s=1)


def test_a_time_out_names_pattern_time_and_last_line(device: Device, console: SerialConsole) -> None:
    with pytest.raises(ConsoleTimeout, match="nothing was printed at all"):
        console.wait_for("x", timeout_s=0.25)
    device.say_in(1, b"other\n")
    with pytest.raises(ConsoleTimeout, match=r"no line matches 'x' within 0.25 s; last line: 'other'"):
        console.wait_for("x", timeout_s=0.25)
    assert device.kernel.now == 500 * TICKS_PER_MS


def test_a_bad_pattern_is_an_input_error(console: SerialConsole) -> None:
    with pytest.raises(InputError, match="not a regular expression"):
        console.wait_for("(")


def test_frames_go_to_their_tap_and_text_to_the_log(
    device: Device, console: SerialConsole, tmp_path: Path
) -> None:
    frames: list[bytes] = []
    raw: list[bytes] = []
    console.add_frame_tap(frames.append)
    console.add_byte_tap(raw.append)
    device.line.deliver(b"log\n\x06\x09AAAA\nmore")
    console.pump()
    console.remove_frame_tap(frames.append)
    console.remove_byte_tap(raw.append)
    device.line.deliver(b" text\n\x06\x09BBBB\n")
    console.close()
    assert frames == [b"\x06\x09AAAA\n"]
    assert raw == [b"log\n\x06\x09AAAA\nmore"]
    assert (tmp_path / "serial.log").read_text() == "[    0.000000] log\n[    0.000000] more text\n"


def test_close_takes_what_is_still_there(device: Device, tmp_path: Path) -> None:
    console = open_console("hil://dut/console", log=tmp_path / "log")
    device.line.deliver(b"last words\nunfinished")
    console.close()
    console.close()
    assert [line.split("] ")[1] for line in (tmp_path / "log").read_text().splitlines()] == [
        "last words",
        "unfinished",
    ]


def test_memory_is_bounded(device: Device) -> None:
    port = serial.serial_for_url("hil://dut/console")
    with SerialConsole(port, capacity=3) as console:
        device.line.deliver(b"".join(b"%d\n" % number for number in range(10)))
        assert [line.text for line in console.lines] == ["7", "8", "9"]
        assert console.dropped_lines == 7
        assert console.wait_for("8")


def test_in_a_loop_the_console_pumps_itself(device: Device, console: SerialConsole) -> None:
    frames: list[bytes] = []

    async def session() -> None:
        console.attach(asyncio.get_running_loop())
        console.add_frame_tap(frames.append)
        device.say_in(40, b"\x06\x09AAAA\n")
        console.send(b"request")
        await asyncio.sleep(0.1)
        console.detach()

    loop = VirtualEventLoop(device.kernel)
    try:
        loop.run(session())
    finally:
        loop.close()
    assert frames == [b"\x06\x09AAAA\n"]


def test_on_any_pyserial_port() -> None:
    with open_console("loop://") as console:
        console.send(b"hello\nworld\n")
        assert console.wait_for("world", timeout_s=5)
        assert [line.text for line in console.lines] == ["hello", "world"]


def test_a_port_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="cannot open /dev/does-not-exist"):
        open_console("/dev/does-not-exist")
    with pytest.raises(InputError, match="protocol 'nothing' not known"):
        open_console("nothing://x")
    wire_serial.install()
    with pytest.raises(BenchError, match="nothing is called 'gone'"):
        open_console("hil://gone")
    with pytest.raises(InputError, match="cannot write the log"):
        open_console("loop://", log=tmp_path / "no" / "log")
