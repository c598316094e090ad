"""What a rig file says of a virtual bench reaches the bench."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from hil import bundled
from hil.rig import files
from hil.rig.device import Device
from hil.rig.product import bundled_product
from hil.rig.rig import Rig, open_rig
from hil.rig.virtual import VirtualBench
from hil.virtual.bench import Bench

VIRTUAL = (bundled.rigs() / "virtual.toml").read_text(encoding="utf-8")
NVMC_CONFIG, NVMC_ERASEPAGE = 0x4001_E504, 0x4001_E508
ERASE_ENABLED = 2
ERASE_AMPERES = 7.0e-3
"""What an erase takes besides the CPU."""


@contextmanager
def powered(folder: Path, virtual_table: str) -> Iterator[tuple[Rig, Bench]]:
    """A rig whose [virtual] table holds these lines, in a case, with its supply on."""
    path = folder / "desk.toml"
    path.write_text(VIRTUAL.split("[virtual]")[0] + "[virtual]\n" + virtual_table, encoding="utf-8")
    with open_rig(files.load(str(path))) as rig:
        rig.begin_case("A-01", 1)
        rig.supply.on()
        rig.sleep(0.02)
        bench = rig._bench
        assert isinstance(bench, VirtualBench)
        yield rig, bench.hardware


def begin_erase(hardware: Bench) -> None:
    soc = hardware.kits[0].soc
    soc.debug.bus_write(NVMC_CONFIG, 4, ERASE_ENABLED)
    soc.debug.bus_write(NVMC_ERASEPAGE, 4, 0x8_0000)


@pytest.mark.parametrize(
    ("table", "lead_ohms", "battery_ohms"),
    [
        ("wire_ohms = 0.0", 0.0, 0.0),
        ("wire_ohms = 2.0", 2.0, 0.0),
        ("wire_ohms = 0.0\nbattery = { internal_ohms = 20.0 }", 0.0, 20.0),
        ("wire_ohms = 2.0\nbattery = { internal_ohms = 20.0 }", 2.0, 20.0),
    ],
)
def test_the_voltage_sags_while_the_flash_is_erased(
    tmp_path: Path, table: str, lead_ohms: float, battery_ohms: float
) -> None:
    with powered(tmp_path, table) as (rig, hardware):
        rail = hardware.rails[0]
        at_kit, at_supply = rail.voltage(), rig.supply.measure_volts()
        begin_erase(hardware)
        assert at_kit - rail.voltage() == pytest.approx((lead_ohms + battery_ohms) * ERASE_AMPERES, abs=1e-6)
        # The instrument sees its own terminals: what a battery loses inside, not what the leads lose outside.
        assert at_supply - rig.supply.measure_volts() == pytest.approx(battery_ohms * ERASE_AMPERES, abs=2e-4)


def test_a_weak_battery_browns_out_when_an_erase_begins(tmp_path: Path) -> None:
    with powered(tmp_path, "battery = { internal_ohms = 100.0 }") as (rig, hardware):
        soc = hardware.kits[0].soc
        rig.supply.set_volts(2.5)
        rig.sleep(0.02)
        starts = soc.supply.power_cycles
        begin_erase(hardware)
        rig.sleep(0.01)
        # Switched off, the chip takes no current, the voltage comes back, and the chip with it.
        assert soc.supply.power_cycles == starts + 1


@pytest.mark.parametrize(("table", "hangs"), [("", True), ("without_anomalies = [242]", False)])
def test_an_anomaly_can_be_taken_away(tmp_path: Path, table: str, hangs: bool) -> None:
    with powered(tmp_path, table) as (_, hardware):
        assert (242 in hardware.kits[0].soc.revision.anomalies) == hangs


@pytest.mark.parametrize("revision", ["Rev1", "Rev2", "Rev3"])
def test_the_revision_is_the_one_that_a_debugger_reads(tmp_path: Path, revision: str) -> None:
    build_code = {"Rev1": b"C0", "Rev2": b"D0", "Rev3": b"F0"}[revision]
    with powered(tmp_path, f'revision = "{revision}"') as (rig, _):
        if rig.probe.locked():
            rig.probe.recover()
        variant = rig.probe.read_words(0x1000_0104, 1)[0]
        assert variant.to_bytes(4, "big") == b"AA" + build_code


def test_the_bundled_bootloader_keeps_the_debug_port_of_rev3_open(tmp_path: Path) -> None:
    with powered(tmp_path, 'revision = "Rev3"') as (rig, hardware):
        assert rig.probe.locked(), "a blank chip of this revision is locked"
        rig.release_probe()
        product = bundled_product(rig.file.device)
        dut = Device(rig)
        dut.provision(bootloader=product.bootloader, provisioning=product.provisioning.page())
        dut.power_cycle()
        rig.sleep(0.5)
        assert dut.read_flash(0, len(product.bootloader)) == product.bootloader
        assert not hardware.kits[0].soc.debug.locked


@pytest.mark.parametrize("wanted", [False, True])
def test_the_air_is_captured_where_it_is_asked_for(tmp_path: Path, wanted: bool) -> None:
    path = tmp_path / "desk.toml"
    table = f"[virtual]\nair_capture = {str(wanted).lower()}\n"
    path.write_text(VIRTUAL.split("[virtual]")[0] + table, encoding="utf-8")
    case = tmp_path / "case"
    case.mkdir()
    with open_rig(files.load(str(path))) as rig:
        rig.begin_case("A-01", 1, case)
        rig.end_case(failed=False)
    capture = case / "air.pcap"
    assert capture.exists() == wanted
    if wanted:
        assert capture.read_bytes()[:4] == bytes.fromhex("4d3cb2a1")
