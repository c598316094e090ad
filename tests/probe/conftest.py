"""A virtual chip with a probe on it, known to pyOCD by the name "bench-kit"."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from hil.probe import PyocdProbe
from hil.virtual import registry
from hil.virtual.kernel import TICKS_PER_MS, Kernel
from hil.virtual.power.rail import Rail
from hil.virtual.power.source import Profile
from hil.virtual.soc.nrf52840 import Soc
from hil.virtual.swdlink import SwdLink
from hil.virtual.wire import swd

NAME = "bench-kit"


@dataclass
class Kit:
    kernel: Kernel
    rail: Rail
    soc: Soc
    link: SwdLink

    def wait_ms(self, milliseconds: float) -> None:
        self.kernel.advance(self.kernel.now + round(milliseconds * TICKS_PER_MS))


def make_kit(revision: str) -> Iterator[Kit]:
    swd.install()
    kernel = Kernel()
    rail = Rail(kernel, source=Profile(3.0))
    soc = Soc(kernel, rail, name=NAME, revision=revision)
    kit = Kit(kernel, rail, soc, SwdLink(kernel, soc.debug))
    kit.wait_ms(2)
    registry.register(f"{NAME}/swd", kit.link, kernel)
    yield kit
    registry.unregister(f"{NAME}/swd")


@pytest.fixture
def kit() -> Iterator[Kit]:
    yield from make_kit("Rev2")


@pytest.fixture
def locked_kit() -> Iterator[Kit]:
    """A chip with hardened access port protection, blank: locked from the start."""
    yield from make_kit("Rev3")


@pytest.fixture
def probe(kit: Kit) -> Iterator[PyocdProbe]:
    with PyocdProbe(unique_id=NAME) as probe:
        yield probe
