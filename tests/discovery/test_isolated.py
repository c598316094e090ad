"""Looking for things in a process of its own: what hangs, crashes or talks nonsense there is a note here."""

from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.discovery import KINDS, Discovery, Found, Kind, find, find_all
from hil.discovery.isolated import understood


@pytest.mark.parametrize(
    ("program", "told"),
    [
        ("import time; time.sleep(60)", "no answer within 1 s"),
        # A child that outlives it and holds its output must not hold us.
        (
            "import subprocess; subprocess.Popen(['sleep', '30']); import time; time.sleep(60)",
            "no answer within 1 s",
        ),
        ("import os; os.kill(os.getpid(), 11)", "the search crashed (-11)"),
        ("raise SystemExit(3)", "the search crashed (3)"),
        ("print('not JSON')", "the search answered nonsense"),
        ("print('{}')", "the search answered nonsense"),
        ("print('[' * 100000)", "the search answered nonsense"),
        ("print(' ' * 2_000_000)", "the search answered nonsense"),
        ("", "the search answered nonsense"),
    ],
)
def test_what_goes_wrong_there_is_a_note_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, program: str, told: str
) -> None:
    (tmp_path / "broken_search.py").write_text(program)
    monkeypatch.syspath_prepend(str(tmp_path))
    began = time.monotonic()
    found = find("hci", timeout_s=1.0, module="broken_search")
    assert found == Discovery(notes=(f"HCI dongles could not be looked for: {told}",))
    assert time.monotonic() - began < 20


def test_a_missing_library_is_a_note_with_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "usb1.py").write_text("raise OSError('libusb-1.0.so: cannot open shared object file')")
    monkeypatch.syspath_prepend(str(tmp_path))
    found = find("hci")
    assert found.notes == (
        "HCI dongles could not be looked for: OSError: libusb-1.0.so: cannot open shared object file",
    )


def test_a_library_that_prints_does_not_spoil_the_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "pyvisa.py").write_text(
        "print('hello from a library')\n"
        "class ResourceManager:\n"
        "    def __init__(self, backend): assert backend == '@py'\n"
        "    def list_resources(self): return ('ASRL/dev/ttyS0::INSTR', 'TCPIP::192.0.2.1::INSTR')\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find("visa") == Discovery((Found("visa", "TCPIP::192.0.2.1::INSTR", "TCPIP::192.0.2.1::INSTR"),))


def test_one_kind_that_fails_keeps_no_other_from_being_found() -> None:
    def finder(kind: Kind) -> Discovery:
        return Discovery(notes=("broken",)) if kind == "visa" else Discovery((Found(kind, kind, kind),))

    found = find_all(finder)
    assert [each.kind for each in found.found] == [kind for kind in KINDS if kind != "visa"]
    assert found.notes == ("broken",)


def test_names_that_devices_give_themselves_are_held_to_a_form() -> None:
    devices = [
        {
            "address": "/dev/ttyACM0",
            "text": "evil\x1b[31m\nname" + "x" * 500,
            "mark": "ppk2",
            "target": "nrf52840",
        },
        {"address": "/dev/tty\n[probe]", "text": "", "mark": "", "target": ""},
        {"address": "a" * 201, "text": "", "mark": "", "target": ""},
        {"address": "b", "text": "b", "mark": "admin", "target": 'x"\n'},
    ]
    found = understood("serial", json.dumps({"found": devices, "trouble": None}).encode()).found
    assert [each.address for each in found] == ["/dev/ttyACM0", "b"]
    assert found[0].text.isprintable() and len(found[0].text) <= 200
    assert (found[1].mark, found[1].target) == ("", "")


@given(
    st.binary(max_size=300)
    | st.recursive(st.none() | st.text() | st.integers(), st.lists).map(
        lambda value: json.dumps({"found": value, "trouble": value}).encode()
    )
)
def test_any_answer_is_understood_or_a_note(answer: bytes) -> None:
    found = understood("probe", answer)
    assert found.found or found.notes or b'"found": []' in answer


def test_for_real_every_kind_can_be_looked_for() -> None:
    found = find_all()
    assert all("could not be looked for" in note for note in found.notes)
    assert not any("nonsense" in note or "crashed" in note for note in found.notes)
