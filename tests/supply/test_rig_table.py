"""[supply] of a rig file: which keys go with which driver, what a case may ask of it, and profiles of one's own."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from hil.errors import InputError
from hil.rig import drivers, files
from hil.rig.schema import SupplyFile
from hil.supply import profile as profiles

from .contract import MODELS, RelayBoard, soon, wired

VOLTS = {"nominal_volts": 3.0, "max_volts": 3.6}
SCPI = {"driver": "scpi", "resource": "ASRL/dev/ttyUSB0::INSTR", "max_amperes": 0.1, **VOLTS}
RELAY = {"driver": "relay", "port": "/dev/ttyUSB0", **VOLTS}
HUB = {"driver": "uhubctl", "port": "2", "hub": "1-1.4", **VOLTS}
PPK2 = {"driver": "ppk2", "port": "/dev/ttyACM2", "max_amperes": 0.1, **VOLTS}


@pytest.mark.parametrize(
    ("table", "can"),
    [
        (SCPI, {"supply", "supply.volts", "supply.measure"}),
        (PPK2, {"supply", "supply.volts"}),
        (RELAY, {"supply"}),
        (HUB, {"supply"}),
    ],
)
def test_what_a_case_may_ask_of_each(table: dict[str, object], can: set[str]) -> None:
    assert SupplyFile.model_validate(table).capabilities() == can


@pytest.mark.parametrize(
    ("table", "words"),
    [
        ({**SCPI, "resource": None}, "needs the key resource"),
        ({**SCPI, "max_amperes": None}, "needs the key max_amperes"),
        ({**RELAY, "max_amperes": 0.1}, "it limits no current; fuse it"),
        ({**RELAY, "hub": "1-1"}, 'driver "relay" has no hub'),
        ({**RELAY, "on_message": "A0 01 01 A2"}, "expected both on_message and off_message"),
        ({**RELAY, "on_message": "zz", "off_message": "00"}, "bytes as hexadecimal"),
        ({**HUB, "hub": "1-1; reboot"}, "expected a hub's place"),
        ({**HUB, "port": "-a"}, "expected the number of a port"),
        ({**PPK2, "nominal_volts": 0.5}, "a PPK2 gives 0.8 to 5 V"),
        ({**SCPI, "profile": "rigol"}, "rigol-dp800"),
    ],
)
def test_keys_that_do_not_go_together(table: dict[str, object], words: str) -> None:
    with pytest.raises(ValidationError, match=words):
        SupplyFile.model_validate(table)


def test_a_profile_of_ones_own_beside_the_rig_file(tmp_path: Path) -> None:
    own = (profiles.PROFILES / "rigol-dp800.toml").read_text().replace("DP8\\d\\d", "DP832A")
    (tmp_path / "mine.toml").write_text(own)
    text = files.find("virtual").read_text(encoding="utf-8").split("[virtual]")[0]
    rig_path = tmp_path / "rig.toml"
    with wired(MODELS["rigol-dp800"][0](), serial=True) as wire:
        text = text.replace('"ASRLhil://psu0?visa::INSTR"', f'"{wire.resource}"\nprofile = "mine.toml"')
        rig_path.write_text(text.replace('bench = "virtual"', 'bench = "real"'))
        rig = files.load(str(rig_path))
        assert "supply.volts" in rig.capabilities() and "supply.ramp" not in rig.capabilities()
        assert rig.supply is not None
        supply = drivers.open_supply(rig.supply, path=rig.path)
        assert supply.identity().startswith("RIGOL")
        supply.close()
    (tmp_path / "mine.toml").write_text(own.replace("{volts}", "{volts.__class__}"))
    with pytest.raises(InputError, match=r"mine\.toml:\d+: commands\.set_volts"):
        drivers.open_supply(rig.supply, path=rig.path)
    (tmp_path / "mine.toml").unlink()
    with pytest.raises(InputError, match=r'rig\.toml:\d+: supply\.profile: "mine\.toml": no such file'):
        files.load(str(rig_path))


def test_a_relay_takes_messages_of_ones_own() -> None:
    with RelayBoard() as board:
        table = {**RELAY, "port": board.port, "on_message": "A0 01 01 A2", "off_message": "A00100A1"}
        relay = drivers.open_supply(SupplyFile.model_validate(table), path=Path)
        relay.on()
        assert soon(board.is_on)
        relay.safe_off()
        assert soon(lambda: not board.is_on())
        relay.close()


def test_the_virtual_bench_ramps_and_a_real_one_only_where_its_profile_does() -> None:
    assert "supply.ramp" in files.load("virtual").capabilities()
    assert "supply.ramp" not in files.load("jlink-rigol-bluez", check_paths=False).capabilities()
