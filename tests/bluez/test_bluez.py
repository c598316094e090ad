"""Real BlueZ and unmodified bleak update the virtual kit (`pytest -m nightly tests/bluez`; README.md says how
it is done).
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.rig import files
from hil.rig.product import bundled_product
from tests.bluez import guest
from tests.serve.served import Served

pytestmark = pytest.mark.nightly


@pytest.fixture
def disk() -> guest.Disk:
    reason = guest.missing()
    if reason:
        pytest.skip(reason)
    return guest.disk()


def test_bluez_updates_the_kit(disk: guest.Disk, tmp_path: Path) -> None:
    product = bundled_product(files.load("virtual").device)
    image = product.images().make("1.1.0")
    (tmp_path / "update.bin").write_bytes(image.data)
    with Served(tmp_path, "--bundled") as served:
        port = int(served["controllers"]["central"].rpartition(":")[2])
        told = guest.run(disk, port, tmp_path)
    assert "guest-ended 0" in told, told[-3000:]
    lines = [line.removeprefix("guest-step ") for line in told.splitlines() if line.startswith("guest-step ")]
    steps = {step["step"]: step for step in map(json.loads, lines)}
    assert steps["versions"]["bluez"].startswith("5.")
    service = files.load("virtual").device.ble.service
    assert service in steps["found by name"]["services"]
    assert steps["found by service"]["address"] == steps["found by name"]["address"]
    assert steps["found by address"]["name"] == "hil-dut"
    assert steps["states"]["versions"] == ["1.0.0"]
    # BlueZ asks for 517, of which the kit takes what it has; after a reconnect it is known again.
    assert steps["states"]["mtu"] == steps["reconnected"]["mtu"] > 23
    assert steps["states"]["link"] == {"phy": None, "data_length": None, "parameters": None}
    assert 0.4 * len(image.data) < steps["link dropped"]["offset"] < len(image.data)
    assert steps["uploaded"]["resent"] <= steps["uploaded"]["window"]
    assert any("1.1.0" in state and "active confirmed" in state for state in steps["updated"]["versions"])
