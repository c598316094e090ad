"""SMP messages made and read by hand, so that a test says exactly what is on the wire."""

from __future__ import annotations

import struct
from typing import Any

import cbor2

from tests.firmware.host_device import CONSOLE, Controller

SMP_VALUE, SMP_CONFIGURATION = 22, 23


def message(
    group: int, command: int, payload: Any = None, *, write: bool = False, sequence: int = 0, version: int = 1
) -> bytes:
    body = payload if isinstance(payload, bytes) else cbor2.dumps({} if payload is None else payload)
    operation = (2 if write else 0) | version << 3
    return struct.pack(">BBHHBB", operation, 0, len(body), group, sequence, command) + body


def read_messages(data: bytes) -> list[tuple[int, int, int, Any]]:
    """(operation byte, group << 8 | command, sequence, payload) of each message."""
    found = []
    while data:
        operation, _, length, group, sequence, command = struct.unpack_from(">BBHHBB", data)
        found.append((operation, group << 8 | command, sequence, cbor2.loads(data[8 : 8 + length])))
        data = data[8 + length :]
    return found


def subscribe(link: Controller) -> None:
    assert link.request(struct.pack("<BHH", 0x12, SMP_CONFIGURATION, 1)) == b"\x13"


def send(link: Controller, data: bytes, mtu: int = 23) -> None:
    for at in range(0, len(data), mtu - 3):
        link.send(4, struct.pack("<BH", 0x52, SMP_VALUE) + data[at : at + mtu - 3])


def notifications(link: Controller, handle: int = SMP_VALUE) -> list[bytes]:
    values = []
    for channel, pdu in link.received():
        assert channel == 4 and pdu[:3] == struct.pack("<BH", 0x1B, handle)
        values.append(pdu[3:])
    return values


def ask(link: Controller, data: bytes, mtu: int = 23) -> Any:
    """One request over the air; returns the payload of its answer."""
    send(link, data, mtu)
    link.settle()
    ((_, _, sequence, payload),) = read_messages(b"".join(notifications(link)))
    assert sequence == data[6]
    return payload


def take_log(link: Controller) -> str:
    return link.device.take(CONSOLE).decode()
