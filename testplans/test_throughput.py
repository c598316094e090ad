"""Throughput by PHY and ATT MTU: of the link alone, of the device without its flash, and of an update's upload.

Every figure stands beside the most that the narrowest stage of its way allows by calculation (hil.ble.cell), and says
which stage that is. PDUs of up to 251 octets are asked for in every cell; at ATT MTU 23 a write fills 27 of them only.

`cells` names the cells of the matrix as PHY/MTU, apart by spaces. In each of them the link alone and the device are
given as much as the air could carry in `seconds`; an upload has an image with `payload_bytes` of code. A plan may set
each of these, and the connection interval, `interval_ms`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest

from hil.ble.cell import Cell, Stage, narrowest, negotiated
from hil.ble.central import Central
from hil.ble.sink import Pour, Sink, pour
from hil.ble.uuids import SINK_SERVICE
from hil.case import case, stage, throughput
from hil.dfu.reach import BleReach, LinkSettings
from hil.errors import BenchError, InputError
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.run.reported import ReportedImages, ReportedUpdate
from hil.throughput.ceilings import device_stages, upload_stages

DATA_LENGTH = 251
LINK_FLOOR, DEVICE_FLOOR, UPLOAD_FLOOR = 0.95, 0.9, 0.8
"""Least share of the ceiling. An upload of 64 KB has its first and last round trip in it."""
LINK_NEEDS = ["central", "link.phy", "link.data-length", "link.interval"]

_matrix = pytest.mark.parametrize(
    "cells",
    ["1M/23 1M/247 1M/498 2M/23 2M/247 2M/498"],
    ids=[pytest.HIDDEN_PARAM],
)
_seconds = pytest.mark.parametrize("seconds", [0.4], ids=[pytest.HIDDEN_PARAM])
_payload = pytest.mark.parametrize("payload_bytes", [64 * 1024], ids=[pytest.HIDDEN_PARAM])
_interval = pytest.mark.parametrize("interval_ms", [15.0], ids=[pytest.HIDDEN_PARAM])


@case(
    "THR-01",
    "The link alone carries what its airtime allows, and no more, for each PHY and ATT MTU",
    evidence_for=["BRIEF-throughput"],
    needs=[*LINK_NEEDS, "spare-controller"],
)
@_matrix
@_seconds
@_interval
def test_link_alone(rig: Rig, cells: str, seconds: float, interval_ms: float) -> None:
    central, sink = rig.central, Sink(rig.spare)
    rig.run(sink.start())
    complaints: list[str] = []
    for settings in _each(cells, interval_ms):
        with stage(_name(settings)):
            cell, poured = rig.run(_poured(central, settings, seconds, sink.name))
            # Both ends are the bench's: the last byte is timed where it arrives.
            took = (sink.last_at or poured.answered) - poured.started
            complaints += _recorded(
                "link", settings, cell, poured.sent.bytes, took, [cell.air(poured.sent.bytes)]
            )
            complaints += _lost(cell, poured)
            # On a real bench others share the band; that the air is lossless is known of the virtual one only.
            if rig.file.bench == "virtual":  # by the wall clock a slow host would be told as the device
                complaints += _slow(cell, poured.sent.bytes / took, cell.air(poured.sent.bytes), LINK_FLOOR)
    # No device takes part: what is wrong here is wrong with the bench.
    if complaints:
        raise BenchError("; ".join(complaints))


@case(
    "THR-02",
    "The device takes data as fast as the air and its HCI UART bring it, flash left aside",
    evidence_for=["BRIEF-throughput"],
    needs=[*LINK_NEEDS, "device.throughput-sink"],
)
@_matrix
@_seconds
@_interval
def test_device_without_flash(dut: Device, rig: Rig, cells: str, seconds: float, interval_ms: float) -> None:
    central, ble = rig.central, dut.file.ble
    complaints: list[str] = []
    for settings in _each(cells, interval_ms):
        with stage(_name(settings)):
            cell, poured = rig.run(_poured(central, settings, seconds, ble.name, ble.address))
            stages = device_stages(cell, poured.sent.bytes, dut.file, response=False)
            # The time ends with the counter's answer, up to two intervals after the last byte was taken.
            complaints += _recorded("device", settings, cell, poured.sent.bytes, poured.seconds, stages)
            complaints += _lost(cell, poured)
            if rig.file.bench == "virtual":  # by the wall clock a slow host would be told as the device
                complaints += _slow(cell, poured.sent.bytes / poured.seconds, narrowest(stages), DEVICE_FLOOR)
    assert not complaints, "; ".join(complaints)


@case(
    "THR-03",
    "An image is uploaded no faster than air, HCI UART and flash allow, into erased flash and into used flash",
    evidence_for=["BRIEF-throughput"],
    needs=LINK_NEEDS,
    controls=["slow"],
)
@_matrix
@_payload
@_interval
def test_upload(
    dut: Device,
    rig: Rig,
    update: ReportedUpdate,
    images: ReportedImages,
    cells: str,
    payload_bytes: int,
    interval_ms: float,
) -> None:
    wanted = _each(cells, interval_ms)
    complaints: list[str] = []

    def upload(settings: LinkSettings, version: str, *, used: bool) -> None:
        image = images.make(version, size=payload_bytes)
        total = len(image.data)
        outcome = update.start(image).run()
        cell, message = rig.run(_of_upload(rig.central, update))
        stages = upload_stages(
            cell, total, dut.file, message_octets=message, window=outcome.window, erased=not used
        )
        kind = "dfu with erase" if used else "dfu"
        complaints.extend(_recorded(kind, settings, cell, total, outcome.duration_s, stages))
        if rig.file.bench == "virtual":  # by the wall clock a slow host would be told as the device
            complaints.extend(_slow(cell, total / outcome.duration_s, narrowest(stages), UPLOAD_FLOOR))
        stored = [state.hash for state in update.states() if state.slot == 1]
        if stored != [image.hash]:
            complaints.append(f"{cell}: the device does not hold the image that was uploaded")

    for settings in wanted:
        update.session.reach = dut.air(settings)
        with stage(f"{_name(settings)}, erase"):
            update.erase()
        with stage(_name(settings)):
            upload(settings, "1.1.0", used=False)
        if settings is wanted[-1]:
            with stage(f"{_name(settings)}, used flash"):
                upload(settings, "1.2.0", used=True)
        update.close()
    assert not complaints, "; ".join(complaints)


def _each(cells: str, interval_ms: float) -> list[LinkSettings]:
    """The links to measure. Raises InputError for a cell that is not PHY/MTU."""
    found = []
    for cell in cells.split():
        phy, _, mtu = cell.partition("/")
        if phy not in ("1M", "2M") or not mtu.isdigit() or not 23 <= int(mtu) <= 517:
            raise InputError(
                f'cells: expected PHY/MTU such as 2M/498, with 1M or 2M and 23 to 517, got "{cell}"'
            )
        settings = LinkSettings(mtu=int(mtu), interval_ms=interval_ms, data_length=DATA_LENGTH)
        settings.phy = "1M" if phy == "1M" else "2M"
        found.append(settings)
    return found


def _name(settings: LinkSettings) -> str:
    return f"{settings.phy}, MTU {settings.mtu}"


async def _poured(
    central: Central, settings: LinkSettings, seconds: float, name: str | None, address: str | None = None
) -> tuple[Cell, Pour]:
    """Connect to a sink, fill it for about `seconds`, and disconnect."""
    connection = await central.connect(
        await central.find(name=name, address=address),
        mtu=settings.mtu,
        interval_ms=settings.interval_ms,
        phy=settings.phy,
        data_length=settings.data_length,
        services=[SINK_SERVICE],
    )
    try:
        cell = await negotiated(connection, _acl_octets(central))
        return cell, await pour(connection, cell.bytes_within(seconds))
    finally:
        await connection.disconnect()


def _acl_octets(central: Central) -> int:
    radio = central.radio
    assert radio is not None  # the case needs a link that can be set
    return radio.acl_octets


async def _of_upload(central: Central, update: ReportedUpdate) -> tuple[Cell, int]:
    """The link of an upload, and the length of its messages."""
    client = await update.session.client()
    parameters = await update.session.parameters()
    reach = update.session.reach
    assert isinstance(reach, BleReach)
    assert reach.connection is not None
    assert parameters is not None, "the device does not tell its SMP buffers"
    cell = await negotiated(reach.connection, _acl_octets(central))
    return cell, client.transport.message_size(parameters.buf_size)


def _recorded(
    kind: str, settings: LinkSettings, cell: Cell, payload: int, seconds: float, stages: Sequence[Stage]
) -> Iterator[str]:
    """Keep a figure, and tell what is wrong with the link. Raises BenchError for a figure that cannot be."""
    bound = narrowest(stages)
    throughput(
        kind=kind,
        phy=cell.phy,
        mtu=cell.mtu,
        data_length=cell.data_length,
        interval_ms=cell.interval_ms,
        payload_bytes=payload,
        seconds=seconds,
        ceiling_bytes_per_second=bound.bytes_per_second,
        bound_by=bound.name,
    )
    if payload / seconds > bound.bytes_per_second:
        rate = payload / seconds / 1000
        raise BenchError(
            f"{kind}, {cell}: measured {rate:.1f} kB/s, which is more than the {bound} can carry"
        )
    if (cell.phy, cell.mtu) != (settings.phy, settings.mtu):
        yield f"asked for {_name(settings)} and got {cell}"


def _lost(cell: Cell, poured: Pour) -> list[str]:
    if poured.counted == poured.sent:
        return []
    return [f"{cell}: {poured.sent} were sent and {poured.counted} arrived"]


def _slow(cell: Cell, rate: float, bound: Stage, floor: float) -> list[str]:
    if rate >= floor * bound.bytes_per_second:
        return []
    return [f"{cell}: {rate / 1000:.1f} kB/s is less than {floor:.0%} of what the {bound} can carry"]
