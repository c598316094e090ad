"""HCI answers of a controller by itself: tables, refusals, masks, broken packets."""

from __future__ import annotations

import struct

import pytest

from hil.virtual.air.command_table import COMMANDS
from tests.virtual.air.host import Host, Pair


@pytest.fixture
def host() -> Host:
    return Pair().central


def test_supported_commands_are_exactly_the_table(host: Host) -> None:
    mask = host.ok(0x1002)
    assert len(mask) == 64
    assert sum(octet.bit_count() for octet in mask) == len(COMMANDS) - 1  # it has no bit itself


def test_bits_of_the_mask_agree_with_another_implementation() -> None:
    from bumble import hci

    for opcode, entry in COMMANDS.items():
        if opcode != 0x1002:
            assert hci.HCI_SUPPORTED_COMMANDS_MASKS[opcode] == 1 << entry.octet * 8 + entry.bit, hex(opcode)


def test_identity_and_buffers(host: Host) -> None:
    assert host.ok(0x1009) == host.controller.public_address
    assert host.ok(0x2002) == struct.pack("<HB", 251, 10)
    assert host.ok(0x1005) == bytes(7)
    assert host.ok(0x202F) == struct.pack("<HHHH", 251, 17040, 251, 17040)
    assert host.ok(0x1001)[0] == 0x0D


def test_an_unknown_command_is_called_so(host: Host) -> None:
    assert host.command(0xFC01, b"vendor")[0] == 0x01
    assert host.command(0x2036, bytes(25))[0] == 0x01


@pytest.mark.parametrize("opcode", sorted(COMMANDS))
def test_parameters_of_the_wrong_length_are_refused(host: Host, opcode: int) -> None:
    length = COMMANDS[opcode].length
    assert length is not None
    assert host.command(opcode, bytes(length + 1))[0] == 0x12


WITH_HANDLE = sorted(
    {opcode for opcode, entry in COMMANDS.items() if entry.handle} | {0x0406, 0x041D, 0x2013, 0x2016, 0x2019}
)


@pytest.mark.parametrize("opcode", WITH_HANDLE)
def test_a_handle_without_a_connection_is_refused(host: Host, opcode: int) -> None:
    length = COMMANDS[opcode].length
    assert length is not None
    assert host.command(opcode, b"\x77\x00".ljust(length, b"\x01"))[0] == 0x02


@pytest.mark.parametrize(
    ("opcode", "parameters", "status"),
    [
        (0x2006, struct.pack("<HHBBB6sBB", 0x1F, 0x20, 0, 0, 0, bytes(6), 7, 0), 0x12),
        (0x2006, struct.pack("<HHBBB6sBB", 0x20, 0x20, 5, 0, 0, bytes(6), 7, 0), 0x12),
        (0x2006, struct.pack("<HHBBB6sBB", 0x20, 0x20, 0, 0, 0, bytes(6), 0, 0), 0x12),
        (0x2008, b"\x20" + bytes(31), 0x12),
        (0x200B, struct.pack("<BHHBB", 0, 0x10, 0x11, 0, 0), 0x12),
        (0x200B, struct.pack("<BHHBB", 2, 0x10, 0x10, 0, 0), 0x12),
        (0x200D, struct.pack("<HHBB6sB6H", 16, 16, 0, 0, bytes(6), 0, 5, 5, 0, 400, 0, 0), 0x12),
        (0x200D, struct.pack("<HHBB6sB6H", 16, 16, 0, 0, bytes(6), 0, 80, 80, 9, 100, 0, 0), 0x12),
        (0x200E, b"", 0x0C),
        (0x2014, b"\x01\0\0\0\0", 0x12),
        (0x2014, b"\xff\xff\xff\xff\xff", 0x12),
        (0x2024, struct.pack("<HH", 26, 328), 0x12),
        (0x2024, struct.pack("<HH", 251, 17041), 0x12),
        (0x2031, b"\x00\x00\x01", 0x12),
        (0x2031, b"\x00\x08\x01", 0x11),
    ],
)
def test_values_out_of_range_are_refused(host: Host, opcode: int, parameters: bytes, status: int) -> None:
    assert host.command(opcode, parameters)[0] == status


def test_aes_of_the_host_is_fips_197(host: Host) -> None:
    key = bytes(range(16))[::-1]
    text = bytes.fromhex("00112233445566778899aabbccddeeff")[::-1]
    assert host.ok(0x2017, key + text)[::-1] == bytes.fromhex("69c4e0d86a7b0430d8cdb78070b4c55a")


def test_default_masks_hold_back_le_events() -> None:
    pair = Pair()
    pair.central.ok(0x0C03)
    pair.advertise()
    pair.create()
    pair.run(100)
    assert pair.central.of(0x3E01) == pair.central.of(0x3E0A) == []


@pytest.mark.parametrize(
    "packet", [b"", b"\x09", b"\x01\x03", b"\x01\x03\x0c\x05\x00", b"\x02\x40\x00", b"\x02\x40\0\x09\0a"]
)
def test_a_broken_packet_is_a_hardware_error_until_reset(host: Host, packet: bytes) -> None:
    host.controller.on_hci(packet)
    host.kernel.advance(host.kernel.now)
    assert len(host.of(0x10)) == 1
    host.controller.on_hci(b"\x01\x09\x10\x00")
    host.kernel.advance(host.kernel.now)
    assert len(host.of(0x0E)) == 3  # of initialise, none since
    host.initialise()
    host.ok(0x1009)


def test_more_data_than_buffers_overflows() -> None:
    pair = Pair(acl_buffers=3)
    handle = pair.connect()
    for _ in range(5):
        pair.a.on_hci(struct.pack("<BHH", 2, handle, 3) + b"abc")
    assert pair.central.of(0x1A) == [b"\x01", b"\x01"]
    pair.run(100)
    assert len(pair.peripheral.received) == 3


def test_a_second_connection_to_the_same_peer_is_refused() -> None:
    pair = Pair()
    pair.connect()
    parameters = (
        struct.pack("<HHBB", 16, 16, 0, 0)
        + pair.b.public_address
        + struct.pack("<B6H", 0, 12, 12, 0, 400, 0, 0)
    )
    assert pair.central.command(0x200D, parameters)[0] == 0x0B


def test_disconnect_wants_a_reason_the_specification_lists() -> None:
    pair = Pair()
    handle = pair.connect().to_bytes(2, "little")
    assert pair.central.command(0x0406, handle + b"\x99")[0] == 0x12
    assert pair.central.command(0x0406, handle + b"\x13")[0] == 0x00
    assert pair.central.command(0x0406, handle + b"\x13")[0] == 0x0C
