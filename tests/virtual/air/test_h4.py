"""H4 between a kit's UART and its controller: pieces, broken streams, flow control, power."""

from __future__ import annotations

import pytest

from hil.virtual.air.controller import Controller
from hil.virtual.air.h4 import ABANDON_AFTER, H4, HCI_RESET, QUEUE_OCTETS
from hil.virtual.air.medium import Medium
from hil.virtual.kernel import Kernel
from hil.virtual.uart import UartLine

READ_ADDRESS = b"\x01\x09\x10\x00"
ADDRESS = b"\x01\x00\x00\x00\x00\xc0"
RESET_DONE = b"\x04\x0e\x04\x01\x03\x0c\x00"
ADDRESS_DONE = b"\x04\x0e\x0a\x01\x09\x10\x00" + ADDRESS
HARDWARE_ERROR = b"\x04\x10\x01\x01"


class Bench:
    def __init__(self) -> None:
        self.kernel = Kernel()
        self.controller = Controller(self.kernel, Medium(self.kernel), "kit", ADDRESS)
        self.line = UartLine("hci", txd=34, rxd=33, rts=36, cts=35, flow_control=True)
        self.h4 = H4(self.kernel, self.controller, self.line)

    def say(self, data: bytes) -> bytes:
        """The kit sends; what it can read after that."""
        self.line.deliver(data)
        self.kernel.advance(self.kernel.now)
        answer = bytes(self.line.queue)
        self.line.queue.clear()
        return answer


@pytest.fixture
def bench() -> Bench:
    return Bench()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_packets_are_found_in_pieces_of_any_length(bench: Bench, size: int) -> None:
    stream = HCI_RESET + READ_ADDRESS + READ_ADDRESS
    answers = b"".join(bench.say(stream[n : n + size]) for n in range(0, len(stream), size))
    assert answers == RESET_DONE + ADDRESS_DONE * 2


@pytest.mark.parametrize(
    "noise", [b"\x00", b"\x07abc", b"\x02\x40\x00\xff\xff", b"\x04\x0e\x01\x00", b"\x03"]
)
def test_a_lost_stream_is_reported_once_and_found_again_by_reset(bench: Bench, noise: bytes) -> None:
    assert bench.say(noise) == HARDWARE_ERROR
    assert bench.say(b"anything" * 200) == b""
    assert bench.say(READ_ADDRESS) == b""
    assert bench.say(HCI_RESET[:3]) == b""
    assert bench.say(HCI_RESET[3:] + READ_ADDRESS) == RESET_DONE + ADDRESS_DONE


def test_half_a_packet_of_a_kit_that_was_reset_is_dropped(bench: Bench) -> None:
    assert bench.say(b"\x02\x40\x00\xfb\x00half") == b""
    bench.kernel.advance(bench.kernel.now + ABANDON_AFTER + 1)
    assert bench.say(HCI_RESET) == RESET_DONE


def test_a_packet_interrupted_by_a_page_erase_is_whole(bench: Bench) -> None:
    assert bench.say(READ_ADDRESS[:2]) == b""
    bench.kernel.advance(bench.kernel.now + ABANDON_AFTER // 2)
    assert bench.say(READ_ADDRESS[2:]) == ADDRESS_DONE


def test_data_of_the_air_waits_while_the_kit_does_not_read(bench: Bench) -> None:
    assert bench.controller.can_receive()
    bench.line.send(bytes(QUEUE_OCTETS))
    assert not bench.controller.can_receive()
    bench.line.queue.clear()
    assert bench.controller.can_receive()


def test_advertising_reports_do_not_pile_up(bench: Bench) -> None:
    bench.controller.events.mask = bench.controller.events.le_mask = (1 << 64) - 1
    from hil.virtual.air.pdu import Address

    for _ in range(1000):
        bench.controller.events.advertising_report(0, Address(0, ADDRESS), bytes(31), -50)
    assert len(bench.line.queue) < QUEUE_OCTETS + 300


def test_without_power_it_is_not_ready_and_hears_nothing(bench: Bench) -> None:
    assert bench.line.ready
    bench.say(READ_ADDRESS[:2])
    bench.h4.power(False)
    assert not bench.line.ready
    assert bench.say(HCI_RESET) == b""
    bench.h4.power(True)
    assert bench.line.ready
    assert bench.say(READ_ADDRESS) == ADDRESS_DONE
