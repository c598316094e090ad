"""Host profiles: each figure has a source or is marked as assumed, and the page and the commands say so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from hil import cli
from hil.errors import InputError
from hil.hosts import page
from hil.hosts import profile as profiles
from hil.tomlfile import load

DOCS = Path(__file__).parents[2] / "docs" / "host-profiles.md"
GOOD = """description = "a phone"
att_mtu = {value = 185, source = "https://example.org/mtu", says = "185"}
data_length = {value = 27, source = "assumed"}
phy = {value = "1M", source = "assumed"}
interval_ms = {value = 30.0, source = "assumed"}
"""


@pytest.mark.parametrize("name", profiles.names())
def test_each_profile_is_in_order(name: str) -> None:
    figures = dict(profiles.named(name).figures())
    assert {"att_mtu", "data_length", "phy", "interval_ms"} <= figures.keys()


def test_the_page_is_in_step_with_the_data() -> None:
    assert DOCS.read_text(encoding="utf-8").endswith("-->\n\n" + page.markdown())


def test_an_assumed_figure_is_marked_and_a_sourced_one_leads_to_its_page() -> None:
    text = page.markdown()
    assert "| `att_mtu` | 185 | assumed |" in text
    assert "| `att_mtu` | 185 | [from iOS 10 on the ATT MTU is 185](https://github.com/" in text


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('source = "https://example.org/mtu", says = "185"', 'source = "hearsay", says = "185"', "att_mtu"),
        (', says = "185"', "", "expected what the source says"),
        ('27, source = "assumed"', '27, source = "assumed", says = "27"', "expected what the source says"),
        ("value = 185", "value = 600", "att_mtu"),
        ("value = 30.0", "value = 5.0", "interval_ms"),
        ('"1M"', '"coded"', "phy"),
        ("data_length =", "data_lenght =", "data_length"),
    ],
)
def test_a_mistake_is_told_with_its_key(tmp_path: Path, old: str, new: str, told: str) -> None:
    file = tmp_path / "phone.toml"
    file.write_text(GOOD)
    assert load(file, profiles.HostProfile).att_mtu.value == 185
    assert old in GOOD
    file.write_text(GOOD.replace(old, new))
    with pytest.raises(InputError, match=told):
        load(file, profiles.HostProfile)


def test_an_unknown_profile_is_told_with_the_known_ones() -> None:
    with pytest.raises(InputError, match=r'"nokia".*android-14'):
        profiles.named("nokia")


def test_list_tells_how_many_figures_are_assumed() -> None:
    result = CliRunner().invoke(cli.app, ["profiles", "list"])
    assert result.exit_code == 0
    assert "4 of 4 assumed" in result.stdout  # windows-11
    assert "2 of 4 assumed" in result.stdout  # bluez


def test_show_tells_the_source_of_each_figure() -> None:
    result = CliRunner().invoke(cli.app, ["profiles", "show", "android-14"])
    assert result.exit_code == 0
    assert re.search(
        r"^att_mtu +517  https://learn\.microsoft\.com/\S+ \(from Android 14", result.stdout, re.M
    )
    assert re.search(r"^phy +2M  assumed$", result.stdout, re.M)
