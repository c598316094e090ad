"""HCI commands of connections (Core 5.4, Vol 4 Part E, 7.1, 7.5 and 7.8)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from hil.virtual.air import errors
from hil.virtual.air.channels import ALL_CHANNELS
from hil.virtual.air.commands import Answer, command, need, phy_masks
from hil.virtual.air.medium import CODING_S2, CODING_S8
from hil.virtual.air.pdu import valid_parameters

if TYPE_CHECKING:
    from hil.virtual.air.controller import Controller
    from hil.virtual.air.link import Connection


def _link(controller: Controller, data: bytes) -> Connection:
    return controller.connection(struct.unpack_from("<H", data)[0])


@command(0x0406, (0, 5), 3, starts=True)
def _disconnect(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    need(data[2] in errors.DISCONNECT_REASONS)
    need(link.llcp.leaving_reason is None, errors.COMMAND_DISALLOWED)
    link.llcp.terminate(data[2])
    return None


@command(0x041D, (2, 7), 2, starts=True)
def _read_remote_version(controller: Controller, data: bytes) -> Answer:
    return _link(controller, data).llcp.read_version


@command(0x1405, (15, 5), 2, handle=True)
def _read_rssi(controller: Controller, data: bytes) -> Answer:
    return data + struct.pack("<b", _link(controller, data).rssi)


@command(0x2013, (27, 2), 14, starts=True)
def _connection_update(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    _, minimum, maximum, latency, timeout, _, _ = struct.unpack("<7H", data)
    need(valid_parameters(minimum, maximum, latency, timeout))
    need(not link.llcp.updating, errors.COMMAND_DISALLOWED)
    return lambda: link.llcp.update_parameters(minimum, maximum, latency, timeout)


@command(0x2014, (27, 3), 5)
def _set_host_channels(controller: Controller, data: bytes) -> Answer:
    channel_map = int.from_bytes(data, "little")
    need(channel_map & ~ALL_CHANNELS == 0 and channel_map.bit_count() >= 2)
    controller.set_channel_map(channel_map)
    return None


@command(0x2015, (27, 4), 2, handle=True)
def _read_channel_map(controller: Controller, data: bytes) -> Answer:
    return data + _link(controller, data).hops.channel_map.to_bytes(5, "little")


@command(0x2016, (27, 5), 2, starts=True)
def _read_remote_features(controller: Controller, data: bytes) -> Answer:
    return _link(controller, data).llcp.read_features


@command(0x2019, (28, 0), 28, starts=True)
def _enable_encryption(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    status = link.llcp.security.enable(data[2:10], data[10:12], data[12:28])
    need(status == errors.SUCCESS, status)
    return None


@command(0x201A, (28, 1), 18, handle=True)
def _long_term_key_reply(controller: Controller, data: bytes) -> Answer:
    need(_link(controller, data).llcp.security.key(data[2:18]), errors.COMMAND_DISALLOWED)
    return data[:2]


@command(0x201B, (28, 2), 2, handle=True)
def _long_term_key_negative_reply(controller: Controller, data: bytes) -> Answer:
    need(_link(controller, data).llcp.security.key(None), errors.COMMAND_DISALLOWED)
    return data[:2]


@command(0x2020, (33, 4), 14, handle=True)
def _parameter_request_reply(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    _, minimum, maximum, latency, timeout, _, _ = struct.unpack("<7H", data)
    need(valid_parameters(minimum, maximum, latency, timeout))
    need(link.llcp.answer_parameters(minimum, latency, timeout), errors.COMMAND_DISALLOWED)
    return data[:2]


@command(0x2021, (33, 5), 3, handle=True)
def _parameter_request_negative_reply(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    need(link.llcp.refuse_parameters(data[2]), errors.COMMAND_DISALLOWED)
    return data[:2]


@command(0x2022, (33, 6), 6, handle=True)
def _set_data_length(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    _, octets, time_us = struct.unpack("<HHH", data)
    need(27 <= octets <= 251 and 328 <= time_us <= 17040)
    link.llcp.set_data_length(octets, time_us)
    return data[:2]


@command(0x2030, (35, 4), 2, handle=True)
def _read_phy(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    return data + bytes((link.phy_tx, link.phy_rx))


@command(0x2032, (35, 6), 7, starts=True, handle=True)
def _set_phy(controller: Controller, data: bytes) -> Answer:
    link = _link(controller, data)
    _, all_phys, tx, rx, options = struct.unpack("<HBBBH", data)
    tx, rx = phy_masks(all_phys, tx, rx)
    need(not link.llcp.phy.asked, errors.COMMAND_DISALLOWED)
    link.coding_wanted = {1: CODING_S2, 2: CODING_S8}.get(options & 3, 0)
    link.set_coding(link.coding_wanted or CODING_S8)
    return lambda: link.llcp.phy.ask(tx, rx)
