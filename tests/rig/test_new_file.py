"""`hil rigs new`: from what is plugged in, and the answers of a person, to a rig file that loads."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import signal
import subprocess
import sys
import time
import tomllib
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import hil
from hil import discovery
from hil.cli import main
from hil.discovery import Discovery, Found
from hil.errors import InputError
from hil.rig import files, newfile
from tests.serve.served import Served

PATIENCE_S = 120.0

PROBE = Found("probe", "683377182", "SEGGER J-Link 683377182", "", "nrf52840")
KIT = Found(
    "probe", "remote:127.0.0.1:4000", "hil virtual nRF52840 kit 127.0.0.1:4000", "virtual", "nrf52840"
)
UART = Found("serial", "/dev/ttyACM0", "/dev/ttyACM0 (J-Link, 1366:1051, 683377182)", "jlink")
OTHER = Found("serial", "/dev/ttyUSB0", "/dev/ttyUSB0 (FT232R, 0403:6001)")
PPK2 = Found("serial", "/dev/ttyACM1", "/dev/ttyACM1 (PPK2, 1915:c00a, E1)", "ppk2")
RIGOL = Found("visa", "USB0::0x1AB1::0x0E11::DP8::INSTR", "USB0::0x1AB1::0x0E11::DP8::INSTR")
DONGLE = Found("hci", "usb:0a12:0001", "CSR8510 A10 (usb:0a12:0001)")
ADAPTER = Found("adapter", "hci0", "hci0, the system's adapter (BlueZ)")


class Shell:
    """`hil rigs new` in this process, with what is plugged in and what is answered given.

    An answer "-" is the return key alone, "^C" is Ctrl-C; after the last the input ends.
    """

    def __init__(
        self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path
    ) -> None:
        self._monkeypatch, self._capsys = monkeypatch, capsys
        monkeypatch.chdir(folder)

    def __call__(
        self, *found: Found, answers: str = "", notes: tuple[str, ...] = (), words: tuple[str, ...] = ()
    ) -> tuple[int, str, str]:
        given = iter(answers.split())

        def answer(prompt: str) -> str:
            print(prompt, end="")
            word = next(given, None)
            if word is None:
                raise EOFError
            if word == "^C":
                raise KeyboardInterrupt
            return "" if word == "-" else word

        self._monkeypatch.setattr(discovery, "find_all", lambda: Discovery(found, notes))
        self._monkeypatch.setattr("builtins.input", answer)
        self._monkeypatch.setattr(sys, "argv", ["hil", "rigs", "new", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        told = self._capsys.readouterr()
        assert next(given, None) is None, "an answer was not asked for"
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err


@pytest.fixture
def shell(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Shell:
    return Shell(monkeypatch, capsys, tmp_path)


def test_with_nothing_plugged_in_there_is_a_file_to_fill_in(shell: Shell) -> None:
    code, told, _ = shell(answers="- -")
    assert code == 0
    assert "Found nothing that is plugged in" in told
    assert told.endswith("Wrote desk.toml. Next: hil rigs check desk.toml\n")
    rig = files.load("desk.toml")
    assert rig.bench == "real" and rig.device.firmware == "none" and rig.probe is None and rig.supply is None
    assert os.stat("desk.toml").st_mode & 0o444  # for others to read, as the umask has it
    assert os.listdir() == ["desk.toml"]


def test_suggestions_make_a_whole_bench_but_no_supply(shell: Shell) -> None:
    code, _, _ = shell(PROBE, UART, OTHER, RIGOL, DONGLE, ADAPTER, words=("--yes", "--out", "lab-1.toml"))
    assert code == 0
    rig = files.load("lab-1.toml")
    assert rig.name == "lab-1" and rig.bench == "real"
    assert rig.probe is not None and (rig.probe.unique_id, rig.probe.target) == ("683377182", "nrf52840")
    assert rig.console is not None and rig.console.port == "/dev/ttyACM0"
    assert rig.central is not None and rig.central.transport == "usb:0a12:0001"
    assert rig.supply is None, "what an instrument feeds is for a person to say"
    assert not rig.probe.auto_unlock


def test_each_choice_is_by_its_number(shell: Shell) -> None:
    # Name; no probe; last device; second port; the other port as supply, its rate, volts, limits; second dongle.
    second = Found("hci", "usb:0a12:0001#1", "second")
    code, told, _ = shell(
        PROBE, UART, OTHER, RIGOL, DONGLE, second, ADAPTER, answers="bench 0 4 2 2 no 19200 2.8 3.3 0.25 2"
    )
    assert code == 0, told
    rig = files.load("bench.toml")
    assert rig.probe is None
    assert rig.device == files.load("virtual").device
    assert rig.console is not None and rig.console.port == "/dev/ttyUSB0"
    assert rig.supply is not None and rig.supply.resource == "ASRL/dev/ttyACM0::INSTR"
    assert (rig.supply.baud, rig.supply.nominal_volts, rig.supply.max_volts) == (19200, 2.8, 3.3)
    assert rig.supply.max_amperes == 0.25
    assert rig.central is not None and rig.central.transport == "usb:0a12:0001#1"


def test_the_board_is_suggested_by_the_chip_that_the_probe_is_soldered_to(shell: Shell) -> None:
    probe = Found("probe", "682000000", "SEGGER J-Link", "", "nrf52833")
    assert shell(probe, words=("--yes",))[0] == 0
    rig = files.load("desk.toml")
    assert (rig.device.board, rig.device.flash_size) == ("nrf52833dk", 0x80000)
    assert rig.probe is not None and rig.probe.target == "nrf52833"


def test_a_probe_that_is_not_soldered_to_a_chip_gets_that_of_the_device(shell: Shell) -> None:
    probe = Found("probe", "801000000", "SEGGER J-Link")
    assert shell(probe, answers="- 1 2")[0] == 0
    rig = files.load("desk.toml")
    assert rig.device.board == "nrf52dk"
    assert rig.probe is not None and rig.probe.target == "nrf52832"


def test_a_port_is_not_offered_twice(shell: Shell) -> None:
    code, told, _ = shell(UART, OTHER, answers="- - 1 1 - - - - -")
    assert code == 0 and "controller" not in told  # nothing is left for it
    rig = files.load("desk.toml")
    assert rig.console is not None and rig.console.port == "/dev/ttyACM0"
    assert rig.supply is not None and rig.supply.resource == "ASRL/dev/ttyUSB0::INSTR"
    assert rig.central is None


def test_a_serial_port_and_the_systems_adapter_can_be_the_controller(shell: Shell) -> None:
    assert shell(ADAPTER, OTHER, answers="a - 0 0 1")[0] == 0
    central = files.load("a.toml").central
    assert central is not None and (central.driver, central.adapter) == ("os", "hci0")
    assert shell(ADAPTER, OTHER, answers="b - 0 0 2")[0] == 0
    central = files.load("b.toml").central
    assert central is not None and central.transport == "serial:/dev/ttyUSB0,1000000"


def test_no_voltage_above_what_the_chip_stands_is_suggested(shell: Shell) -> None:
    # 5 V: the limit has no suggestion; 5 is warned of, and refused once; an empty answer is none.
    code, told, _ = shell(RIGOL, answers="- - 1 5 - 4 5 no 5.5 yes -")
    assert code == 0
    assert "No case may ever set more than, V: " in told and "No case may ever set more than, V [" not in told
    assert told.count("WARNING: an nRF52 stands at most 3.6 V") == 2
    assert "expected at least the 5 V at which a case begins" in told
    supply = files.load("desk.toml").supply
    assert supply is not None and (supply.nominal_volts, supply.max_volts) == (5.0, 5.5)


def test_the_suggested_limit_is_safe(shell: Shell) -> None:
    code, told, _ = shell(RIGOL, answers="- - 1 - - -")
    assert code == 0 and "WARNING" not in told
    supply = files.load("desk.toml").supply
    assert supply is not None and (supply.nominal_volts, supply.max_volts) == (3.0, 3.6)


def test_a_power_profiler_is_suggested_and_set_up(shell: Shell) -> None:
    code, told, _ = shell(PROBE, UART, PPK2, DONGLE, words=("--yes",))
    assert code == 0, told
    rig = files.load("desk.toml")
    assert rig.supply is not None
    assert (rig.supply.driver, rig.supply.port) == ("ppk2", "/dev/ttyACM1")
    assert (rig.supply.nominal_volts, rig.supply.max_volts, rig.supply.max_amperes) == (3.0, 3.6, 0.2)
    assert rig.console is not None and rig.console.port == "/dev/ttyACM0"
    assert rig.central is not None and rig.central.transport == "usb:0a12:0001"


def test_a_power_profiler_that_is_not_wanted_is_offered_for_nothing_else(shell: Shell) -> None:
    code, told, _ = shell(PPK2, OTHER, answers="- - 0 0 0")
    assert code == 0, told
    rig = files.load("desk.toml")
    assert rig.supply is None and rig.central is None
    assert "PPK2" not in told[told.index("Bluetooth LE controller") :]


def test_a_relay_board_switches_what_something_else_supplies(shell: Shell) -> None:
    code, told, _ = shell(OTHER, answers="- - 0 1 yes - 3.3 3.3")
    assert code == 0, told
    supply = files.load("desk.toml").supply
    assert supply is not None
    assert (supply.driver, supply.port, supply.baud) == ("relay", "/dev/ttyUSB0", 9600)
    assert supply.max_amperes is None


@pytest.mark.parametrize("volts", ["nan", "inf", "-3", "0", "61", "3e9", "x", "0x3"])
def test_a_voltage_that_is_none_is_asked_for_again(shell: Shell, volts: str) -> None:
    code, told, _ = shell(RIGOL, answers=f"- - 1 {volts} 3,3 - -")
    assert code == 0 and "  expected a number" in told
    supply = files.load("desk.toml").supply
    assert supply is not None and supply.nominal_volts == 3.3


def test_a_board_of_ones_own_gets_a_map_to_change(shell: Shell) -> None:
    assert shell(answers="- none")[0] == 0
    text = Path("desk.toml").read_text()
    assert "include" not in text and "put the flash map of your own board here" in text
    assert files.load("desk.toml").device == files.load("nrf52840dk-ppk2").device.model_copy(
        update={"ble": files.load("desk.toml").device.ble}
    )


def test_a_virtual_kit_is_no_hardware(shell: Shell) -> None:
    assert shell(KIT, words=("--yes",))[0] == 0
    rig = files.load("desk.toml")
    assert rig.bench == "served" and rig.kind == "virtual"
    assert rig.device.firmware == "bundled"


def test_what_could_not_be_looked_for_is_a_note(shell: Shell) -> None:
    code, told, _ = shell(notes=("HCI dongles could not be looked for: no libusb",), words=("--yes",))
    assert code == 0
    assert "Note: HCI dongles could not be looked for: no libusb\n" in told


def test_no_file_is_replaced_without_asking(shell: Shell) -> None:
    Path("desk.toml").write_text("mine")
    for answers, words in (("- no", ()), ("-", ("--yes",)), ("- -", ())):
        given = "" if words else answers
        code, _, error = shell(answers=given, words=words)
        assert (code, error) == (2, "hil: desk.toml: exists already; name another file with --out\n")
        assert Path("desk.toml").read_text() == "mine"
    assert shell(answers="- yes -")[0] == 0
    assert files.load("desk.toml").name == "desk"


def test_ctrl_c_leaves_nothing(shell: Shell) -> None:
    for answers in ("^C", "- ^C", "- - 1 ^C", "- - 1 3 ^C"):
        assert shell(RIGOL, answers=answers)[0] == 130
        assert os.listdir() == []


def test_an_end_of_answers_is_an_error_that_names_the_question(shell: Shell) -> None:
    code, _, error = shell(answers="-")
    assert code == 2 and error == 'hil: no answer to "which"; answer on standard input, or give --yes\n'
    assert os.listdir() == []


def test_answers_that_make_no_sense_end(shell: Shell) -> None:
    code, told, error = shell(PROBE, answers="- 2 -1 1.0 one ²")
    assert code == 2 and error == 'hil: no answer to "which" that makes sense\n'
    assert told.count("  expected a number from 0 to 1") == 5


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--out", "nowhere/desk.toml"), "nowhere/desk.toml: cannot be written: No such file or directory"),
        (("--out", "desk.txt"), "desk.txt: expected a name that ends in .toml"),
        (("--out", "."), ".: exists already; name another file with --out"),
    ],
)
def test_a_place_that_cannot_be_written_to(shell: Shell, words: tuple[str, ...], expected: str) -> None:
    code, _, error = shell(words=("--yes", *words))
    assert (code, error) == (2, f"hil: {expected}\n")


def test_a_file_that_came_meanwhile_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "desk.toml"
    path.write_text("mine")
    content = newfile.text(newfile.Answers("desk", newfile.parts()[0], False, None, None, None, None))
    with pytest.raises(InputError, match="exists already"):
        newfile.write(path, content, replace=False)
    assert path.read_text() == "mine" and os.listdir(tmp_path) == ["desk.toml"]


@given(st.text(max_size=60), st.text(max_size=60))
@example("${HOME}", "${HOME}")
@example('"\\', "\n[probe]")
def test_whatever_a_device_calls_itself_stays_a_text(address: str, text: str) -> None:
    found = Found("serial", address or "x", text)
    probe = Found("probe", address or "x", text, "", "")
    part = newfile.parts()[0]
    written = newfile.text(newfile.Answers("desk", part, False, probe, None, None, found))
    data = tomllib.loads(written)
    assert data["console"]["port"] == found.address.replace("${", "$${")
    assert set(data) == {"include", "schema", "name", "bench", "probe", "console"}


# ---- For real: in a process of its own, with nothing plugged in, on a terminal ----


def environment() -> dict[str, str]:
    """Of a process that runs this hil."""
    return {**os.environ, "PYTHONPATH": str(Path(hil.__file__).parents[1])}


def test_for_real_it_ends_politely_whatever_is_plugged_in(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil", "rigs", "new", "--yes"],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"Traceback" not in done.stdout + done.stderr
    assert files.load(str(tmp_path / "desk.toml")).name == "desk"


def test_for_real_answers_come_from_a_pipe(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil", "rigs", "new"],
        cwd=tmp_path,
        env=environment(),
        input=b"my bench\nlab\n" + b"\n" * 20,
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b'  expected 1 to 64 letters, digits, ".", "_" or "-"' in done.stdout
    assert files.load(str(tmp_path / "lab.toml")).name == "lab"


def test_for_real_a_virtual_kit_in_a_file_is_found(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "hil", "rigs", "new", "--yes"],
        cwd=tmp_path,
        env={**environment(), "HIL_KIT": str(tmp_path / "desk.kit")},
        capture_output=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert b"virtual nRF52840 kit" in done.stdout
    rig = files.load(str(tmp_path / "desk.toml"))
    assert rig.bench == "served" and rig.probe is not None and rig.probe.target == "nrf52840"


class Terminal:
    """`hil rigs new` on a terminal of its own, as a person has it."""

    def __init__(self, folder: Path) -> None:
        self._end, far = pty.openpty()
        self._shown = b""
        self._limit = time.monotonic() + PATIENCE_S
        self.process = subprocess.Popen(
            [sys.executable, "-m", "hil", "rigs", "new"],
            cwd=folder,
            env=environment(),
            stdin=far,
            stdout=far,
            stderr=far,
            start_new_session=True,
        )
        os.close(far)

    def wait_for(self, *texts: bytes) -> bytes:
        """Read until one of the texts is shown after what was waited for before, and return it."""
        while True:
            for text in texts:
                if text in self._shown:
                    self._shown = self._shown.partition(text)[2]
                    return text
            assert time.monotonic() < self._limit, self._shown
            if select.select([self._end], [], [], 1.0)[0]:
                self._shown += os.read(self._end, 4096)

    def type(self, text: bytes) -> None:
        """Press these keys."""
        os.write(self._end, text)

    def interrupt(self) -> int:
        """Ctrl-C, and once more where it came before the program read: the exit code."""
        while self.process.poll() is None:
            assert time.monotonic() < self._limit
            self.process.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(2.0)
        os.close(self._end)
        return self.process.returncode


def test_for_real_ctrl_c_on_a_terminal_leaves_nothing(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.wait_for(b"Name of the rig")
    terminal.type(b"mine\r")
    terminal.wait_for(b"Device")
    terminal.wait_for(b"which [1]")
    assert terminal.interrupt() in (130, -signal.SIGINT)
    assert os.listdir(tmp_path) == []


def test_for_real_answers_on_a_terminal_make_a_file(tmp_path: Path) -> None:
    terminal = Terminal(tmp_path)
    terminal.wait_for(b"Name of the rig")
    terminal.type(b"mine\r")
    while terminal.wait_for(b"]: ", b"Next: hil rigs check mine.toml") == b"]: ":
        terminal.type(b"\r")  # as suggested, however much is plugged in where this runs
    assert terminal.process.wait(PATIENCE_S) == 0
    assert files.load(str(tmp_path / "mine.toml")).name == "mine"


def test_for_real_a_served_kit_is_found_and_the_file_passes_its_check(tmp_path: Path) -> None:
    with Served(tmp_path, "--bundled") as served:
        hil_command = [sys.executable, "-m", "hil", "rigs"]
        for words in (["new", "--yes", "--out", "kit.toml"], ["check", "kit.toml"]):
            done = subprocess.run(
                [*hil_command, *words],
                cwd=tmp_path,
                env={**environment(), "HIL_KIT": served["swd"], "XDG_STATE_HOME": str(tmp_path)},
                capture_output=True,
                timeout=PATIENCE_S,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
        assert b"virtual nRF52840 kit" in done.stdout
