"""SMP over GATT and over the console: framing, versions, errors, the os group."""

from __future__ import annotations

import base64
import binascii
import struct

import cbor2
import pytest

from tests.firmware.host_device import CONSOLE, RESET, Controller, HostDevice
from tests.firmware.smp_wire import ask, message, notifications, read_messages, send, subscribe


@pytest.fixture
def smp(link: Controller) -> Controller:
    subscribe(link)
    return link


@pytest.mark.parametrize("mtu", [23, 24, 100, 247, 498, 517])
@pytest.mark.parametrize("size", [0, 1, 5, 300, 2400])
def test_an_echo_returns_at_any_mtu(smp: Controller, mtu: int, size: int) -> None:
    smp.request(struct.pack("<BH", 0x02, mtu))
    text = "x" * size
    send(smp, message(0, 0, {"d": text}, write=True, sequence=77), mtu)
    smp.settle()
    parts = notifications(smp)
    assert all(len(part) == mtu - 3 for part in parts[:-1])
    assert read_messages(b"".join(parts)) == [(3 | 1 << 3, 0, 77, {"r": text})]


def test_requests_in_flight_are_answered_in_order(smp: Controller) -> None:
    smp.request(b"\x02\xf2\x01")
    for sequence in range(4):
        send(smp, message(0, 0, {"d": str(sequence)}, write=True, sequence=sequence), 498)
    smp.settle()
    answers = read_messages(b"".join(notifications(smp)))
    assert [(sequence, payload) for _, _, sequence, payload in answers] == [
        (n, {"r": str(n)}) for n in range(4)
    ]


def test_a_client_that_sends_too_much_loses_messages_but_not_the_thread(smp: Controller) -> None:
    """Ten while an answer waits: one is taken, eight have room, the last is lost, and lost whole."""
    smp.request(b"\x02\xf2\x01")
    smp.credits_held = True
    send(smp, message(0, 0, {"d": "x" * 2400}, write=True, sequence=9), 498)
    smp.settle()
    for sequence in range(10):
        send(smp, message(0, 0, {"d": "y" * 1000}, write=True, sequence=sequence), 498)
        smp.device.run()
    smp.credits_held = False
    smp.complete(4)
    smp.settle()
    answers = [sequence for _, _, sequence, _ in read_messages(b"".join(notifications(smp)))]
    assert answers == [9, 0, 1, 2, 3, 4, 5, 6, 7, 8]
    assert ask(smp, message(0, 0, {"d": "again"}, write=True), 498) == {"r": "again"}


def test_a_message_longer_than_a_buffer_is_refused_and_passed_over(smp: Controller) -> None:
    smp.request(b"\x02\xf2\x01")
    assert ask(smp, message(0, 0, {"d": "x" * 2500}, write=True), 498) == {"rc": 7}
    assert ask(smp, message(0, 0, {"d": "next"}, write=True), 498) == {"r": "next"}


def test_a_message_that_is_given_up_is_forgotten(smp: Controller) -> None:
    send(smp, message(0, 0, {"d": "x" * 100}, write=True)[:50])
    smp.settle()
    smp.settle(after_ms=5001)
    assert ask(smp, message(0, 0, {"d": "next"}, write=True)) == {"r": "next"}


def test_half_a_message_ends_with_the_connection(smp: Controller) -> None:
    send(smp, message(0, 0, {"d": "x" * 100}, write=True)[:50])
    smp.settle()
    smp.disconnect()
    smp.connect()
    subscribe(smp)
    assert ask(smp, message(0, 0, {"d": "next"}, write=True)) == {"r": "next"}


def test_nobody_who_does_not_listen_is_answered(link: Controller) -> None:
    send(link, message(0, 0, {"d": "x"}, write=True))
    link.settle()
    assert link.received() == []


def test_parameters_tell_the_buffers(smp: Controller) -> None:
    assert ask(smp, message(0, 6)) == {"buf_size": 2475, "buf_count": 8}


def test_the_bootloader_is_described(smp: Controller) -> None:
    assert ask(smp, message(0, 8)) == {"bootloader": "MCUboot"}
    assert ask(smp, message(0, 8, {"query": "mode"})) == {"mode": 9, "no-downgrade": True}
    assert ask(smp, message(0, 8, {"query": "colour"})) == {"err": {"group": 0, "rc": 3}}
    assert ask(smp, message(0, 8, {"query": "colour"}, version=0)) == {"rc": 5}


@pytest.mark.parametrize(
    ("group", "command", "write"),
    [
        (0, 4, False),
        (0, 4, True),
        (0, 99, False),
        (2, 0, False),
        (63, 0, False),
        (63, 1, True),
        (0, 6, True),
        (1, 1, False),
        (1, 3, False),
    ],
)
@pytest.mark.parametrize("version", [0, 1])
def test_what_is_not_supported_is_said_so(
    smp: Controller, group: int, command: int, write: bool, version: int
) -> None:
    send(smp, message(group, command, write=write, version=version))
    smp.settle()
    ((operation, _, _, payload),) = read_messages(b"".join(notifications(smp)))
    assert payload == {"rc": 8}
    assert operation == (3 if write else 1) | version << 3


def test_a_newer_protocol_is_refused(smp: Controller) -> None:
    assert ask(smp, message(0, 6, version=2)) == {"rc": 13}


@pytest.mark.parametrize("operation", [1, 3, 4, 7])
def test_what_is_no_request_is_not_answered(smp: Controller, operation: int) -> None:
    send(smp, bytes((operation | 8, 0, 0, 1, 0, 0, 0, 6, 0xA0)))
    smp.settle()
    assert smp.received() == []


@pytest.mark.parametrize(
    "payload",
    [
        b"\xff",
        b"\xa1",
        b"\x81" * 2000,
        b"\xa1\x61x" + b"\x81" * 2000,
        b"\x9f" * 1000,
        b"\xbf\x61d",
        b"\xa1\x61d\x7f\x61a\xff",
        b"\xa1\x61d\x7b\xff\xff\xff\xff\xff\xff\xff\xff",
        b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
        cbor2.dumps({"d": 5}),
        cbor2.dumps({"x": "y"}),
        cbor2.dumps(["d", "x"]),
    ],
)
def test_bad_cbor_is_an_invalid_value(smp: Controller, payload: bytes) -> None:
    smp.request(b"\x02\xf2\x01")
    assert ask(smp, message(0, 0, payload, write=True), 498) == {"rc": 3}


def test_unknown_keys_and_other_forms_are_passed_over(smp: Controller) -> None:
    smp.request(b"\x02\xf2\x01")
    extra = {"a": [1, {"b": [True, None]}], 5: b"x", "d": "found", "z": 1.5}
    assert ask(smp, message(0, 0, extra, write=True), 498) == {"r": "found"}
    indefinite = b"\xbf\x61a\x9f\x01\xff\x61d\x65found\xff"
    assert ask(smp, message(0, 0, indefinite, write=True), 498) == {"r": "found"}


def test_a_reset_is_answered_before_it_happens(smp: Controller) -> None:
    assert ask(smp, message(0, 5, write=True)) == {}
    smp.commands.clear()
    assert smp.settle(after_ms=249) == 0
    assert smp.commands == []
    assert smp.settle(after_ms=2) == 0
    disconnect = (0x0406, struct.pack("<HB", smp.HANDLE, 0x15))
    assert smp.commands == [disconnect]  # for the peer to know, before the radio falls silent
    smp.event(0x05, struct.pack("<BHB", 0, smp.HANDLE, 0x16))
    assert smp.settle(after_ms=20) == RESET
    assert smp.commands == [disconnect, (0x0C03, b"")]  # no advertising that nobody answers


def test_a_peer_that_has_gone_delays_a_reset_by_less_than_half_a_second(smp: Controller) -> None:
    ask(smp, message(0, 5, write=True))
    smp.commands.clear()
    assert smp.settle(after_ms=251) == 0
    assert smp.settle(after_ms=290) == 0
    assert smp.settle(after_ms=20) == RESET
    assert [opcode for opcode, _ in smp.commands] == [0x0406, 0x0C03]


def test_a_connection_made_on_the_way_to_a_reset_is_ended(smp: Controller) -> None:
    smp.disconnect()
    ask_on_console(smp.device)
    smp.commands.clear()
    peer = struct.pack("<BHBB6sHHHB", 0, smp.HANDLE, 1, 0, bytes(6), 24, 0, 100, 0)
    smp.event(0x3E, b"\x01" + peer)
    assert smp.settle(after_ms=251) == 0
    assert [opcode for opcode, _ in smp.commands] == [0x0406]


def ask_on_console(device: HostDevice) -> None:
    device.put(CONSOLE, frame(message(0, 5, write=True)))
    assert device.run() == 0


# Over the console


def frame(data: bytes, line: int = 127) -> bytes:
    whole = struct.pack(">H", len(data) + 2) + data + struct.pack(">H", binascii.crc_hqx(data, 0))
    text = base64.b64encode(whole)
    step = (line - 3) // 4 * 4
    lines = [text[at : at + step] for at in range(0, len(text), step)]
    return b"".join((b"\x06\x09" if n == 0 else b"\x04\x14") + part + b"\n" for n, part in enumerate(lines))


def read_frames(output: bytes) -> tuple[list[bytes], str]:
    """(messages, the text between them)."""
    messages, text, data = [], "", b""
    for part in output.split(b"\n")[:-1]:
        if part[:2] in (b"\x06\x09", b"\x04\x14"):
            assert len(part) <= 126
            data = (b"" if part[:1] == b"\x06" else data) + base64.b64decode(part[2:])
            (length,) = struct.unpack_from(">H", data)
            if len(data) == 2 + length:
                assert binascii.crc_hqx(data[2:], 0) == 0
                messages.append(data[2:-2])
        else:
            text += part.decode() + "\n"
    return messages, text


@pytest.fixture
def console(device: HostDevice) -> HostDevice:
    device.start()
    device.run()
    device.take(CONSOLE)
    return device


def ask_console(console: HostDevice, data: bytes) -> object:
    console.put(CONSOLE, data)
    console.run()
    (answer,), _ = read_frames(console.take(CONSOLE))
    ((_, _, _, payload),) = read_messages(answer)
    return payload


@pytest.mark.parametrize("size", [0, 1, 2, 3, 80, 81, 82, 1000, 2400])
def test_the_console_answers_whatever_the_length(console: HostDevice, size: int) -> None:
    text = "x" * size
    assert ask_console(console, frame(message(0, 0, {"d": text}, write=True))) == {"r": text}


@pytest.mark.parametrize("line", [16, 64, 126])
def test_lines_of_any_length_are_understood(console: HostDevice, line: int) -> None:
    assert ask_console(console, frame(message(0, 0, {"d": "x" * 200}, write=True), line)) == {"r": "x" * 200}


@pytest.mark.parametrize(
    "noise",
    [
        b"hello\n",
        b"\x06\x09!!!!\n",
        b"\x06\x09AAAA\n",
        b"\x06\x09//8A\n",
        b"\x06\x09AA\n",
        b"\x06\x09\n",
        b"\x04\x14AAAA\n",
        b"\x06\n",
        b"\x06\x09A=AA\n",
        b"\x06\x09====\n",
        b"\x00\xff" * 50 + b"\n",
        b"\x06\x09AP" + b"A" * 6000 + b"\n",
        frame(message(0, 0, {"d": "lost"}, write=True))[:-6] + b"AAAA\n",
        frame(message(0, 0, {"d": "y" * 300}, write=True))[:130],
        frame(message(0, 0, {"d": "y" * 3000}, write=True)),
    ],
)
def test_noise_on_the_console_is_passed_over(console: HostDevice, noise: bytes) -> None:
    assert ask_console(console, noise + b"\n" + frame(message(0, 0, {"d": "ok"}, write=True))) == {"r": "ok"}


def test_the_console_asks_and_resets(console: HostDevice) -> None:
    console.put(CONSOLE, frame(message(0, 5, write=True)))
    assert console.run() == 0
    (answer,), text = read_frames(console.take(CONSOLE))
    assert read_messages(answer)[0][3] == {}
    assert "reset by request" in text
    assert console.run(after_ms=251) == 0
    assert console.run(after_ms=390) == 0  # there is no controller: it is not waited for longer than this
    assert console.run(after_ms=20) == RESET
