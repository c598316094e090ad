"""What a run asks of a laboratory, in which order, and what it does not believe. The helper is a made-up one."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from hil.errors import BenchError, InputError
from hil.lab import journal
from hil.lab.journal import Journal
from hil.lab.reserved import LabWanted, reserved
from hil.lab.resources import tables
from hil.report.page import page
from hil.report.run_folder import RunRecord
from hil.run.asked import Asked
from hil.run.start import run
from tests.run.bench import HEAD, PLAN, RIG

COORDINATOR = "127.0.0.1:1"
WANTED = LabWanted(COORDINATOR, ("board=none",), 10.0)

FAKE = """#!{python}
import json, os, pathlib, sys
here = pathlib.Path({folder!r})
answers = json.loads((here / "answers.json").read_text())
print(json.dumps(answers.get("start", {{"number": 0}})), flush=True)
for line in sys.stdin:
    asked = json.loads(line)
    asked["journalled"] = [json.loads(p.read_text())["token"] for p in (here / "state").glob("*.json")]
    with (here / "asked.jsonl").open("a") as log:
        log.write(json.dumps(asked) + "\\n")
    told = answers.get(asked["request"], {{}})
    if isinstance(told, list):
        told = told.pop(0) if len(told) > 1 else told[0]
    print(json.dumps({{"number": asked["number"], **told}}), flush=True)
"""


class Fake:
    """A laboratory that answers what it is told to, and remembers what it was asked."""

    def __init__(self, folder: Path, **answers: Any) -> None:
        self.folder = folder
        self.rig = folder / "rig.toml"
        self.rig.write_text(RIG)
        standard: dict[str, Any] = {
            "places": {"places": [{"name": "one", "tags": {"board": "none"}, "holder": None}]},
            "queue": {"reservations": []},
            "reserve": {"token": "T1", "state": "waiting", "place": None},
            "poll": {"token": "T1", "state": "allocated", "place": "one"},
            "acquire": {"resources": []},
        }
        (folder / "answers.json").write_text(json.dumps(standard | answers))
        script = folder / "python"
        script.write_text(FAKE.format(python=sys.executable, folder=str(folder)))
        script.chmod(0o755)

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / "asked.jsonl").read_text().splitlines()]

    @property
    def requests(self) -> list[str]:
        return [str(each["request"]) for each in self.asked]


@pytest.fixture(autouse=True)
def setting(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HIL_LABGRID_PYTHON", str(tmp_path / "python"))
    monkeypatch.setenv("HIL_LAB_STATE", str(tmp_path / "state"))


def test_a_place_is_taken_and_given_back_with_its_token_on_the_disk_between(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    with reserved(WANTED, str(fake.rig), io.StringIO()) as place:
        assert place.rig.is_file()
    assert fake.requests == ["places", "reserve", "poll", "acquire", "release", "cancel"]
    assert all(each["journalled"] == ["T1"] for each in fake.asked if each["request"] in ("poll", "acquire"))
    release = fake.asked[4]
    assert release["place"] == "one" and "/hil-" in release["user"]
    assert list((tmp_path / "state").iterdir()) == []


def test_the_record_of_a_run_and_its_report_name_the_place_and_the_laboratory(tmp_path: Path) -> None:
    fake = Fake(tmp_path)
    (tmp_path / "plan.toml").write_text(PLAN)
    (tmp_path / "test_cases.py").write_text(
        HEAD + '@case("A-01", "Nothing")\ndef test_nothing():\n    pass\n'
    )
    asked = Asked(rig=str(fake.rig), plan=str(tmp_path / "plan.toml"), out=tmp_path / "out", lab=WANTED)
    code, folder = run(asked)
    assert code == 0 and folder is not None
    record = RunRecord.load(folder)
    (release,) = [each for each in fake.asked if each["request"] == "release"]
    assert record.run["lab"] == {
        "coordinator": COORDINATOR,
        "place": "one",
        "match": ["board=none"],
        "owner": release["user"],
    }
    assert f"place one of the labgrid coordinator at {COORDINATOR}" in page(record)


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_place_is_given_back_whatever_is_raised(tmp_path: Path, error: type[BaseException]) -> None:
    fake = Fake(tmp_path)
    with pytest.raises(error), reserved(WANTED, str(fake.rig), io.StringIO()):
        raise error
    assert fake.requests[-2:] == ["release", "cancel"]


def test_an_offline_place_is_cancelled_before_it_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("hil.lab.reserved.BACKOFF_S", (0.0,))
    fake = Fake(tmp_path, acquire={"error": "offline", "text": "no exporter"})
    with (
        pytest.raises(BenchError, match=r"every place that matches is offline \(one: no exporter\)"),
        reserved(WANTED, str(fake.rig), io.StringIO()),
    ):
        pass
    assert fake.requests.count("acquire") == fake.requests.count("release") == 6
    assert fake.requests.count("reserve") == 6


def test_what_cannot_be_given_back_stays_in_the_journal_for_the_next_run(tmp_path: Path) -> None:
    fake = Fake(tmp_path, release={"error": "unavailable", "text": "gone"})
    said = io.StringIO()
    with reserved(WANTED, str(fake.rig), said):
        pass
    assert "was not given back (gone)" in said.getvalue()
    (left,) = [*(tmp_path / "state").glob("*.json")]
    owner = "{host}/{user}".format(**json.loads(left.read_text()))
    place = {"name": "one", "tags": {"board": "none"}, "holder": owner}
    stranger = {"name": "two", "tags": {"board": "none"}, "holder": "elsewhere/somebody"}
    again = Fake(
        tmp_path,
        places={"places": [place, stranger]},
        queue={"reservations": [{"owner": owner, "token": "OLD", "state": "acquired"}]},
    )
    (tmp_path / "asked.jsonl").unlink()
    with reserved(WANTED, str(again.rig), io.StringIO()):
        pass
    released = [(each["place"], each["user"]) for each in again.asked if each["request"] == "release"]
    assert released[0] == ("one", owner) and len(released) == 2 and released[1][1] != owner
    assert "OLD" in [each.get("token") for each in again.asked if each["request"] == "cancel"]
    assert not left.exists()


def test_the_journal_of_a_run_that_lives_is_left_alone(tmp_path: Path) -> None:
    mine, _ = Journal.new(COORDINATOR)
    assert list(journal.dead(COORDINATOR)) == []
    mine.close()
    ((found, _),) = journal.dead(COORDINATOR)
    found.forget()


def test_no_python_for_labgrid_is_one_line_with_the_way_to_get_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    fake = Fake(tmp_path)
    monkeypatch.delenv("HIL_LABGRID_PYTHON")
    with pytest.raises(InputError, match=r"labgrid==26\.0\.1"), reserved(WANTED, str(fake.rig)):
        pass


def test_limits_never_come_higher_from_the_laboratory() -> None:
    limits = {"supply": {"max_volts": 3.6, "max_amperes": 0.5}}
    params = {"resource": "TCPIP0::192.0.2.1::5025::SOCKET", "max_volts": 30, "max_amperes": 0.2}
    found, _ = tables("one", [{"name": "x/y/z", "cls": "HilSupply", "params": params}], limits)
    assert (found["supply"]["max_volts"], found["supply"]["max_amperes"]) == (3.6, 0.2)


@pytest.mark.parametrize(
    ("cls", "params", "key"),
    [
        ("HilProbe", {"host": "a b", "port": 1}, "host"),
        ("HilProbe", {"host": "a", "port": 0}, "port"),
        ("HilProbe", {"host": "a", "port": True}, "port"),
        ("HilProbe", {"unique_id": "remote:elsewhere:1"}, "unique_id"),
        ("HilSupply", {"resource": "ASRL/etc/passwd::INSTR"}, "resource"),
        ("HilSupply", {"resource": "TCPIP::h::INSTR\n"}, "resource"),
        ("HilSupply", {"resource": "TCPIP::h::INSTR", "max_volts": float("nan")}, "max_volts"),
        ("HilBleAdapter", {"host": "${HOME}", "port": 1}, "host"),
        ("NetworkSerialPort", {"host": "h", "port": 1, "protocol": "file"}, "protocol"),
        ("NetworkSerialPort", {"host": "h", "port": 1, "speed": -1}, "speed"),
    ],
)
def test_hostile_values_are_named(cls: str, params: dict[str, Any], key: str) -> None:
    limits: dict[str, dict[str, Any]] = {name: {} for name in ("probe", "supply", "central", "console")}
    with pytest.raises(BenchError, match=rf"lab place one, resource x/y/z, {key}: expected"):
        tables("one", [{"name": "x/y/z", "cls": cls, "params": params}], limits)


def test_what_is_not_understood_is_left_alone_and_told() -> None:
    found, ignored = tables(
        "one", [{"name": "x/y/z", "cls": "NetworkPowerPort", "params": {}}], {"supply": {}}
    )
    assert (found, ignored) == ({}, ["x/y/z (NetworkPowerPort)"])
