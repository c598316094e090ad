"""`hil://` ports: pyserial's own contract, in the bench's time."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
import serial

from hil.virtual import registry
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Kernel
from hil.virtual.uart import UartLine
from hil.virtual.wire import serial as wire_serial
from hil.virtual.wire.loop import VirtualEventLoop


class Kit:
    """A UART whose kit side listens and talks when told to."""

    def __init__(self) -> None:
        self.kernel = Kernel()
        self.line = UartLine("console", txd=6, rxd=8)
        self.line.receivers.append(self)
        self.heard: list[tuple[int, bytes]] = []

    def listens(self, line: UartLine) -> bool:
        return True

    def line_changed(self) -> None:
        self.heard.append((self.kernel.now, bytes(self.line.queue)))
        self.line.queue.clear()

    def say_in(self, milliseconds: float, data: bytes) -> None:
        self.kernel.after(round(milliseconds * TICKS_PER_MS), self.line.deliver, data)


@pytest.fixture
def kit() -> Iterator[Kit]:
    wire_serial.install()
    kit = Kit()
    registry.register("board/console", kit.line, kit.kernel)
    yield kit
    registry.unregister("board/console")


def opened(**options: Any) -> Any:
    return serial.serial_for_url("hil://board/console", baudrate=115200, **options)


def test_a_read_returns_as_soon_as_enough_is_there(kit: Kit) -> None:
    with opened(timeout=1.0) as port:
        kit.say_in(10, b"he")
        kit.say_in(20, b"llo")
        assert port.read(4) == b"hell"
        assert kit.kernel.now == 20 * TICKS_PER_MS
        assert port.in_waiting == 1


def test_a_read_gives_up_at_the_virtual_time_out_with_what_there_is(kit: Kit) -> None:
    with opened(timeout=0.5) as port:
        kit.say_in(10, b"he")
        assert port.read(4) == b"he"
        assert kit.kernel.now == TICKS_PER_SECOND // 2


def test_no_time_out_at_all_gives_up_after_an_hour_of_silence(kit: Kit) -> None:
    with opened(timeout=None) as port, pytest.raises(serial.SerialException, match="set a time-out"):
        port.read(1)


def test_a_non_blocking_read_takes_no_time(kit: Kit) -> None:
    with opened(timeout=0) as port:
        assert port.read(10) == b""
        assert kit.kernel.now == 0


def test_readline_works_as_on_any_port(kit: Kit) -> None:
    with opened(timeout=1.0) as port:
        kit.say_in(1, b"one\ntwo\n")
        assert port.readline() == b"one\n"
        assert port.readline() == b"two\n"


def test_a_write_takes_its_wire_time(kit: Kit) -> None:
    with opened() as port:
        assert port.write(b"x" * 115) == 115
        assert kit.kernel.now == pytest.approx(10 * TICKS_PER_MS, rel=0.002)
        assert kit.heard == [(0, b"x" * 115)]


def test_a_write_longer_than_its_time_out_is_refused(kit: Kit) -> None:
    with opened(write_timeout=0.001) as port, pytest.raises(serial.SerialTimeoutException):
        port.write(b"x" * 115)


def test_visa_option_raises_at_the_time_out(kit: Kit) -> None:
    with serial.serial_for_url("hil://board/console?visa", timeout=0.1) as port:
        with pytest.raises(serial.SerialTimeoutException):
            port.read(1)
        assert kit.kernel.now == TICKS_PER_SECOND // 10


def test_blocking_inside_the_event_loop_is_refused_and_not_blocking_works(kit: Kit) -> None:
    async def blocking() -> None:
        with (
            opened(timeout=1.0) as port,
            pytest.raises(serial.SerialException, match="inside the asyncio loop"),
        ):
            port.read(1)

    async def woken() -> bytes:
        with opened(timeout=0) as port:
            arrived = asyncio.Event()
            loop = asyncio.get_running_loop()
            port.on_receive = lambda: loop.call_soon(arrived.set)
            kit.say_in(30, b"hi")
            port.write(b"go")
            await asyncio.wait_for(arrived.wait(), 5.0)
            assert kit.kernel.now == 30 * TICKS_PER_MS
            return bytes(port.read(10))

    loop = VirtualEventLoop(kit.kernel)
    try:
        loop.run(blocking())
        assert loop.run(woken()) == b"hi"
    finally:
        loop.close()


def test_a_host_that_does_not_read_loses_the_oldest(kit: Kit, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire_serial, "BUFFER_LIMIT", 8)
    with opened(timeout=0) as port:
        for index in range(4):
            kit.line.deliver(bytes([index]) * 4)
        assert port.read(100) == b"\x02" * 4 + b"\x03" * 4
        assert port.dropped == 8


def test_a_closed_port_hears_nothing_and_refuses(kit: Kit) -> None:
    port = opened(timeout=0)
    port.close()
    port.close()
    kit.line.deliver(b"lost")
    assert kit.line.far_end is None
    with pytest.raises(serial.PortNotOpenError):
        port.read(1)


@pytest.mark.parametrize("url", ["hil://nobody/console", "hil://", "hil://board/console?x=1"])
def test_a_bad_url_is_a_serial_exception_that_names_it(kit: Kit, url: str) -> None:
    with pytest.raises(serial.SerialException) as caught:
        serial.serial_for_url(url)
    assert "nobody" in str(caught.value) or url in str(caught.value)


def test_names_are_unique_and_listed(kit: Kit) -> None:
    from hil.errors import InputError

    with pytest.raises(InputError, match="already in use"):
        registry.register("board/console", kit.line, kit.kernel)
    assert "board/console" in registry.names(UartLine)
