"""The table of HCI commands, and those that concern the controller itself (Core 5.4, Vol 4 Part E, 7.3 to 7.8)."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil.virtual.air import errors
from hil.virtual.air.encryption import aes_128
from hil.virtual.air.errors import CommandError
from hil.virtual.air.features import LOCAL_FEATURES, MANUFACTURER, SUBVERSION, VERSION
from hil.virtual.air.pdu import Address

if TYPE_CHECKING:
    from hil.virtual.air.controller import Controller

Answer = bytes | Callable[[], None] | None
Run = Callable[["Controller", bytes], Answer]

ACCEPT_LIST_SIZE = 16
RESOLVING_LIST_SIZE = 8
ADVERTISING_DATA_OCTETS = 31
ACL_OCTETS = 251


@dataclass(frozen=True)
class Command:
    """One command: where it is in the supported commands mask, and what it does.

    `length` is that of its parameters, None if it varies. A command that `starts` something is
    answered by Command Status, any other by Command Complete. `handle` says that its parameters and
    its answer begin with a connection handle. `run` returns the answer after the status, or what is to
    be done after the answer; it raises CommandError to refuse.
    """

    opcode: int
    octet: int
    bit: int
    length: int | None
    run: Run
    starts: bool = False
    handle: bool = False


COMMANDS: dict[int, Command] = {}


def command(
    opcode: int,
    mask: tuple[int, int],
    length: int | None,
    *,
    starts: bool = False,
    handle: bool = False,
) -> Callable[[Run], Run]:
    """Put the decorated function into the table under its opcode and bit of 6.27."""

    def register(run: Run) -> Run:
        COMMANDS[opcode] = Command(opcode, mask[0], mask[1], length, run, starts, handle)
        return run

    return register


def need(condition: bool, status: int = errors.INVALID_PARAMETERS) -> None:
    """Refuse the command with `status` unless the condition holds."""
    if not condition:
        raise CommandError(status)


def supported_commands() -> bytes:
    """The 64-octet mask of 6.27."""
    mask = bytearray(64)
    for entry in COMMANDS.values():
        if entry.opcode != 0x1002:  # has no bit
            mask[entry.octet] |= 1 << entry.bit
    return bytes(mask)


# Controller and baseband


@command(0x0C01, (5, 6), 8)
def _set_event_mask(controller: Controller, data: bytes) -> Answer:
    controller.events.mask = int.from_bytes(data, "little")
    return None


@command(0x0C63, (22, 2), 8)
def _set_event_mask_page_2(controller: Controller, data: bytes) -> Answer:
    return None  # none of the events of page 2 is ever sent


@command(0x0C03, (5, 7), 0)
def _reset(controller: Controller, data: bytes) -> Answer:
    controller.reset()
    return None


@command(0x0C6C, (24, 5), 0)
def _read_le_host_support(controller: Controller, data: bytes) -> Answer:
    return b"\x01\x00"


@command(0x0C6D, (24, 6), 2)
def _write_le_host_support(controller: Controller, data: bytes) -> Answer:
    return None  # LE is all there is


# Information


@command(0x1001, (14, 3), 0)
def _read_local_version(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<BHBHH", VERSION, 0, VERSION, MANUFACTURER, SUBVERSION)


@command(0x1002, (0, 0), 0)
def _read_supported_commands(controller: Controller, data: bytes) -> Answer:
    return supported_commands()


@command(0x1003, (14, 5), 0)
def _read_supported_features(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<Q", 1 << 37 | 1 << 38)  # BR/EDR not supported, LE supported


@command(0x1005, (14, 7), 0)
def _read_buffer_size(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<HBHH", 0, 0, 0, 0)  # no BR/EDR buffers: LE's are its own


@command(0x1009, (15, 1), 0)
def _read_address(controller: Controller, data: bytes) -> Answer:
    return controller.public_address


# LE, the controller itself


@command(0x2001, (25, 0), 8)
def _set_le_event_mask(controller: Controller, data: bytes) -> Answer:
    controller.events.le_mask = int.from_bytes(data, "little")
    return None


@command(0x2002, (25, 1), 0)
def _read_le_buffer_size(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<HB", ACL_OCTETS, controller.acl_buffers)


@command(0x2003, (25, 2), 0)
def _read_le_features(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<Q", LOCAL_FEATURES)


@command(0x2005, (25, 4), 6)
def _set_random_address(controller: Controller, data: bytes) -> Answer:
    busy = controller.advertiser.enabled or controller.scanner.enabled or controller.initiator.active
    need(not busy, errors.COMMAND_DISALLOWED)
    controller.random_address = data
    return None


@command(0x200F, (26, 6), 0)
def _read_accept_list_size(controller: Controller, data: bytes) -> Answer:
    return bytes((ACCEPT_LIST_SIZE,))


def _accept_list_free(controller: Controller) -> None:
    """The list may not change while something uses it (7.8.15)."""
    used = (
        (controller.advertiser.enabled and controller.advertiser.filter_policy)
        or (controller.scanner.enabled and controller.scanner.filter_policy & 1)
        or controller.initiator.active
    )
    need(not used, errors.COMMAND_DISALLOWED)


@command(0x2010, (26, 7), 0)
def _clear_accept_list(controller: Controller, data: bytes) -> Answer:
    _accept_list_free(controller)
    controller.accept_list.clear()
    return None


@command(0x2011, (27, 0), 7)
def _add_to_accept_list(controller: Controller, data: bytes) -> Answer:
    _accept_list_free(controller)
    need(data[0] <= 1)
    address = Address(data[0], data[1:7])
    room = address in controller.accept_list or len(controller.accept_list) < ACCEPT_LIST_SIZE
    need(room, errors.MEMORY_CAPACITY_EXCEEDED)
    controller.accept_list.add(address)
    return None


@command(0x2012, (27, 1), 7)
def _remove_from_accept_list(controller: Controller, data: bytes) -> Answer:
    _accept_list_free(controller)
    controller.accept_list.discard(Address(data[0], data[1:7]))
    return None


@command(0x2017, (27, 6), 32)
def _encrypt(controller: Controller, data: bytes) -> Answer:
    return aes_128(data[:16], data[16:])


@command(0x2018, (27, 7), 0)
def _rand(controller: Controller, data: bytes) -> Answer:
    return controller.random.randbytes(8)


@command(0x201C, (28, 3), 0)
def _read_supported_states(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<Q", (1 << 42) - 1)  # every combination of legacy states (Vol 6 Part B, 1.1.1)


@command(0x2023, (33, 7), 0)
def _read_suggested_length(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<HH", controller.suggested_tx_octets, controller.suggested_tx_time)


@command(0x2024, (34, 0), 4)
def _write_suggested_length(controller: Controller, data: bytes) -> Answer:
    octets, time_us = struct.unpack("<HH", data)
    need(27 <= octets <= 251 and 328 <= time_us <= 17040)
    controller.suggested_tx_octets, controller.suggested_tx_time = octets, time_us
    return None


@command(0x202F, (35, 3), 0)
def _read_maximum_length(controller: Controller, data: bytes) -> Answer:
    return struct.pack("<HHHH", 251, 17040, 251, 17040)


@command(0x2031, (35, 5), 3)
def _set_default_phy(controller: Controller, data: bytes) -> Answer:
    controller.default_phys = phy_masks(data[0], data[1], data[2])
    return None


def phy_masks(all_phys: int, tx: int, rx: int) -> tuple[int, int]:
    """The PHYs the host accepts, from the parameters of 7.8.48; CommandError 0x11 or 0x12."""
    tx, rx = (0x07 if all_phys & 1 else tx), (0x07 if all_phys & 2 else rx)
    need(tx != 0 and rx != 0)
    need(tx <= 0x07 and rx <= 0x07, errors.UNSUPPORTED_FEATURE)
    return tx, rx
