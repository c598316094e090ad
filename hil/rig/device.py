"""The device under test: provisioned, powered, reset and read, without its own help."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from hil import hexfile
from hil.dfu.reach import BleReach, LinkSettings, Reach, SerialReach
from hil.dfu.session import Session, SlotState
from hil.errors import DeviceError, InputError
from hil.image.mcuboot import ImageVersion, parse_header
from hil.image.sign import SignedImage
from hil.image.trailer import Trailer, parse_trailer
from hil.rig import boot_info
from hil.rig.boot_info import BootInfo, Refusal
from hil.rig.rig import Rig

if TYPE_CHECKING:
    from hil.probe.base import Probe

BOOT_TIMEOUT_S = 10.0
_TRAILER_BYTES = 40
_ERASED = 0xFF


@dataclass(frozen=True)
class SlotContent:
    """What lies in one slot, read from the flash itself. `version` is None when there is no image header."""

    image: int
    role: str
    version: ImageVersion | None
    trailer: Trailer


class Device:
    """The device under test of a rig.

    Reading flash and memory goes over SWD and needs power; the probe lets go of the device after each access, so that
    it runs as it does without one.
    """

    def __init__(self, rig: Rig, *, reach: Reach | None = None) -> None:
        self.rig = rig
        self.file = rig.file.device
        self._reach = reach

    # ---- Power and reset ----

    def power_on(self) -> None:
        """Switch the supply on at the voltage set last, and undo a cut of `rig.faults`."""
        if self.rig.faults is not None:
            self.rig.faults.restore_power()
        self.rig.supply.on()

    def power_off(self) -> None:
        """Switch the supply off and wait until the device is without power."""
        self.rig.release_probe()
        self.rig.supply.off()
        table = self.rig.file.supply
        self.rig.sleep(table.off_seconds if table is not None else 0.5)

    def power_cycle(self) -> None:
        """Off, long enough to lose the RAM, and on again."""
        self.power_off()
        self.power_on()

    def reset(self) -> None:
        """Reset the device by its debug port and let it run."""
        with self._probing() as probe:
            probe.reset()

    def set_battery(self, percent: float) -> None:
        """Set the supply to the voltage at which the device reads `percent` of battery.

        Raises InputError when the rig file says nothing of a battery.
        """
        if self.file.battery is None:
            raise InputError(
                f"rig {self.rig.name}: [device.battery] is missing, so no voltage is known for {percent} %"
            )
        self.rig.supply.set_volts(self.file.battery.volts(percent))

    # ---- Provisioning ----

    def provision(
        self,
        *,
        bootloader: bytes,
        provisioning: bytes | None = None,
        image: SignedImage | None = None,
        progress: Callable[[int, int], None] | None = None,
    ) -> None:
        """Write bootloader, provisioning page and application into an erased chip over SWD, as a production line does.

        `bootloader` is the binary for the start of the bootloader's region. The device has power afterwards and has
        just been reset. Raises InputError when a part does not fit its region, BenchError when the probe fails.
        """
        parts: list[tuple[str, int, int, bytes]] = []
        for name, region, data in (
            ("bootloader", self.file.bootloader, bootloader),
            ("provisioning", self.file.provisioning, provisioning),
            ("image", self.file.slot("primary"), image.data if image is not None else None),
        ):
            if data is None:
                continue
            if region is None:
                raise InputError(
                    f"rig {self.rig.name}: [device.{name}] is missing, so it is not known where to write it"
                )
            parts.append((name, region.start, region.size, data))
        for name, start, size, data in parts:
            if len(data) > size:
                raise InputError(f"{name}: {len(data)} bytes do not fit the {size} bytes at 0x{start:x}")
        total = sum(len(data) for _, _, _, data in parts)
        self.power_on()
        with self._probing() as probe:
            if probe.locked():
                probe.recover()
            else:
                probe.reset(halt=True)  # a bootloader that ran has protected its flash until the next reset
                probe.erase_chip()
            done = 0
            for _, start, _, data in parts:
                probe.program(data, start)
                done += len(data)
                if progress is not None:
                    progress(done, total)
            probe.reset()

    def install(
        self, image: SignedImage | None = None, progress: Callable[[int, int], None] | None = None
    ) -> None:
        """Write the files of [device.install], and `image` into the primary slot, into an erased chip over SWD.

        The device has power afterwards and has just been reset. Raises InputError for a file that is wrong, BenchError
        when the probe fails.
        """
        table = self.file.install
        pieces = [
            piece
            for name in (table.files if table is not None else [])
            for piece in hexfile.read_image(self.rig.file.path(name))
        ]
        if image is not None:
            pieces.append((self.file.slot("primary").start, image.data))
        total = sum(len(data) for _, data in pieces)
        self.power_on()
        with self._probing() as probe:
            if probe.locked():
                probe.recover()
            else:
                probe.reset(halt=True)
                probe.erase_chip()
            done = 0
            for start, data in sorted(pieces):
                probe.program(data, start)
                done += len(data)
                if progress is not None:
                    progress(done, total)
            probe.reset()

    def restore_flash(self, content: bytes) -> None:
        """Write what `read_flash` once read of the whole flash into an erased chip, and leave the device without power.

        Raises InputError when `content` is not as long as the flash.
        """
        if len(content) != self.file.flash_size:
            raise InputError(f"flash content of {len(content)} bytes: the flash has {self.file.flash_size}")
        self.power_on()
        page = self.file.flash_page
        with self._probing() as probe:
            if probe.locked():
                probe.recover()
            else:
                probe.reset(halt=True)  # before the bootloader protects its flash again
                probe.erase_chip()
            for start in range(0, len(content), page):
                data = content[start : start + page].rstrip(b"\xff")
                if data:
                    probe.program(data + b"\xff" * (-len(data) % 4), start)
        self.power_off()

    # ---- Boot ----

    def wait_booted(self, timeout_s: float = BOOT_TIMEOUT_S) -> None:
        """Wait until the application answers. Raises DeviceError when it does not within `timeout_s` of bench time."""
        session = Session(self.reach)
        try:
            self.rig.run(session.wait_alive(timeout_s))
        finally:
            self.rig.run(session.close())

    @property
    def reach(self) -> Reach:
        """A way to the device's SMP server beside that of the update: its console where it has one, else the air."""
        if self._reach is None:
            if self.rig.file.console is not None and "smp-serial" in self.file.supports:
                self._reach = SerialReach(self.rig.console)
            else:
                self._reach = self.air()
        return self._reach

    def air(self, link: LinkSettings | None = None) -> BleReach:
        """A way to the device's SMP server over the air."""
        ble = self.file.ble
        return BleReach(self.rig.central, name=ble.name, address=ble.address, link=link)

    # ---- What is in it ----

    def read_flash(self, start: int, size: int) -> bytes:
        """Flash content over SWD. Raises BenchError when the probe fails, InputError outside of the flash."""
        if start < 0 or size < 0 or start + size > self.file.flash_size:
            raise InputError(
                f"flash 0x{start:x}+0x{size:x}: outside of the 0x{self.file.flash_size:x} bytes of flash"
            )
        with self._probing() as probe:
            return probe.read(start, size)

    def read_slot(self, role: str = "primary", image: int = 0) -> bytes:
        """The whole of a slot."""
        slot = self.file.slot(role, image)
        return self.read_flash(slot.start, slot.size)

    def holds(self, image: SignedImage, role: str = "primary") -> bool:
        """Whether the slot holds exactly this image, header, payload and TLVs; the secondary one, as an update.

        Without a probe the device itself is asked for the hash of what is in the slot.
        """
        if "probe" not in self.rig.capabilities:
            number = 0 if role == "primary" else 1
            return any(state.slot == number and state.hash == image.hash for state in self._states())
        return self.read_flash(self._image_start(role), len(image.data)) == image.data

    def slot(self, role: str = "primary", image: int = 0) -> SlotContent:
        """What lies in a slot, from its image header and trailer in the flash."""
        where = self.file.slot(role, image)
        header = self.read_flash(self._image_start(role, image), 32)
        trailer = parse_trailer(self.read_flash(where.end - _TRAILER_BYTES, _TRAILER_BYTES))
        try:
            version = parse_header(header).version
        except InputError:
            version = None
        return SlotContent(image, role, version, trailer)

    @property
    def version(self) -> ImageVersion:
        """The version in the primary slot; without a probe what the device says. DeviceError when there is no image."""
        if "probe" not in self.rig.capabilities:
            running = next((state for state in self._states() if state.active), None)
            if running is None:
                raise DeviceError("the device names no image that runs")
            return ImageVersion.parse(running.version)
        version = self.slot("primary").version
        if version is None:
            raise DeviceError("the primary slot holds no image")
        return version

    @property
    def boot_info(self) -> BootInfo | None:
        """What the bundled bootloader told at its last start; None when it has not started since power came."""
        with self._probing() as probe:
            return boot_info.parse(probe.read(boot_info.ADDRESS, boot_info.SIZE))

    def expect_refusal(self, refusal: Refusal, image: int = 0) -> None:
        """Assert that the last start refused an update for this reason: another would say nothing of what is tested.

        A device that tells no reason (without the feature refusal-reason) is judged by what it runs alone.
        """
        if "refusal-reason" not in self.file.supports:
            return
        info = self.boot_info
        assert info is not None, "the bootloader left no boot information"
        told = info.images[image].refusal
        assert told is refusal, f"the bootloader's reason was {told.name}, expected {refusal.name}"

    @property
    def log(self) -> str:
        """What the device has printed on its console since the case began."""
        return self.rig.console.text()

    def _states(self) -> list[SlotState]:
        session = Session(self.reach)
        try:
            return self.rig.run(session.states())
        finally:
            self.rig.run(session.close())

    def _image_start(self, role: str, image: int = 0) -> int:
        """Where the image of a slot begins: with swap-offset an update lies one page into the secondary slot."""
        offset = self.file.flash_page if role == "secondary" and self.file.swap == "offset" else 0
        return self.file.slot(role, image).start + offset

    @contextlib.contextmanager
    def _probing(self) -> Iterator[Probe]:
        try:
            yield self.rig.probe
        finally:
            self.rig.release_probe()
