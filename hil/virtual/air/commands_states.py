"""HCI commands of advertising, scanning and initiating (Core 5.4, Vol 4 Part E, 7.8.5 to 7.8.13)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hil.virtual.air import errors
from hil.virtual.air.commands import ADVERTISING_DATA_OCTETS, Answer, command, need
from hil.virtual.air.pdu import ADVERTISING_CHANNELS, Address, valid_parameters

if TYPE_CHECKING:
    from hil.virtual.air.controller import Controller

CENTRAL = 0


@command(0x2006, (25, 5), 15)
def _set_advertising_parameters(controller: Controller, data: bytes) -> Answer:
    minimum, maximum, kind, own, peer_type = struct.unpack_from("<HHBBB", data)
    channels, policy = data[13], data[14]
    advertiser = controller.advertiser
    need(not advertiser.enabled, errors.COMMAND_DISALLOWED)
    need(kind <= 4 and own <= 3 and peer_type <= 1 and policy <= 3)
    need(kind == 1 or 0x20 <= minimum <= maximum <= 0x4000)
    need(channels != 0 and channels <= 7)
    advertiser.interval = minimum
    advertiser.kind = kind
    advertiser.own_type = own
    advertiser.peer = Address(peer_type, data[7:13])
    advertiser.channels = tuple(ch for bit, ch in enumerate(ADVERTISING_CHANNELS) if channels >> bit & 1)
    advertiser.filter_policy = policy
    return None


@command(0x2007, (25, 6), 0)
def _read_advertising_power(controller: Controller, data: bytes) -> Answer:
    return b"\x00"  # 0 dBm


def _advertising_data(data: bytes) -> bytes:
    need(data[0] <= ADVERTISING_DATA_OCTETS)
    return data[1 : 1 + data[0]]


@command(0x2008, (25, 7), 32)
def _set_advertising_data(controller: Controller, data: bytes) -> Answer:
    controller.advertiser.data = _advertising_data(data)
    return None


@command(0x2009, (26, 0), 32)
def _set_scan_response_data(controller: Controller, data: bytes) -> Answer:
    controller.advertiser.response = _advertising_data(data)
    return None


@command(0x200A, (26, 1), 1)
def _set_advertising_enable(controller: Controller, data: bytes) -> Answer:
    need(data[0] <= 1)
    advertiser = controller.advertiser
    if not data[0]:
        advertiser.stop()
    elif advertiser.own_type & 1 and not any(controller.random_address):
        need(False)  # no random address was ever set
    elif not advertiser.enabled:
        return advertiser.start
    return None


@command(0x200B, (26, 2), 7)
def _set_scan_parameters(controller: Controller, data: bytes) -> Answer:
    active, interval, window, own, policy = struct.unpack("<BHHBB", data)
    scanner = controller.scanner
    need(not scanner.enabled, errors.COMMAND_DISALLOWED)
    need(active <= 1 and own <= 3 and policy <= 3 and 4 <= window <= interval <= 0x4000)
    scanner.active = bool(active)
    scanner.interval, scanner.window = interval, window
    scanner.own_type = own
    scanner.filter_policy = policy
    return None


@command(0x200C, (26, 3), 2)
def _set_scan_enable(controller: Controller, data: bytes) -> Answer:
    need(data[0] <= 1 and data[1] <= 1)
    if not data[0]:
        controller.scanner.stop()
    else:
        random = controller.scanner.own_type & 1
        need(not random or any(controller.random_address))
        controller.scanner.start(bool(data[1]))
    return None


@command(0x200D, (26, 4), 25, starts=True)
def _create_connection(controller: Controller, data: bytes) -> Answer:
    interval, window, policy, peer_type = struct.unpack_from("<HHBB", data)
    own, minimum, maximum, latency, timeout, _, _ = struct.unpack_from("<BHHHHHH", data, 12)
    initiator = controller.initiator
    need(not initiator.active, errors.COMMAND_DISALLOWED)
    need(4 <= window <= interval <= 0x4000 and policy <= 1 and own <= 3)
    need(valid_parameters(minimum, maximum, latency, timeout))
    need(not own & 1 or any(controller.random_address))
    peer = None
    if not policy:
        need(peer_type <= 3)
        peer = Address(peer_type & 1, data[6:12])
        need(not controller.has_connection_to(peer), errors.CONNECTION_ALREADY_EXISTS)
    initiator.start(peer, own, interval, window, (minimum, latency, timeout))
    return None


@command(0x200E, (26, 5), 0)
def _cancel_connection(controller: Controller, data: bytes) -> Answer:
    initiator = controller.initiator
    need(initiator.active, errors.COMMAND_DISALLOWED)
    initiator.stop()
    return lambda: controller.events.connection_failed(
        errors.UNKNOWN_CONNECTION, CENTRAL, Address(0, bytes(6))
    )
