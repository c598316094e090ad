"""A bleak scanner backend over Bumble."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from bleak.backends.scanner import AdvertisementData, AdvertisementDataCallback, BaseBleakScanner
from bleak.exc import BleakError
from bumble import hci
from bumble.core import UUID, AdvertisingData
from bumble.device import Advertisement

from hil.ble.bleak_errors import as_bleak_errors
from hil.ble.uuids import as_text

if TYPE_CHECKING:
    from hil.ble.radio import Radio

_UUID_SIZES = {
    AdvertisingData.INCOMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.COMPLETE_LIST_OF_16_BIT_SERVICE_CLASS_UUIDS: 2,
    AdvertisingData.INCOMPLETE_LIST_OF_32_BIT_SERVICE_CLASS_UUIDS: 4,
    AdvertisingData.COMPLETE_LIST_OF_32_BIT_SERVICE_CLASS_UUIDS: 4,
    AdvertisingData.INCOMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
    AdvertisingData.COMPLETE_LIST_OF_128_BIT_SERVICE_CLASS_UUIDS: 16,
}
_SERVICE_DATA_SIZES = {
    AdvertisingData.SERVICE_DATA_16_BIT_UUID: 2,
    AdvertisingData.SERVICE_DATA_32_BIT_UUID: 4,
    AdvertisingData.SERVICE_DATA_128_BIT_UUID: 16,
}


class BumbleScanner(BaseBleakScanner):
    """Scan with a `Radio`: `BleakScanner(backend=radio.scanner_backend)`."""

    radio: ClassVar[Radio]

    def __init__(
        self,
        detection_callback: AdvertisementDataCallback | None,
        service_uuids: list[str] | None,
        scanning_mode: Literal["active", "passive"] = "active",
        **unused: Any,
    ) -> None:
        super().__init__(detection_callback, service_uuids)
        self._active = scanning_mode != "passive"
        self._stop_listening: Callable[[], None] | None = None

    async def start(self) -> None:
        """Start scanning. Raises BleakError when the radio is scanning already, or refuses."""
        device = self.radio.device
        if device.is_scanning:
            raise BleakError("scan: this radio is scanning already")
        self.seen_devices = {}
        device.on(device.EVENT_ADVERTISEMENT, self._on_advertisement)
        try:
            async with as_bleak_errors("scan"):
                await device.start_scanning(
                    active=self._active, filter_duplicates=False, scanning_phys=(hci.HCI_LE_1M_PHY,)
                )
        except BaseException:
            device.remove_listener(device.EVENT_ADVERTISEMENT, self._on_advertisement)
            raise

    async def stop(self) -> None:
        """Stop scanning."""
        device = self.radio.device
        device.remove_listener(device.EVENT_ADVERTISEMENT, self._on_advertisement)
        async with as_bleak_errors("stop scan"):
            await device.stop_scanning()

    def _on_advertisement(self, advertisement: Advertisement) -> None:
        address = advertisement.address.to_string(False)
        data = advertisement_data(advertisement)
        known = self.seen_devices.get(address)
        if known is not None:  # what the scan response said still holds for the next advertisement
            data = data._replace(
                local_name=data.local_name or known[1].local_name,
                service_uuids=data.service_uuids or known[1].service_uuids,
            )
        if not self.is_allowed_uuid(data.service_uuids):
            return
        device = self.create_or_update_device(address, address, data.local_name, advertisement.address, data)
        self.call_detection_callbacks(device, data)


def advertisement_data(advertisement: Advertisement) -> AdvertisementData:
    """The advertising data structures (Supplement to the Core, Part A) as bleak gives them.

    They come from the air: a structure too short for its type is left out.
    """
    name: str | None = None
    manufacturer: dict[int, bytes] = {}
    service_data: dict[str, bytes] = {}
    services: dict[str, None] = {}  # a set that keeps the order
    power: int | None = None
    for kind, value in advertisement.data.ad_structures:
        if kind == AdvertisingData.COMPLETE_LOCAL_NAME or (
            kind == AdvertisingData.SHORTENED_LOCAL_NAME and name is None
        ):
            name = value.decode("utf-8", "replace")
        elif kind == AdvertisingData.MANUFACTURER_SPECIFIC_DATA and len(value) >= 2:
            manufacturer[int.from_bytes(value[:2], "little")] = value[2:]
        elif kind == AdvertisingData.TX_POWER_LEVEL and len(value) == 1:
            power = int.from_bytes(value, "little", signed=True)
        elif size := _UUID_SIZES.get(kind):
            whole = len(value) // size * size
            for i in range(0, whole, size):
                services[as_text(UUID.from_bytes(value[i : i + size]))] = None
        elif (size := _SERVICE_DATA_SIZES.get(kind)) and len(value) >= size:
            service_data[as_text(UUID.from_bytes(value[:size]))] = value[size:]
    return AdvertisementData(
        name, manufacturer, service_data, list(services), power, advertisement.rssi, (advertisement,)
    )
