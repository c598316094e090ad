"""Rig files: what is read, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import bundled
from hil.errors import InputError
from hil.rig import files

VIRTUAL = (bundled.rigs() / "virtual.toml").read_text(encoding="utf-8")


def error_of(tmp_path: Path, old: str, new: str) -> str:
    """The text of the error for the bundled rig file with one stretch replaced."""
    assert old in VIRTUAL
    path = tmp_path / "desk.toml"
    path.write_text(VIRTUAL.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(InputError) as caught:
        files.load(str(path))
    return str(caught.value).removeprefix(str(tmp_path))


def test_the_bundled_rig_is_found_by_name() -> None:
    rig = files.load("virtual")
    assert rig.bench == "virtual"
    assert rig.device.slot("secondary").size == rig.device.slot("primary").size + rig.device.flash_page


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("frequency =", "freqency =", 'probe.freqency: unknown key; did you mean "frequency"?'),
        ("max_volts = 3.6", "max_volts = -1", "supply.max_volts: expected a number greater than 0"),
        ("max_volts = 3.6", 'max_volts = "3"', 'supply.max_volts: expected a number, got "3"'),
        ('target = "nrf52840"', "target = 1", "probe.target: expected a text, got 1"),
        ('driver = "pyocd"\n', "", "probe.driver: this key is required and is missing"),
        (
            'driver = "pyocd"',
            'driver = "jlink"',
            "probe.driver: expected one of 'pyocd', 'nrfjprog' or 'nrfutil', got \"jlink\"",
        ),
        (
            "size = 0x74000",
            "size = 0x75000",
            "device.slots[1].start: settings (0xf9000 to 0xfb000) and slots[1] (0x85000 to 0xfa000) overlap",
        ),
        (
            "size = 0x74000",
            "size = 0x73001",
            "device.slots[1].size: expected whole pages of 0x1000 bytes, got 0x73001",
        ),
        (
            "size = 0x74000",
            "size = 0x174000",
            "device.slots[1].size: ends at 0x1f9000, past the flash of 0x100000 bytes",
        ),
        ('role = "primary"', 'role = "secondary"', "image 0 has more than one secondary slot"),
        (
            "nominal_volts = 3.0",
            "nominal_volts = 4.0",
            "expected nominal_volts of at most max_volts (3.6), got 4",
        ),
        ("empty_volts = 2.0", "empty_volts = 3.5", "expected empty_volts below full_volts, got 3.5 and 3"),
        ("[virtual]", "[vrtual]", 'vrtual: unknown key; did you mean "virtual"?'),
        ('transport = "hil:central"', "", 'driver "bumble" needs the key transport'),
        ('bench = "virtual"', 'bench = "real"', 'bench = "real" has no [virtual] table'),
        (
            'transport = "hil:spare"',
            'transport = "hil:central"',
            'central and spare are both at "hil:central"',
        ),
        ('"C0:FF:EE:00:00:02"', '"C0:FF:EE:00:00:01"', "both have the address C0:FF:EE:00:00:01"),
        ("hci_baud = 1_000_000", "hci_baud = 0", "device.limits.hci_baud: expected a number"),
        ("schema = 1", "schema = 7", "schema: expected one of 1, got 7"),
        ("schema = 1", "schema = ", "not valid TOML"),
        ("8d53dc1d-", "8d53dc1-", "expected a UUID"),
    ],
)
def test_a_mistake_is_one_line_with_key_expected_and_got(
    tmp_path: Path, old: str, new: str, expected: str
) -> None:
    error = error_of(tmp_path, old, new)
    assert expected in error
    assert "\n" not in error


def test_an_error_names_the_line_of_the_key(tmp_path: Path) -> None:
    line = VIRTUAL.splitlines().index("channel = 1") + 1
    assert error_of(tmp_path, "channel = 1", "channel = 0").startswith(f"/desk.toml:{line}: supply.channel: ")


def test_an_error_in_the_second_of_two_slots_names_that_one(tmp_path: Path) -> None:
    line = VIRTUAL.splitlines().index("size = 0x74000") + 1
    assert error_of(tmp_path, "size = 0x74000", "size = 0").startswith(
        f"/desk.toml:{line}: device.slots[1].size: "
    )


def test_each_mistake_gets_its_own_line(tmp_path: Path) -> None:
    lines = error_of(tmp_path, "channel = 1", 'channel = 0\ncolour = "red"').splitlines()
    assert len(lines) == 2


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"nowhere\.toml: no such rig file"):
        files.load(str(tmp_path / "nowhere.toml"))


def test_an_unknown_name_is_answered_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r'no rig called "virtul"; known: .*virtual'):
        files.load("virtul")


def test_a_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_bytes(b'name = "\xff\xfe"')
    with pytest.raises(InputError, match="expected UTF-8 text, got byte 0xff"):
        files.load(str(path))


def test_a_huge_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="at most 1000000 bytes"):
        files.load(str(path))


def test_what_a_bench_cannot_is_taken_from_what_its_drivers_could(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    path.write_text(VIRTUAL.replace("[device]", 'without = ["supply.ramp"]\n\n[device]', 1), encoding="utf-8")
    assert "supply.ramp" in files.load("virtual").capabilities()
    assert "supply.ramp" not in files.load(str(path)).capabilities()


def test_the_voltage_for_a_percentage_is_on_the_line_between_empty_and_full() -> None:
    battery = files.load("virtual").device.battery
    assert battery is not None
    assert battery.volts(0) == 2.0
    assert battery.volts(20) == pytest.approx(2.2)
    assert battery.volts(100) == 3.0


def test_a_rig_without_a_second_controller_lacks_the_capability(tmp_path: Path) -> None:
    path = tmp_path / "rig.toml"
    start = VIRTUAL.index("[spare]")
    path.write_text(VIRTUAL[:start] + VIRTUAL[VIRTUAL.index("[console]") :], encoding="utf-8")
    assert "spare-controller" in files.load("virtual").capabilities()
    assert "spare-controller" not in files.load(str(path)).capabilities()


def foreign_rig(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A rig file of a product whose files are named in an included one, in another folder."""
    (folder / "product").mkdir()
    (folder / "benches").mkdir()
    for name in ("boot.hex", "one.bin", "two.bin"):
        (folder / "product" / name).write_bytes(b"")
    (folder / "product" / "product.toml").write_text(
        '[device]\nfirmware = "none"\ninstall = { files = ["boot.hex"] }\n'
        'images = { files = ["one.bin", "${HIL_SECOND}"] }\n'
    )
    path = folder / "benches" / "desk.toml"
    text = VIRTUAL.replace('firmware = "bundled"\n', "")
    path.write_text(
        'include = ["../product/product.toml"]\n'
        + text
        + '\n[initiator]\ncommand = ["./update.sh", "${HIL_TOKEN}", "{image}"]\n'
    )
    monkeypatch.setenv("HIL_SECOND", "two.bin")
    monkeypatch.setenv("HIL_TOKEN", "hunter2hunter2")
    return path


def test_a_path_is_relative_to_the_file_that_it_is_written_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = foreign_rig(tmp_path, monkeypatch)
    rig = files.load(str(path))
    assert rig.device.install is not None and rig.device.images is not None
    assert rig.device.install.files == ["../product/boot.hex"]
    assert [rig.path(name).is_file() for name in rig.device.images.files] == [True, True]


def test_a_file_that_is_not_there_is_told_where_it_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = foreign_rig(tmp_path, monkeypatch)
    (tmp_path / "product" / "two.bin").unlink()
    with pytest.raises(
        InputError, match=r'product\.toml:4: device\.images\.files\[1\]: "\$\{HIL_SECOND\}": no such'
    ):
        files.load(str(path))
    assert files.load(str(path), check_paths=False).name == "virtual"  # to look at it, nothing need be there


def test_the_record_of_a_run_keeps_values_but_no_secret_of_a_program(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rig = files.load(str(foreign_rig(tmp_path, monkeypatch)))
    assert rig.initiator is not None and rig.initiator.command[1] == "hunter2hunter2"
    record = rig.record()
    assert record["initiator"]["command"] == ["./update.sh", "${HIL_TOKEN}", "{image}"]
    assert record["device"]["images"]["files"] == ["../product/one.bin", "../product/two.bin"]
    assert record["schema"] == 1
    assert "hunter2" not in str(record)
