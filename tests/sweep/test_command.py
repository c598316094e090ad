"""`hil sweep` on the bundled bootloader, emulated for real."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from hil.errors import InputError
from hil.rig import files
from hil.rig.product import bundled_product
from hil.sweep import bundled, replay, run
from tests.test_cli import hil


def test_a_refused_downgrade_closes_and_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = hil(monkeypatch, capsys, "sweep", "--scenario", "downgrade", "--out", str(tmp_path))
    assert (code, err) == (0, "")
    folder = Path(out.splitlines()[-1])
    found = json.loads((folder / "sweep.json").read_text())
    assert found["closed"]
    assert found["verdict"].startswith("closed: ")
    assert found["violations_found"] == 0
    assert found["counts"]["states"] >= 8
    assert "<svg" in (folder / "sweep.html").read_text()


def test_a_bootloader_that_forgets_its_swap_is_caught_and_the_point_can_be_repeated() -> None:
    rig = files.load("virtual")
    product = bundled_product(rig.device, defect="swap_resume")
    chosen = bundled.scenario("upgrade", product)
    found = run.sweep(rig, chosen, most_cuts=1, enough=12, check=0.0, budget_s=300.0)
    # A cut before the first page is swapped leaves the former image running and the update forgotten; a later one
    # leaves nothing that runs. Which comes first depends on the length of the images.
    broken = [each["invariant"] for each in found["violations"]]
    assert set(broken) == {"asked", "starts"}
    path = replay.path_of(found, broken.index("starts") + 1)
    assert len(path) == 1
    steps = list(replay.replay(rig, chosen, path, 0))
    assert len(steps) == 2
    assert "swap starts" in steps[0].console
    assert any(line.startswith(">") and "str" in line for line in steps[0].code)
    assert steps[1].settled is not None
    assert steps[1].settled.kind == "sleeps"
    assert "no valid image" in steps[1].console
    replay.check_same(found, chosen)
    with pytest.raises(InputError, match="other flash content"):
        replay.check_same(found, bundled.scenario("upgrade", bundled_product(rig.device)))


@pytest.mark.parametrize(
    ("found", "number", "what"),
    [
        ([], 1, "not a result of hil sweep"),
        ({"format": "hil-sweep-1", "violations": []}, 1, "violation 1: the sweep wrote down 0"),
        ({"format": "hil-sweep-1", "violations": [{}]}, 1, "its path is damaged"),
        ({"format": "hil-sweep-1", "violations": [{"path": [{"reading": 7}]}]}, 1, "its path is damaged"),
    ],
)
def test_a_damaged_result_is_told(found: object, number: int, what: str) -> None:
    with pytest.raises(InputError, match=what):
        replay.path_of(found, number)


def test_mistakes_are_told_in_a_line(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for words, what in (
        (("--scenario", "lunch"), 'scenario "lunch": expected one of upgrade'),
        (("--budget", "soon"), '--budget: expected a time such as 60s, 10m or 1h, got "soon"'),
    ):
        code, _, err = hil(monkeypatch, capsys, "sweep", *words)
        assert code == 2
        assert what in err
