"""Fixtures of the application's tests on the host."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.firmware.host_device import Controller, HostDevice, build_library


@pytest.fixture(scope="session")
def app_library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_library(tmp_path_factory.mktemp("app"))


@pytest.fixture
def device(app_library: Path) -> Iterator[HostDevice]:
    made = HostDevice(app_library)
    yield made
    made.close()


@pytest.fixture
def link(device: HostDevice) -> Controller:
    """A started device with a connection."""
    assert device.start() == 0
    controller = Controller(device)
    controller.settle()
    controller.connect()
    return controller
