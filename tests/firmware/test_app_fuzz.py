"""Hostile bytes: the application does nothing undefined, keeps running, and serves the next client."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path

import cbor2
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.firmware.host_device import CONSOLE, HCI, PRIMARY, PRIMARY_SIZE, UPDATE, Controller, HostDevice
from tests.firmware.smp_wire import message, subscribe
from tests.firmware.test_app_smp import frame
from tests.firmware.test_app_upload import make_image

FUZZ = settings(
    max_examples=100,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def module_device(app_library: Path) -> Iterator[HostDevice]:
    made = HostDevice(app_library)
    made.flash(PRIMARY, make_image(5000).data)
    made.start()
    yield made
    made.close()


@pytest.fixture
def target(module_device: HostDevice) -> Controller:
    return recover(module_device)


def recover(device: HostDevice) -> Controller:
    """A fresh start and a connection."""
    assert device.start() == 0
    controller = Controller(device)
    controller.settle()
    controller.connect()
    return controller


def still_serves(link: Controller) -> None:
    """The device answers a new client, and its own image is untouched."""
    link.settle()
    link.disconnect()
    link.acl.clear()
    link.connect()
    assert link.request(b"\x0a\x03\x00") == b"\x0bhil-dut"
    assert link.device.read(PRIMARY + PRIMARY_SIZE - 40, 40) == b"\xff" * 40


handles = st.integers(0, 30) | st.integers(0, 0xFFFF)
att_pdus = st.builds(
    lambda opcode, first, second, rest: struct.pack("<BHH", opcode, first, second)[: 1 + len(rest)] + rest,
    st.sampled_from(
        [0x01, 0x02, 0x04, 0x06, 0x08, 0x0A, 0x0C, 0x0E, 0x10, 0x12, 0x16, 0x18, 0x1E, 0x52, 0xD2]
    )
    | st.integers(0, 255),
    handles,
    handles,
    st.binary(max_size=40) | st.sampled_from([b"\x00\x28", b"\x03\x28", b"\x02\x29", bytes(16)]),
)


@FUZZ
@given(
    st.lists(
        st.tuples(st.sampled_from([4, 4, 4, 5, 6, 7, 0]), att_pdus | st.binary(max_size=300)), max_size=8
    )
)
def test_any_pdus(target: Controller, pdus: list[tuple[int, bytes]]) -> None:
    for channel, pdu in pdus:
        target.send(channel, pdu, size=27)
    still_serves(target)


@FUZZ
@given(st.lists(st.tuples(st.integers(0, 3), st.binary(max_size=255)), max_size=10))
def test_any_fragments(target: Controller, fragments: list[tuple[int, bytes]]) -> None:
    for boundary, data in fragments:
        target.send_fragments(data, first=boundary)
    still_serves(target)


@FUZZ
@given(
    st.lists(
        st.tuples(
            st.sampled_from([0x05, 0x0E, 0x0F, 0x10, 0x13, 0x3E]) | st.integers(0, 255),
            st.binary(max_size=255),
        ),
        max_size=6,
    )
)
def test_any_events(module_device: HostDevice, events: list[tuple[int, bytes]]) -> None:
    link = recover(module_device)
    for code, parameters in events:
        link.event(code, parameters)
        module_device.run()
    link = recover(module_device)
    still_serves(link)


@FUZZ
@given(st.binary(max_size=600))
def test_any_bytes_from_the_controller(module_device: HostDevice, data: bytes) -> None:
    module_device.start()
    module_device.put(HCI, data)
    module_device.run()
    for _ in range(6):
        module_device.run(after_ms=600)
    still_serves(recover(module_device))


json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**64), 2**64 - 1)
    | st.binary(max_size=40)
    | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=4) | st.integers(0, 5), inner, max_size=3)
    ),
    max_leaves=8,
)
keys = st.sampled_from(
    ["off", "len", "data", "sha", "image", "upgrade", "hash", "confirm", "slot", "d", "query"]
)
lengths = st.integers(0, 0x100) | st.sampled_from([0x71FFF, 0x72000, 0x72001, 2**31, 2**32 - 1, 2**32])
bodies = st.dictionaries(keys, json | lengths | st.just(make_image(300).data[:100]), max_size=7)
smp_messages = st.builds(
    lambda group, command, body, write, version: message(group, command, body, write=write, version=version),
    st.sampled_from([0, 1, 1, 1, 2, 64]),
    st.sampled_from([0, 1, 1, 1, 5, 6, 8, 9]),
    bodies.map(cbor2.dumps) | st.binary(max_size=200),
    st.booleans(),
    st.integers(0, 3),
).filter(lambda data: data[4:6] != b"\0\0" or data[7] != 5)  # a reset is what it says


@FUZZ
@given(st.lists(smp_messages, max_size=6), st.integers(1, 244))
def test_any_requests_over_the_air(target: Controller, messages: list[bytes], step: int) -> None:
    target.request(b"\x02\xf7\x00")
    subscribe(target)
    for data in messages:
        for at in range(0, len(data), step):
            target.send(4, b"\x52\x16\x00" + data[at : at + step])
        target.settle()
    still_serves(target)


@FUZZ
@given(st.lists(st.binary(max_size=300) | smp_messages.map(frame), max_size=5))
def test_any_bytes_on_the_console(module_device: HostDevice, parts: list[bytes]) -> None:
    module_device.start()
    for part in parts:
        module_device.put(CONSOLE, part)
        module_device.run()
    module_device.put(CONSOLE, b"\n" + frame(message(0, 6)))
    module_device.run()
    assert frame(message(0, 6))[:3] in module_device.take(CONSOLE)


@FUZZ
@given(st.binary(max_size=64), st.binary(max_size=120))
def test_any_image_in_the_slot(target: Controller, header: bytes, tlvs: bytes) -> None:
    """What lies in the slot was uploaded by anybody: reading its header and TLVs stays inside."""
    forged = bytearray(struct.pack("<IIHHIIBBHI4x", 0x96F3B83D, 0, 32, 0, 64, 0, 1, 0, 0, 0))
    for index, value in enumerate(header[:28]):
        forged[4 + index] ^= value & (0x81 if index % 3 else 0xFF)
    target.device.flash(UPDATE, bytes(forged) + bytes(64) + struct.pack("<HH", 0x6907, len(tlvs) + 4) + tlvs)
    target.request(b"\x02\xf7\x00")
    subscribe(target)
    target.send(4, b"\x52\x16\x00" + message(1, 0))
    target.settle()
    still_serves(target)


@settings(FUZZ, max_examples=500)
@given(st.binary(max_size=60) | json.map(cbor2.dumps))
def test_soundness_agrees_with_a_reference_decoder(module_device: HostDevice, data: bytes) -> None:
    """What ends too early for a complete CBOR decoder is not sound. (The decoder checks more, such as UTF-8.)"""
    sound = module_device.call_bool("cbor_is_sound", data)
    try:
        cbor2.loads(data)
    except (cbor2.CBORDecodeEOF, IndexError):
        assert not sound
    except (cbor2.CBORDecodeError, ValueError, TypeError, OverflowError):
        pass
