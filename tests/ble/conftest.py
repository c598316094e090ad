from __future__ import annotations

from collections.abc import Iterator

import pytest

from hil.virtual.kernel import Kernel
from hil.virtual.wire.loop import VirtualEventLoop


@pytest.fixture
def loop() -> Iterator[VirtualEventLoop]:
    """A loop on virtual time, without any hardware."""
    loop = VirtualEventLoop(Kernel())
    yield loop
    loop.close()
