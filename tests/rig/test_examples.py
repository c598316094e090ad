"""The rig files that come with hil: each is read, shown and listed, with nothing plugged in and nothing built."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from hil import bundled
from hil.cli import main
from hil.errors import InputError
from hil.rig import files
from hil.tomlfile import compose

HOSTS = bundled.rigs() / "profiles"
"""Host profiles are no rig files (tests/hosts)."""
FILES = sorted(path for path in bundled.rigs().rglob("*.toml") if HOSTS not in path.parents)
EXAMPLES = {"nrf52840dk-ppk2", "jlink-rigol-bluez", "two-chip-hci", "zephyr-mcuboot"}


def hil(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *words: object
) -> tuple[int, str, str]:
    """Exit code, standard output and standard error of a command."""
    monkeypatch.setattr(sys, "argv", ["hil", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    assert isinstance(ended.value.code, int)
    return ended.value.code, captured.out, captured.err


def test_the_examples_are_there() -> None:
    assert set(files.names()) >= EXAMPLES | {"virtual"}


@pytest.mark.parametrize("name", files.names())
def test_each_can_be_shown(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert files.load(name, check_paths=False).name == name
    code, shown, _ = hil(monkeypatch, capsys, "rigs", "show", name)
    assert code == 0 and f"{name}.toml" in shown
    code, shown, _ = hil(monkeypatch, capsys, "rigs", "show", name, "--json")
    assert code == 0 and json.loads(shown)["name"] == name


def test_the_list_says_what_needs_hardware(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, listed, _ = hil(monkeypatch, capsys, "rigs", "list")
    assert code == 0
    for line in listed.splitlines():
        assert ("example, needs hardware" in line) == (line.split()[0] != "virtual")


def test_a_file_with_a_mistake_hides_no_other_from_the_list(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for path in FILES:
        copy = tmp_path / path.relative_to(bundled.rigs())
        copy.parent.mkdir(exist_ok=True)
        copy.write_bytes(path.read_bytes())
    (tmp_path / "desk.toml").write_text("schema = ")
    monkeypatch.setattr(bundled, "rigs", lambda: tmp_path)
    code, listed, error = hil(monkeypatch, capsys, "rigs", "list")
    assert code == 2
    assert len(listed.splitlines()) == len(EXAMPLES) + 1
    assert error == f"hil: {tmp_path}/desk.toml:1: not valid TOML: Invalid value (at end of document)\n"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_key_has_a_comment(path: Path) -> None:
    if path.name == "virtual.toml":
        return  # what the keys mean is said in common/reference-device.toml
    lines = path.read_text(encoding="utf-8").splitlines()
    for place, number in compose(path).layers[0].lines.items():
        if isinstance(place[-1], int) or lines[number - 1].startswith("["):
            continue
        assert "# " in lines[number - 1] or lines[number - 2].startswith("#"), f"{path}:{number}"


def test_the_included_reference_device_is_the_virtual_one() -> None:
    virtual, real = (files.load(name).device for name in ("virtual", "two-chip-hci"))
    assert real == virtual


def test_values_come_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_PROBE", "1")
    monkeypatch.setenv("HIL_SWD_HZ", "2_000_000")
    probe = files.load("jlink-rigol-bluez").probe
    assert probe is not None and (probe.unique_id, probe.frequency) == ("1", 2_000_000)


def test_a_run_needs_the_images_that_the_example_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HIL_BUILD", str(tmp_path))
    monkeypatch.setenv("HIL_SIGNING_KEY", str(tmp_path / "key.pem"))
    with pytest.raises(
        InputError, match=r'zephyr-mcuboot\.toml:\d+: device\.images\.payload: "\$\{HIL_BUILD:-build\}'
    ):
        files.load("zephyr-mcuboot")
    for name in ("mcuboot/zephyr/zephyr.hex", "app/zephyr/zephyr.bin", "key.pem"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    device = files.load("zephyr-mcuboot").device
    assert device.images is not None and device.images.payload == f"{tmp_path}/app/zephyr/zephyr.bin"


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_never_unlocks_a_chip_and_keeps_its_voltage(name: str) -> None:
    rig = files.load(name, check_paths=False)
    assert rig.probe is not None and not rig.probe.auto_unlock
    assert rig.supply is None or rig.supply.max_volts <= 3.6
