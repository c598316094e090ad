"""Nordic's tools when they are not there, not well, or hang: one line, in bounded time."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from hil.errors import BenchError, InputError
from hil.probe.nrfjprog import NrfjprogProbe
from hil.probe.nrfutil import NrfutilProbe
from hil.rig import drivers
from hil.rig.schema import ProbeFile
from tests.probe.chip import Chip
from tests.probe.nrfjprog_library import Error, Library
from tests.probe.test_contract import SERIAL, make_nrfutil


def test_pynrfjprog_that_is_not_installed_is_told() -> None:
    with pytest.raises(BenchError, match=r"needs pynrfjprog .*pip install 'hil\[nrfjprog\]'"):
        NrfjprogProbe(unique_id=SERIAL).open()


@pytest.mark.parametrize(
    ("call", "error", "what"),
    [
        ("open", Error.JLINKARM_DLL_NOT_FOUND, "JLINKARM_DLL_NOT_FOUND: install SEGGER's J-Link software"),
        (
            "connect_to_emu_with_snr",
            Error.EMULATOR_NOT_CONNECTED,
            "cannot connect: EMULATOR_NOT_CONNECTED: is it plugged in",
        ),
    ],
)
def test_what_nrfjprog_lacks_comes_with_the_remedy(call: str, error: Error, what: str) -> None:
    library = Library(fails={call: error})
    with pytest.raises(BenchError, match=what):
        NrfjprogProbe(unique_id=SERIAL, find_library=lambda: library).open()


def test_one_of_several_j_links_has_to_be_named() -> None:
    for serials, listed in (((1, 2), "1, 2"), ((), "none")):
        library = Library(serials=serials)
        with pytest.raises(BenchError, match=f"expected one J-Link, found: {listed}"):
            NrfjprogProbe(find_library=lambda library=library: library).open()


def test_a_core_that_ran_is_let_go_although_the_read_failed() -> None:
    library = Library()
    with NrfjprogProbe(unique_id=SERIAL, find_library=lambda: library) as probe:
        library.fails["read"] = Error.RAM_IS_OFF_ERROR
        with pytest.raises(BenchError, match="cannot read 4 bytes at 0x20000000: RAM_IS_OFF_ERROR"):
            probe.read(0x2000_0000, 4)
        assert library.calls[-1]["call"] == "go"


@pytest.mark.parametrize("auto_unlock", [False, True])
def test_auto_unlock_erases_only_when_asked(auto_unlock: bool) -> None:
    library = Library()
    library.chip.locked = True
    with NrfjprogProbe(unique_id=SERIAL, auto_unlock=auto_unlock, find_library=lambda: library) as probe:
        assert probe.locked() is not auto_unlock


def test_nrfutil_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(BenchError, match="not on the PATH; download it from Nordic, then: nrfutil install"):
        NrfutilProbe(unique_id=SERIAL, program=str(tmp_path / "nrfutil")).open()


@pytest.mark.parametrize(
    ("manners", "what"),
    [
        ("not installed", 'ended with 1: error: command "device" is not installed'),
        ("silent", r"nrfutil device list did not end within 0\.5 s"),
        ("garbage", "said nothing that is JSON"),
        ("flood", "wrote more than 16 MiB"),
        ("leaves a child", r"nrfutil device list did not end within 0\.5 s"),
        ("fails quietly", "failed: the operation was not done"),
        ("killed", "ended with -9: without a word"),
    ],
)
def test_nrfutil_with_bad_manners_is_told(
    manners: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_nrfutil(tmp_path, monkeypatch)
    (tmp_path / "manners").write_text(manners)
    timeout_s = 0.5 if manners in ("silent", "leaves a child") else 60.0
    began = time.monotonic()
    with pytest.raises(BenchError, match=what):
        NrfutilProbe(unique_id=SERIAL, program=str(program), timeout_s=timeout_s).open()
    assert time.monotonic() - began < 25.0  # what it left behind lives for 30 s, and nobody waits for it


@pytest.mark.parametrize("auto_unlock", [False, True])
def test_nrfutil_erases_a_locked_chip_only_when_asked(
    auto_unlock: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = make_nrfutil(tmp_path, monkeypatch)
    chip = Chip.load(tmp_path)
    chip.locked = True
    chip.save(tmp_path)
    with NrfutilProbe(unique_id=SERIAL, program=str(program), auto_unlock=auto_unlock) as probe:
        assert probe.locked() is not auto_unlock


def test_a_locked_chip_can_be_let_go_of() -> None:
    library = Library()
    library.chip.locked = True
    with pytest.raises(BenchError, match="APPROTECT"), NrfjprogProbe(find_library=lambda: library) as probe:
        probe.read(0, 4)
    assert [call["call"] for call in library.calls[-2:]] == ["disconnect_from_emu", "close"]


def test_rtt_can_be_asked_for_again_and_where_its_block_is() -> None:
    library = Library()
    with NrfjprogProbe(find_library=lambda: library) as probe:
        probe.rtt(0x2000_0000, 0x1000)
        probe.rtt(0x2000_0000, 0x1000, 0x2000_0400)
        assert library.rtt_block == 0x2000_0400


def test_an_unknown_j_link_lists_what_there_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = make_nrfutil(tmp_path, monkeypatch)
    with pytest.raises(BenchError, match=f"probe 12345 is not connected; found: {SERIAL}"):
        NrfutilProbe(unique_id="12345", program=str(program)).open()


def test_a_serial_number_is_digits() -> None:
    for driver in (NrfjprogProbe, NrfutilProbe):
        with pytest.raises(InputError, match="serial number in digits"):
            driver(unique_id="kit0")


@pytest.mark.parametrize(("driver", "kind"), [("nrfjprog", NrfjprogProbe), ("nrfutil", NrfutilProbe)])
def test_one_key_chooses_the_driver(driver: str, kind: type) -> None:
    file = ProbeFile.model_validate({"driver": driver, "unique_id": SERIAL, "reset_type": "pin"})
    assert isinstance(drivers.open_probe(file), kind)


@pytest.mark.parametrize(
    ("driver", "lacking"), [("pyocd", "debug"), ("nrfjprog", "core"), ("nrfutil", "core")]
)
def test_a_reset_that_the_driver_lacks_is_a_mistake_in_the_file(driver: str, lacking: str) -> None:
    with pytest.raises(ValueError, match=f'driver "{driver}" has no reset of type "{lacking}"'):
        ProbeFile.model_validate({"driver": driver, "reset_type": lacking})
