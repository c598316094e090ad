"""`hil rigs check`: what is wrong with a bench is wrong below the wire, and is told with a remedy."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from bleak.backends.device import BLEDevice

from hil.ble.central import Central, Seen
from hil.errors import BenchError
from hil.rig import files
from hil.rig.check import Finding, check
from hil.rig.check.remedy import with_remedy
from hil.rig.checked import latest, save
from tests.serve.served import Served
from tests.served_rig import rig_file
from tests.test_cli import hil


@pytest.fixture(autouse=True)
def state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return tmp_path / "state"


def virtual(tmp_path: Path, *lines: str, change: tuple[str, str] = ("", "")) -> Path:
    """The virtual rig with more in its [virtual] table."""
    text = files.find("virtual").read_text(encoding="utf-8").replace(*change)
    path = tmp_path / "rig.toml"
    path.write_text(text.rstrip() + "\n" + "\n".join(lines) + "\n", encoding="utf-8")
    return path


def by_step(found: list[Finding]) -> dict[str, Finding]:
    return {f"{each.instrument}: {each.step}": each for each in found}


def test_a_bench_in_order_is_told_step_by_step() -> None:
    begun: list[str] = []
    told: list[Finding] = []
    found = check(files.load("virtual"), cuts=3, begin=begun.append, told=told.append)
    assert [each.text for each in found if not each.ok] == []
    assert told == found
    steps = by_step(found)
    assert begun[1:] == list(steps)
    cut = steps["power: a cut is a cut"].figures
    # RAM that lost its power holds noise: about half of the bits of a pattern differ. Some of it the firmware cleared.
    assert 0.3 * cut["canary_bits"] < cut["canary_bits_lost"] < 0.7 * cut["canary_bits"]
    assert (cut["resetreas"], cut["gpregret"]) == (0, 0)
    delay = steps["power: delay of a cut"].figures
    assert delay["cuts"] == 3
    assert 0 < delay["least_s"] <= delay["median_s"] <= delay["most_s"] < 1.0
    assert steps["central: connects"].figures["mtu"] > 23


def test_capacitors_are_part_of_the_delay(tmp_path: Path) -> None:
    quick = check(files.load("virtual"), cuts=1)
    change = ("off_seconds = 0.5", "off_seconds = 5.0")
    path = virtual(tmp_path, 'supply_off = "open"', "decoupling_farads = 0.0002", change=change)
    slow = check(files.load(str(path)), cuts=1)
    name = "power: delay of a cut"
    assert by_step(slow)[name].ok
    # 200 uF from 3.0 V to the brown-out at 1.6 V by some milliamperes takes tens of milliseconds.
    assert by_step(slow)[name].figures["median_s"] > by_step(quick)[name].figures["median_s"] + 0.01


def test_a_board_that_a_pin_feeds_is_found_and_the_pin_is_named(tmp_path: Path) -> None:
    path = virtual(tmp_path, 'supply_off = "open"', 'back_power = ["console"]')
    steps = by_step(check(files.load(str(path)), cuts=1))
    wrong = steps["power: a cut is a cut"]
    assert wrong.outcome == "failed"
    assert "the debug port still answers" in wrong.text
    assert "with the console closed the cut is one: TXD of the host feeds the board" in wrong.text
    assert steps["power: delay of a cut"].outcome == "not tried"


def test_a_cut_that_is_too_short_for_the_capacitors_is_found(tmp_path: Path) -> None:
    change = ("off_seconds = 0.5", "off_seconds = 0.05")
    path = virtual(tmp_path, 'supply_off = "open"', "decoupling_farads = 0.001", change=change)
    wrong = by_step(check(files.load(str(path)), cuts=1))["power: a cut is a cut"]
    assert wrong.outcome == "failed"
    assert "large capacitors" in wrong.text


def test_two_boards_of_one_name_are_told_apart_by_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    once = Central.scan

    async def scan(self: Central, duration_s: float = 5.0, service: str | None = None) -> list[Seen]:
        """What is there, and a second board that says the same."""
        found = await once(self, duration_s, service)
        other = BLEDevice("AA:BB:CC:DD:EE:FF", "hil-dut", None)
        return [*found, *(Seen(other, each.advertisement) for each in found)]

    monkeypatch.setattr(Central, "scan", scan)
    found = by_step(check(files.load("virtual"), cuts=1))["central: connects"]
    assert not found.ok
    assert "2 devices advertise the name hil-dut" in found.text
    assert "AA:BB:CC:DD:EE:FF" in found.text
    assert "device.ble.address" in found.text


def test_a_limit_that_is_too_low_is_found_and_what_needs_power_is_not_tried(tmp_path: Path) -> None:
    path = virtual(tmp_path, change=("max_amperes = 0.5", "max_amperes = 0.001"))
    steps = by_step(check(files.load(str(path)), cuts=1))
    assert steps["supply: current"].outcome == "failed"
    assert "takes more than the limit of 0.001 A, so that it does not start" in steps["supply: current"].text
    assert steps["probe: identity"].outcome == "failed"
    for name in ("probe: memory", "central: connects", "power: a cut is a cut"):
        assert steps[name].outcome == "not tried", name
    assert steps["central: adapter"].ok


def test_a_served_bench_is_checked_on_the_wall_clock(tmp_path: Path) -> None:
    with Served(tmp_path, "--bundled") as served:
        found = check(files.load(str(rig_file(served, tmp_path / "rig.toml"))), cuts=2)
    assert [each.text for each in found if not each.ok] == []
    assert by_step(found)["power: delay of a cut"].figures["most_s"] < 3.0


def test_a_bench_that_is_gone_is_told_by_its_instrument(tmp_path: Path) -> None:
    with Served(tmp_path) as served:
        path = rig_file(served, tmp_path / "rig.toml")
    found = check(files.load(str(path)), cuts=1)
    assert not found[0].ok
    assert "supply TCPIP::127.0.0.1" in found[0].text
    # One that is missing keeps none of the others from being tried.
    assert {each.instrument for each in found if each.outcome == "failed"} >= {"supply", "console", "central"}
    assert by_step(found)["probe: identity"].text == "needs supply: voltage"


def test_an_adapter_of_the_system_is_used_before_it_is_said_to_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(
        'include = ["hil:common/zephyr-nrf52840dk.toml"]\nschema = 1\nname = "desk"\nbench = "real"\n'
        '[central]\ndriver = "os"\nadapter = "hci7"\n',
        encoding="utf-8",
    )

    async def gone(*_: object) -> list[Seen]:
        raise BenchError("central hci7: no such adapter")

    async def there(*_: object) -> list[Seen]:
        return []

    for scan, outcome, text in ((gone, "failed", "no such adapter"), (there, "ok", "hci7 answers")):
        monkeypatch.setattr(Central, "scan", scan)
        found = by_step(check(files.load(str(path)), cuts=1))["central: adapter"]
        assert found.outcome == outcome
        assert text in found.text


def test_the_command_tells_and_the_record_is_kept(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert latest(files.load("virtual")) is None
    code, out, _ = hil(monkeypatch, capsys, "rigs", "check", "virtual", "--cuts", "1", "--json")
    assert code == 0
    assert {each["outcome"] for each in json.loads(out)} == {"ok"}
    kept = latest(files.load("virtual"))
    assert kept is not None
    assert kept["ok"]
    assert kept["delay"]["cuts"] == 1
    assert kept["cut"]["outcome"] == "ok"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"findings": 3}', b"\xff" * 10])
def test_a_damaged_record_is_none(content: bytes) -> None:
    file = files.load("virtual")
    path = save(file, [])
    assert path is not None
    path.write_bytes(content)
    assert latest(file) is None


def test_remedies(tmp_path: Path) -> None:
    assert "usermod -aG" in with_remedy("console: cannot open /dev/ttyACM0: [Errno 13] Permission denied")
    assert "udev rule" in with_remedy(
        "BLE adapter usb:0: cannot be opened: Access denied (insufficient permissions)"
    )
    assert "ls /dev/serial/by-id" in with_remedy(
        "console: cannot open /dev/ttyACM9: No such file or directory"
    )
    assert with_remedy("supply: nonsense") == "supply: nonsense"
    port = tmp_path / "port"
    port.touch()
    # The holder is looked for among the programs that have it open, but this one.
    assert with_remedy(f"console: /dev/../{port}: device busy").endswith(
        "perhaps by a program of another user"
    )
    assert os.path.exists(port)
