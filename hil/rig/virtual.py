"""A rig's virtual bench: made anew for each case from the case's seed, so that order and workers do not matter."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, TypeVar

from hil.errors import BenchError
from hil.rig.faults import Faults
from hil.rig.schema import RigFile, VirtualFile
from hil.rig.virtual_faults import VirtualFaults
from hil.virtual.air.capture import AirCapture
from hil.virtual.bench import Bench as HardwareBench
from hil.virtual.kernel import TICKS_PER_SECOND
from hil.virtual.wire import hci
from hil.virtual.wire.loop import VirtualEventLoop
from hil.virtual.wire.serial import install
from hil.wire import DIRECT

T = TypeVar("T")

open_virtual_transport = hci.open_virtual_transport


AIR_CAPTURE = "air.pcap"

_COLLECTING = (50_000, 20, 20)
"""Thresholds of Python's garbage collection while a bench runs. The stacks keep many objects and drop many more
at once, but few in circles: with the usual thresholds a quarter of the time goes into looking for them.
"""


class VirtualBench:
    """The emulated kit with its supply, its probe and its air, on one clock."""

    wires = DIRECT

    def __init__(self, file: RigFile) -> None:
        self._settings = file.virtual or VirtualFile()
        self._hardware: HardwareBench | None = None
        self._loop: VirtualEventLoop | None = None
        self._faults: VirtualFaults | None = None
        self._air_capture: AirCapture | None = None
        self._collecting: tuple[int, int, int] | None = None

    @property
    def hardware(self) -> HardwareBench:
        """The bench of the present case."""
        if self._hardware is None:
            raise BenchError("the virtual bench was used outside of a case")
        return self._hardware

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            raise BenchError("the virtual bench was used outside of a case")
        return self._loop

    @property
    def faults(self) -> Faults | None:
        return self._faults

    def begin(self, seed: int, folder: Path | None = None) -> None:
        self.end()
        install()
        self._collecting = gc.get_threshold()
        gc.set_threshold(*_COLLECTING)
        settings = self._settings
        self._hardware = HardwareBench(
            seed,
            revision=settings.revision,
            without_anomalies=frozenset(settings.without_anomalies),
            spare_controllers=settings.spare_controllers,
            lead_ohms=settings.wire_ohms,
            battery_ohms=settings.battery.internal_ohms if settings.battery is not None else 0.0,
            decoupling_farads=settings.decoupling_farads,
            open_when_off=settings.supply_off == "open",
            fed_by_console="console" in settings.back_power,
        )
        if settings.air_capture and folder is not None:
            self._air_capture = AirCapture(folder / AIR_CAPTURE)
            self._hardware.air.sniffer = self._air_capture.hears
        self._loop = VirtualEventLoop(self._hardware.kernel)
        self._faults = VirtualFaults(self._hardware)

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            main.close()
            raise BenchError("the virtual bench was used outside of a case")
        return self._loop.run(main)

    def seconds(self) -> float:
        return self._hardware.kernel.now / TICKS_PER_SECOND if self._hardware is not None else 0.0

    def sleep(self, seconds: float) -> None:
        # In the loop, and not by the kernel alone, so that what waits in it goes on meanwhile.
        self.run(asyncio.sleep(seconds))

    def notes(self) -> dict[str, Any]:
        return {"unmodelled": self.hardware.kits[0].soc.bus.noted()}

    def end(self) -> None:
        loop, self._loop = self._loop, None
        hardware, self._hardware = self._hardware, None
        self._faults = None
        capture, self._air_capture = self._air_capture, None
        if self._collecting is not None:
            gc.set_threshold(*self._collecting)
            self._collecting = None
        try:
            if loop is not None:
                loop.close()
        finally:
            if hardware is not None:
                hardware.close()
            if capture is not None:
                capture.close()
