"""A rig on the virtual bench: cases begin alike, and every way out leaves the supply off."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import BenchError
from hil.rig import files
from hil.rig.rig import Rig, open_rig
from hil.rig.virtual import VirtualBench


@pytest.fixture(scope="module")
def rig() -> object:
    with open_rig(files.load("virtual")) as opened:
        yield opened


def rail_volts(rig: Rig) -> float:
    bench = rig._bench
    assert isinstance(bench, VirtualBench)
    return bench.hardware.kits[0].rail.voltage()


def test_a_case_begins_without_power_and_at_the_same_time(rig: Rig) -> None:
    times = []
    for _ in range(2):
        rig.begin_case("A-01", 1)
        assert rail_volts(rig) == 0.0
        times.append(rig.clock())
        rig.supply.on()
        rig.sleep(0.01)
        assert rail_volts(rig) > 2.9
        rig.end_case(failed=False)
    assert times[0] == times[1]


def test_the_flash_of_a_failed_case_is_kept_even_when_its_power_is_off(rig: Rig, tmp_path: Path) -> None:
    rig.begin_case("A-01", 1, tmp_path)
    notes = rig.end_case(failed=True)
    assert (tmp_path / "flash.bin").stat().st_size == rig.file.device.flash_size
    assert "power was given back" in notes["flash"]
    assert (tmp_path / "power.csv").read_text().splitlines()[-1].endswith("safe off,0.0000,")


@pytest.mark.parametrize("way_out", [KeyboardInterrupt, RuntimeError, SystemExit])
def test_every_way_out_switches_the_supply_off(tmp_path: Path, way_out: type[BaseException]) -> None:
    with pytest.raises(way_out), open_rig(files.load("virtual")) as rig:
        rig.begin_case("A-01", 1, tmp_path)
        rig.supply.on()
        raise way_out
    assert ",safe off," in (tmp_path / "power.csv").read_text()


def test_an_instrument_outside_of_a_case_is_the_benchs_error(rig: Rig) -> None:
    with pytest.raises(BenchError, match="the supply was used outside of a case"):
        _ = rig.supply
