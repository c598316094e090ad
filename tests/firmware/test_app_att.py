"""ATT, GATT, L2CAP and HCI of the device against the Core Specification."""

from __future__ import annotations

import struct

import pytest

from tests.firmware.host_device import CONSOLE, HCI, Controller, HostDevice

SMP_SERVICE = bytes.fromhex("8d53dc1d1db74cd3868b8a527460aa84")[::-1]
SMP_CHARACTERISTIC = bytes.fromhex("da2e7828fbce4e01ae9e261174997c48")[::-1]


def error(request: int, handle: int, code: int) -> bytes:
    return struct.pack("<BBHB", 1, request, handle, code)


def discover(link: Controller, opcode: int, uuid: int) -> list[bytes]:
    """All entries of Read By Group Type (0x10) or Read By Type (0x08)."""
    entries: list[bytes] = []
    start = 1
    while True:
        answer = link.request(struct.pack("<BHHH", opcode, start, 0xFFFF, uuid))
        if answer[0] == 1:
            assert answer == error(opcode, start, 0x0A)
            return entries
        size = answer[1]
        found = [answer[at : at + size] for at in range(2, len(answer), size)]
        entries += found
        last = struct.unpack_from("<HH", found[-1])
        start = (last[1] if opcode == 0x10 else last[0]) + 1


def test_services_and_characteristics_are_discovered_at_the_default_mtu(link: Controller) -> None:
    services = [(struct.unpack_from("<HH", entry), entry[4:]) for entry in discover(link, 0x10, 0x2800)]
    assert [uuid for _, uuid in services][:4] == [b"\x00\x18", b"\x01\x18", b"\x0a\x18", b"\x0f\x18"]
    assert services[4][1] == SMP_SERVICE
    assert [first for (first, _), _ in services][1:] == [end + 1 for (_, end), _ in services][:-1]
    characteristics = {entry[5:]: entry[2:5] for entry in discover(link, 0x08, 0x2803)}
    assert characteristics[SMP_CHARACTERISTIC] == struct.pack("<BH", 0x14, 22)
    assert characteristics[b"\x19\x2a"] == struct.pack("<BH", 0x12, 18)
    assert len(characteristics) == 10


def test_a_service_is_found_by_its_uuid(link: Controller) -> None:
    answer = link.request(struct.pack("<BHHH", 0x06, 1, 0xFFFF, 0x2800) + SMP_SERVICE)
    assert answer == struct.pack("<BHH", 0x07, 20, 23)


def test_descriptors_are_found(link: Controller) -> None:
    assert link.request(struct.pack("<BHH", 0x04, 19, 19)) == struct.pack("<BBHH", 5, 1, 19, 0x2902)
    answer = link.request(struct.pack("<BHH", 0x04, 22, 23))
    assert answer == struct.pack("<BBH", 5, 2, 22) + SMP_CHARACTERISTIC


def test_a_sixteen_bit_type_is_found_by_its_long_form(link: Controller) -> None:
    base = bytes.fromhex("fb349b5f80000080001000000028")
    answer = link.request(struct.pack("<BHH", 0x10, 1, 0xFFFF) + base + bytes(2))
    assert answer[0] == 0x11


def test_values_are_read_and_read_on(link: Controller) -> None:
    assert link.request(b"\x0a\x03\x00") == b"\x0bhil-dut"
    assert link.request(b"\x0c\x03\x00\x04\x00") == b"\x0ddut"
    assert link.request(b"\x0c\x03\x00\x07\x00") == b"\x0d"
    assert link.request(b"\x0c\x03\x00\x08\x00") == error(0x0C, 3, 0x07)
    model = link.request(b"\x0a\x0b\x00")[1:]
    assert len(model) == 22
    assert model + link.request(b"\x0c\x0b\x00\x16\x00")[1:] == b"nRF52840 reference device"


def test_the_battery_level_is_measured(link: Controller) -> None:
    assert link.request(b"\x0a\x12\x00") == b"\x0b\x64"
    link.device.set_supply(2190)
    assert link.request(b"\x0a\x12\x00") == b"\x0b\x13"


def test_a_subscriber_hears_of_the_battery(link: Controller) -> None:
    assert link.request(b"\x12\x13\x00\x01\x00") == b"\x13"
    link.device.set_supply(2500)
    link.settle(after_ms=11_000)
    assert link.received() == [(4, b"\x1b\x12\x00\x32")]


@pytest.mark.parametrize(("offered", "agreed"), [(23, 23), (100, 100), (498, 498), (65535, 517), (5, 23)])
def test_the_mtu_is_the_smaller_of_both(link: Controller, offered: int, agreed: int) -> None:
    assert link.request(struct.pack("<BH", 0x02, offered)) == struct.pack("<BH", 0x03, 517)
    answer = link.request(struct.pack("<BHHH", 0x08, 1, 0xFFFF, 0x2803))
    assert len(answer) == 2 + (agreed - 2) // 7 * 7 if agreed == 23 else len(answer) > 23
    assert link.request(b"\x12\x1c\x00" + bytes(agreed - 3)) == b"\x13"
    link.send(4, b"\x12\x1c\x00" + bytes(agreed - 2))
    link.settle()
    # What exceeds the channel's largest PDU does not even reach ATT.
    assert link.received() == ([(4, error(0x12, 0, 0x04))] if agreed < 517 else [])


def test_the_sink_counts_and_is_reset(link: Controller) -> None:
    link.request(b"\x02\xf2\x01")
    for _ in range(10):
        link.send(4, b"\x52\x1a\x00" + bytes(495))
    link.settle()
    assert link.received() == []
    assert link.request(b"\x0a\x1c\x00") == b"\x0b" + struct.pack("<II", 4950, 10)
    assert link.request(b"\x12\x1c\x00\x00") == b"\x13"
    assert link.request(b"\x0a\x1c\x00") == b"\x0b" + bytes(8)


@pytest.mark.parametrize(
    ("request_pdu", "answer"),
    [
        (b"\x0a\x00\x00", error(0x0A, 0, 0x01)),
        (b"\x0a\x1d\x00", error(0x0A, 29, 0x01)),
        (b"\x0a\xff\xff", error(0x0A, 0xFFFF, 0x01)),
        (b"\x0a\x16\x00", error(0x0A, 22, 0x02)),
        (b"\x12\x03\x00x", error(0x12, 3, 0x03)),
        (b"\x12\x13\x00\x01", error(0x12, 19, 0x0D)),
        (b"\x12\x13\x00\x02\x00", error(0x12, 19, 0x13)),
        (b"\x0a\x03", error(0x0A, 0, 0x04)),
        (b"\x0a\x03\x00\x00", error(0x0A, 0, 0x04)),
        (b"\x04\x00\x00\xff\xff", error(0x04, 0, 0x01)),
        (b"\x04\x05\x00\x04\x00", error(0x04, 5, 0x01)),
        (b"\x04\x1d\x00\xff\xff", error(0x04, 29, 0x0A)),
        (b"\x10\x01\x00\xff\xff\x01\x28", error(0x10, 1, 0x10)),
        (b"\x08\x14\x00\x17\x00" + SMP_CHARACTERISTIC, error(0x08, 22, 0x02)),
        (b"\x16\x03\x00\x00\x00x", error(0x16, 0, 0x06)),
        (b"\x18\x01", error(0x18, 0, 0x06)),
        (b"\x0e\x03\x00\x05\x00", error(0x0E, 0, 0x06)),
        (b"\x3e", error(0x3E, 0, 0x06)),
    ],
)
def test_what_is_not_possible_is_refused_as_specified(
    link: Controller, request_pdu: bytes, answer: bytes
) -> None:
    assert link.request(request_pdu) == answer


@pytest.mark.parametrize(
    "pdu",
    [b"", b"\x52", b"\x52\x00\x00", b"\xd2\x16\x00" + bytes(13), b"\x7f", b"\x1e", b"\x1b\x03\x00", b"\x01"],
)
def test_commands_and_responses_are_never_answered(link: Controller, pdu: bytes) -> None:
    link.send(4, pdu)
    link.settle()
    assert link.received() == []


def test_subscriptions_and_mtu_end_with_the_connection(link: Controller) -> None:
    link.request(b"\x02\xf2\x01")
    link.request(b"\x12\x13\x00\x01\x00")
    link.disconnect()
    assert link.commands[-1] == (0x200A, b"\x01")
    link.connect()
    assert link.request(b"\x0a\x13\x00") == b"\x0b\x00\x00"
    assert len(link.request(b"\x0a\x0b\x00")) == 23


@pytest.mark.parametrize("size", [1, 2, 3, 5, 27])
def test_pdus_come_in_fragments_of_any_size(link: Controller, size: int) -> None:
    link.send(4, b"\x0a\x03\x00", size=size)
    link.settle()
    assert link.received() == [(4, b"\x0bhil-dut")]


@pytest.mark.parametrize(
    "fragments",
    [
        [b"\x03\x00\x04\x00\x0a\x03\x00\x00"],  # longer than its header says
        [b"\x03\x00\x04\x00\x0a\x03", b"\x00\x00"],
        [b"\xff\xff\x04\x00\x0a\x03\x00"],  # longer than any channel takes
        [b"\x00\x04\x04\x00" + bytes(200), *[bytes(200)] * 6],
        [b"\x03\x00\x04"],  # never ends
    ],
)
def test_a_bad_pdu_is_dropped_and_the_next_is_understood(link: Controller, fragments: list[bytes]) -> None:
    link.send_fragments(*fragments)
    assert link.request(b"\x0a\x03\x00") == b"\x0bhil-dut"


def test_a_continuation_of_nothing_and_other_handles_are_dropped(link: Controller) -> None:
    link.send_fragments(b"\x03\x00\x04\x00\x0a\x03\x00", first=1)
    link.device.put(HCI, struct.pack("<BHH", 2, 0x2041, 7) + b"\x03\x00\x04\x00\x0a\x03\x00")
    link.settle()
    assert link.received() == []


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        (b"\x12\x07\x08\x00" + bytes(8), b"\x01\x07\x02\x00\x00\x00"),
        (b"\x14\x07\x0a\x00" + bytes(10), b"\x15\x07\x0a\x00" + bytes(8) + b"\x02\x00"),
        (b"\x06\x07\x04\x00\x40\x00\x41\x00", b"\x01\x07\x06\x00\x02\x00\x40\x00\x41\x00"),
        (b"\x99\x07\x00\x00", b"\x01\x07\x02\x00\x00\x00"),
        (b"\x99\x07\x14\x00" + bytes(20), b"\x01\x07\x04\x00\x01\x00\x17\x00"),
    ],
)
def test_signalling_commands_are_rejected_as_specified(
    link: Controller, command: bytes, answer: bytes
) -> None:
    link.send(5, command)
    link.settle()
    assert link.received() == [(5, answer)]


@pytest.mark.parametrize(
    "command", [b"", b"\x99\x07", b"\x99\x00\x00\x00", b"\x99\x07\x01\x00", b"\x01\x07\x02\x00\x00\x00"]
)
def test_malformed_signalling_is_ignored(link: Controller, command: bytes) -> None:
    link.send(5, command)
    link.settle()
    assert link.received() == []


def test_pairing_is_refused(link: Controller) -> None:
    link.send(6, b"\x01\x03\x00\x01\x10\x00\x00")
    link.settle()
    assert link.received() == [(6, b"\x05\x05")]


def test_no_more_packets_are_sent_than_the_controller_has_room_for(device: HostDevice) -> None:
    device.start()
    link = Controller(device, acl_length=27, acl_count=2)
    link.settle()
    link.connect()
    link.credits_held = True
    link.send(4, b"\x02\xf2\x01")
    link.settle()
    link.complete(1)
    link.acl.clear()
    link.send(4, struct.pack("<BHHH", 0x08, 1, 0xFFFF, 0x2803))
    link.settle()
    assert len(link.acl) == 2
    link.complete(1, handle=0x0041)  # another connection's
    link.settle()
    assert len(link.acl) == 2
    link.complete(2)
    link.settle()
    assert len(link.acl) == 3
    assert link.received()[0][1][0] == 0x09


def test_the_controller_is_set_up_with_name_service_and_static_address(device: HostDevice) -> None:
    device.start()
    link = Controller(device)
    link.settle()
    commands = dict(link.commands)
    assert link.commands[0] == (0x0C03, b"")
    assert commands[0x2024] == struct.pack("<HH", 251, 2120)
    assert commands[0x2005][5] >> 6 == 3
    advertising = commands[0x2008]
    assert advertising[0] <= 31 and SMP_SERVICE in advertising and b"\x08\x09hil-dut" in advertising


def test_a_silent_controller_is_reset_again(device: HostDevice) -> None:
    device.start()
    device.run()
    assert device.take(HCI) == b"\x01\x03\x0c\x00"
    device.run(after_ms=1999)
    assert device.take(HCI) == b""
    device.run(after_ms=2)
    assert device.take(HCI) == b"\x01\x03\x0c\x00"


@pytest.mark.parametrize("opcode", [0x0C03, 0x0C01, 0x2001, 0x2005, 0x2006, 0x2008, 0x200A])
def test_a_device_that_cannot_be_reached_is_not_ready_and_tries_again(
    device: HostDevice, opcode: int
) -> None:
    device.start()
    controller = Controller(device)
    controller.refuses = {opcode}
    controller.settle()
    assert controller.commands[-1][0] == opcode
    assert b"controller ready" not in device.take(CONSOLE)
    controller.refuses.clear()
    controller.commands.clear()
    controller.settle(after_ms=2001)
    assert controller.commands[0] == (0x0C03, b"")
    assert b"controller ready" in device.take(CONSOLE)


def test_a_controller_that_does_not_advertise_again_is_reset(link: Controller) -> None:
    link.refuses = {0x200A}
    link.commands.clear()
    link.disconnect()
    assert [opcode for opcode, _ in link.commands[:2]] == [0x200A, 0x0C03]
    link.refuses.clear()
    link.settle(after_ms=2001)
    assert link.commands[-1] == (0x200A, b"\x01")


@pytest.mark.parametrize("garbage", [b"\x00", b"\xff" * 5, b"\x02\x40\x20\xff\xff", b"\x04\x10\x01\x00"])
def test_lost_synchronisation_resets_the_controller(link: Controller, garbage: bytes) -> None:
    link.commands.clear()
    link.device.put(HCI, garbage)
    link.settle()
    assert link.commands[0] == (0x0C03, b"")
    assert link.commands[-1] == (0x200A, b"\x01")
    link.connect()
    assert link.request(b"\x0a\x03\x00") == b"\x0bhil-dut"


def test_a_packet_that_stops_in_the_middle_does_not_block_for_ever(link: Controller) -> None:
    link.device.put(HCI, b"\x02\x40\x20\x10\x00abc")
    link.settle()
    link.commands.clear()
    link.settle(after_ms=100)
    assert link.commands == []
    link.settle(after_ms=501)
    assert link.commands[0] == (0x0C03, b"")


def test_requests_of_the_remote_controller_are_answered(link: Controller) -> None:
    link.commands.clear()
    wish = struct.pack("<HHHHH", Controller.HANDLE, 6, 12, 0, 100)
    link.event(0x3E, b"\x06" + wish)
    link.event(0x3E, b"\x05" + struct.pack("<H", Controller.HANDLE) + bytes(10))
    link.settle()
    assert link.commands == [(0x2020, wish + bytes(4)), (0x201A + 1, struct.pack("<H", Controller.HANDLE))]


def test_the_log_tells_of_the_link(link: Controller) -> None:
    assert b"app: connected\r\n" in link.device.take(CONSOLE)
