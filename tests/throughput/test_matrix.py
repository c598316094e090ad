"""Matrix files: the bundled ones, what they ask for, and what is wrong in one."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil import bundled
from hil.errors import InputError
from hil.rig import files
from hil.throughput import matrix


@pytest.mark.parametrize("name", files.names(bundled.testplans() / "matrices"))
def test_the_bundled_ones_can_be_read(name: str) -> None:
    found = matrix.load(name)
    assert found.name == name
    assert len(set(found.work())) == len(found.work()) > 0


def test_an_upload_has_no_response_and_a_link_no_messages() -> None:
    found = matrix.Matrix(
        schema=1, name="x", mtu=[247], phy=["2M"], data_length=[251], response=[False, True], window=[0, 1]
    )
    work = [(setting.response, setting.window, column) for setting, column in found.work()]
    assert work == [
        (False, 0, "link"),
        (False, 0, "device"),
        (False, 0, "dfu"),
        (False, 1, "dfu"),
        (True, 0, "link"),
        (True, 0, "device"),
    ]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("mtu = [22]", "mtu"),
        ('phy = ["3M"]', "phy"),
        ("interval_ms = []", "interval_ms"),
        ("data_lenght = [27]", "data_lenght"),
        ("payload_bytes = 999999", "payload_bytes"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, text: str, told: str) -> None:
    path = tmp_path / "m.toml"
    path.write_text(f'schema = 1\nname = "m"\n{text}\n')
    with pytest.raises(InputError, match=rf"m\.toml:3: {told}"):
        matrix.load(str(path))
