"""A virtual supply on a rail, and the real SCPI driver in front of it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hil.supply import ScpiSupply
from hil.virtual import registry
from hil.virtual.instruments.psu import PowerSupply
from hil.virtual.instruments.terminals import RailTerminals
from hil.virtual.kernel import TICKS_PER_SECOND, Kernel
from hil.virtual.power.rail import Rail
from hil.virtual.wire import serial as wire_serial

RESOURCE = "ASRLhil://bench-psu?visa::INSTR"


@dataclass
class Bench:
    kernel: Kernel
    rail: Rail
    instrument: PowerSupply

    def wait(self, seconds: float) -> None:
        self.kernel.advance(self.kernel.now + round(seconds * TICKS_PER_SECOND))

    @property
    def seconds(self) -> float:
        return self.kernel.now / TICKS_PER_SECOND


@pytest.fixture
def bench() -> Iterator[Bench]:
    wire_serial.install()
    kernel = Kernel()
    rail = Rail(kernel)
    instrument = PowerSupply(kernel, RailTerminals(kernel, rail))
    registry.register("bench-psu", instrument, kernel)
    yield Bench(kernel, rail, instrument)
    registry.unregister("bench-psu")


@pytest.fixture
def supply(bench: Bench) -> Iterator[ScpiSupply]:
    with ScpiSupply(RESOURCE, max_volts=3.6, max_amperes=0.4) as driver:
        yield driver
