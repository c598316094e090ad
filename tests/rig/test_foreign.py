"""The catalogue on a device that is only described: what it can show is run, and the rest skipped with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import InputError
from hil.rig import files
from tests.rig import foreign
from tests.whole.running import hil_run


def _run(where: Path, rig: Path, *cases: str) -> dict[str, tuple[str, str]]:
    chosen = [word for case in cases for word in ("--case", case)]
    ended = hil_run(where, "--rig", str(rig), "--plan", "nightly", *chosen)
    assert not ended.err, ended.err
    return {name: (row["outcome"], row["reason"]) for name, row in ended.results.items()}


def test_a_described_device_whose_images_hil_signs(tmp_path: Path) -> None:
    found = _run(
        tmp_path,
        foreign.write(tmp_path),
        "UPD-01",
        "AUTH-01[payload-rehashed]",
        "VER-01[lower major]",
        "XFER-01[0.5]",
        "RB-02[upload]",
        "BAT-01",
        "AUTH-03[provisioned]",
    )
    assert {name: outcome for name, (outcome, _) in found.items()} == {
        "UPD-01": "passed",
        "AUTH-01[payload-rehashed]": "passed",
        "VER-01[lower major]": "passed",
        "XFER-01[0.5]": "passed",
        "RB-02[upload]": "skipped",
        "BAT-01": "skipped",
        "AUTH-03[provisioned]": "skipped",
    }
    assert found["BAT-01"][1] == "rig theirs has no device.battery"


def test_a_described_device_with_images_that_are_signed_already(tmp_path: Path) -> None:
    rig = foreign.write(tmp_path, images='files = ["1.0.0.bin", "1.1.0.bin"]')
    found = _run(tmp_path, rig, "UPD-01", "AUTH-01[payload-rehashed]", "AUTH-01[wrong key]", "UPD-03")
    assert found["UPD-01"][0] == found["AUTH-01[payload-rehashed]"][0] == "passed"
    assert found["AUTH-01[wrong key]"] == ("skipped", "rig theirs has no key to sign an image with key")
    assert found["UPD-03"] == ("skipped", "rig theirs has no image of version 1.2.0, and no key to sign one")


def test_a_device_is_judged_by_its_own_policy_and_its_distance_from_the_brief_is_told(tmp_path: Path) -> None:
    # A bootloader that takes every version, described as one that takes equal ones: equal is its policy, lower is not.
    rig = foreign.write(tmp_path, policy='version = "not-lower"\nbuild_number = false', defect="version")
    ended = hil_run(tmp_path, "--rig", str(rig), "--plan", "nightly", "--case", "VER-01")
    told = {name: row["outcome"] for name, row in ended.results.items()}
    assert told["VER-01[equal version, other image]"] == told["VER-01[lower build]"] == "passed"
    assert told["VER-01[lower major]"] == told["VER-01[lower minor]"] == "failed"
    figures = ended.results["VER-01[equal version, other image]"]["figures"]
    assert figures == [{"name": "taken against the brief's strict rule", "value": 1.0, "unit": ""}]
    assert ended.code == 1


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('payload = "app.bin"', 'payload = "none.bin"', 'device.images.payload: "none.bin": no such file'),
        ('files = ["boot.hex"', 'files = ["none.hex"', 'device.install.files[0]: "none.hex": no such file'),
        ('key = "key.pem"\n', "", "payload and key go together"),
        ('firmware = "none"', 'firmware = "bundled"', 'are for firmware = "none"'),
        ("[probe]", '[initiator]\ncommand = ["x", "{port}"]\n[probe]', "{port}"),
        ("[probe]", '[initiator]\ncommand = ["x", "{image"]\n[probe]', "{image"),
    ],
)
def test_a_mistake_in_the_description_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = foreign.write(tmp_path)
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(InputError) as error:
        files.load(str(path))
    assert told in str(error.value)
    assert "theirs.toml" in str(error.value)
