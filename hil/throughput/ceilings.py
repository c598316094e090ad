"""What each stage of a column's way can carry, of image or of value."""

from __future__ import annotations

from dataclasses import replace

from hil.ble.cell import Cell, Stage, in_series
from hil.dfu.ble import fragment_size
from hil.dfu.chunks import later_capacity, least_message_octets
from hil.rig.schema import DeviceFile


def link_stages(cell: Cell, octets: int, *, response: bool) -> list[Stage]:
    """Host to host: nothing but the air."""
    return [cell.air(octets, response=response)]


def device_stages(cell: Cell, octets: int, device: DeviceFile, *, response: bool) -> list[Stage]:
    """A GATT service on the device that throws away what it gets."""
    stages = [cell.air(octets, response=response), *_uart(cell, device)]
    if response:
        stages.append(cell.round_trips(cell.value_octets, cell.value_octets))
    return stages


def upload_stages(
    link: Cell,
    total: int,
    device: DeviceFile,
    *,
    message_octets: int,
    window: int,
    erased: bool,
) -> list[Stage]:
    """An upload of `total` bytes in messages of `message_octets`, with `window` of them in flight.

    Raises ValueError where messages of that length hold no data.
    """
    octets = least_message_octets(total, message_octets)
    cell = replace(link, mtu=fragment_size(link.mtu, link.data_length) + 3)
    stages = [cell.air(octets), *_uart(cell, device)]
    stages = [stage.carrying(total / octets) for stage in stages]
    stages += _storage(device, erased=erased)
    if window == 1:
        stages.append(cell.round_trips(later_capacity(message_octets, 0), message_octets))
    return stages


def _uart(cell: Cell, device: DeviceFile) -> list[Stage]:
    baud = device.limits.hci_baud
    return [cell.hci_uart(baud)] if baud is not None else []


def _storage(device: DeviceFile, *, erased: bool) -> list[Stage]:
    """Erase, write and processor take turns on each byte, where the code lies in the flash that is written."""
    limits = device.limits
    if limits.flash_write_rate is None:
        return []
    parts = {"write": limits.flash_write_rate}
    if not erased and limits.flash_erase_seconds is not None:
        parts = {"erase": device.flash_page / limits.flash_erase_seconds, **parts}
    name = f"flash {' and '.join(parts)}"
    if limits.processing_rate is not None:
        parts["processor"] = limits.processing_rate
        name = f"{name}, processor"
    return [in_series(name, *parts.values())]
