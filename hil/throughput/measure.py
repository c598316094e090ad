"""Measures one cell on an open rig: of the link alone, of the device without its flash, or of an upload."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from hil.ble.cell import Cell, Stage, negotiated
from hil.ble.central import Central, Connection
from hil.ble.sink import Pour, Sink, pour
from hil.ble.uuids import SINK_SERVICE
from hil.dfu.reach import BleReach, LinkSettings
from hil.dfu.update import Update
from hil.errors import BenchError, DeviceError
from hil.image.sign import SignedImage
from hil.rig.device import Device
from hil.rig.rig import Rig
from hil.throughput.ceilings import device_stages, link_stages, upload_stages
from hil.throughput.matrix import Column, Matrix, Setting

NEEDS = ("central", "link.phy", "link.data-length", "link.interval")
"""Capabilities of a rig without which no column can be measured."""
NEEDS_OF: dict[Column, tuple[str, ...]] = {
    "link": ("spare-controller",),
    "device": ("device.throughput-sink",),
    "dfu": (),
}


class NotPossible(Exception):
    """The cell cannot be: the reason, for the table."""


@dataclass(frozen=True)
class Measured:
    """One measurement of a cell, in bytes of value or image and seconds of bench time."""

    cell: Cell
    payload_bytes: int
    seconds: float
    stages: tuple[Stage, ...]
    window: int = 0
    message: int = 0

    @property
    def bytes_per_second(self) -> float:
        """Goodput."""
        return self.payload_bytes / self.seconds


class Bench:
    """A rig with what the columns need on it; `image` makes the image that an upload carries."""

    def __init__(self, rig: Rig, matrix: Matrix, dut: Device | None, image: SignedImage | None) -> None:
        self._rig = rig
        self._matrix = matrix
        self._dut = dut
        self._image = image
        self._sink: Sink | None = None

    def measure(self, setting: Setting, column: Column) -> Measured:
        """Measure once.

        Raises NotPossible with the reason where the cell cannot be on this rig, DeviceError where it fails.
        """
        if column == "dfu":
            return self._upload(setting)
        central = self._rig.central
        if column == "link" and self._sink is None:
            self._sink = Sink(self._rig.spare)
            self._rig.run(self._sink.start())
        return self._rig.run(self._pour(central, setting, column))

    async def _pour(self, central: Central, setting: Setting, column: Column) -> Measured:
        if column == "link":
            assert self._sink is not None
            name, address = self._sink.name, None
        else:
            assert self._dut is not None
            name, address = self._dut.file.ble.name or "", self._dut.file.ble.address
        connection = await _connect(central, setting, name or None, address)
        try:
            if setting.encrypted:
                await _pair(connection)
            cell = await negotiated(connection, _acl_octets(central), coding=_coding(setting))
            octets = max(1, self._matrix.payload_bytes // cell.value_octets) * cell.value_octets
            with _possible():
                stages = (
                    link_stages(cell, octets, response=setting.response)
                    if column == "link"
                    else device_stages(cell, octets, self._rig.file.device, response=setting.response)
                )
            poured = await pour(connection, octets, response=setting.response)
        finally:
            await connection.disconnect()
        if poured.counted != poured.sent:
            raise DeviceError(f"{poured.sent} were sent and {poured.counted} arrived")
        return Measured(cell, octets, self._seconds(column, poured), tuple(stages))

    def _seconds(self, column: Column, poured: Pour) -> float:
        """Where both ends are the bench's, the last byte is timed where it arrives; else by the counter's answer."""
        if column == "link" and self._sink is not None and self._sink.last_at is not None:
            return self._sink.last_at - poured.started
        return poured.seconds

    def _upload(self, setting: Setting) -> Measured:
        dut, image = self._dut, self._image
        assert dut is not None and image is not None
        link = LinkSettings(
            mtu=setting.mtu,
            interval_ms=setting.interval_ms,
            supervision_timeout_ms=_supervision(setting),
            phy=setting.phy,
            data_length=setting.data_length,
        )
        reach = dut.air(link)
        update = Update(
            self._rig.run, reach, window=setting.window or None, message_limit=setting.message or None
        )
        try:
            if self._matrix.erased_ahead:
                update.erase()
            if setting.encrypted:
                self._rig.run(self._paired(update))
            outcome = update.start(image).run()
            cell = self._rig.run(self._cell(reach, setting))
            parameters = self._rig.run(update.session.parameters())
            limit = min(parameters.buf_size if parameters else 256, setting.message or 65_535)
            message = self._rig.run(_message_size(update, limit))
            with _possible():
                stages = upload_stages(
                    cell,
                    len(image.data),
                    self._rig.file.device,
                    message_octets=message,
                    window=outcome.window,
                    erased=self._matrix.erased_ahead,
                )
        finally:
            update.close()
        return Measured(cell, len(image.data), outcome.duration_s, tuple(stages), outcome.window, message)

    async def _paired(self, update: Update) -> None:
        await update.session.client()
        reach = update.session.reach
        assert isinstance(reach, BleReach) and reach.connection is not None
        await _pair(reach.connection)

    async def _cell(self, reach: BleReach, setting: Setting) -> Cell:
        assert reach.connection is not None
        return await negotiated(reach.connection, _acl_octets(self._rig.central), coding=_coding(setting))


@contextmanager
def _possible() -> Iterator[None]:
    """The closed forms refuse a cell that cannot be, such as a PDU that does not fit the interval; no other ValueError
    is taken for that.
    """
    try:
        yield
    except ValueError as error:
        raise NotPossible(str(error)) from error


async def _pair(connection: Connection) -> None:
    try:
        await connection.pair()
    except DeviceError as error:
        raise NotPossible(str(error)) from error


async def _message_size(update: Update, limit: int) -> int:
    return (await update.session.client()).transport.message_size(limit)


async def _connect(central: Central, setting: Setting, name: str | None, address: str | None) -> Connection:
    return await central.connect(
        await central.find(name=name, address=address),
        mtu=setting.mtu,
        interval_ms=setting.interval_ms,
        supervision_timeout_ms=_supervision(setting),
        phy=setting.phy,
        data_length=setting.data_length,
        services=[SINK_SERVICE],
    )


def _supervision(setting: Setting) -> int:
    """Milliseconds, above two intervals whatever they are (Core 5.4, Vol 4 Part E, 7.8.12)."""
    return max(4000, round(setting.interval_ms * 10))


def _coding(setting: Setting) -> str | None:
    return setting.phy if setting.phy in ("S2", "S8") else None


def _acl_octets(central: Central) -> int:
    radio = central.radio
    if radio is None:
        raise BenchError("throughput: the operating system's adapter does not tell the length of its packets")
    return radio.acl_octets
