"""The JSON schema that editors check rig files with."""

from __future__ import annotations

import datetime
import json
import tomllib
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from hil import bundled
from hil.rig import editor_schema

PATH = bundled.rigs() / "rig.schema.json"
HOSTS = bundled.rigs() / "profiles"
"""Host profiles are no rig files (tests/hosts)."""
FILES = sorted(path for path in bundled.rigs().rglob("*.toml") if HOSTS not in path.parents)
VIRTUAL = (bundled.rigs() / "virtual.toml").read_text(encoding="utf-8")


def as_editors_see_it(value: Any) -> Any:
    """Dates are texts in JSON."""
    if isinstance(value, dict):
        return {key: as_editors_see_it(each) for key, each in value.items()}
    if isinstance(value, list):
        return [as_editors_see_it(each) for each in value]
    return value.isoformat() if isinstance(value, datetime.date) else value


def mistakes(text: str) -> list[str]:
    """Where the schema finds something wrong in a rig file."""
    schema = json.loads(PATH.read_text(encoding="utf-8"))
    errors = jsonschema.Draft4Validator(schema).iter_errors(as_editors_see_it(tomllib.loads(text)))
    return [".".join(str(part) for part in error.absolute_path) for error in errors]


def test_it_is_draft_4_as_editors_need_it() -> None:
    schema = json.loads(editor_schema.text())
    jsonschema.Draft4Validator.check_schema(schema)
    for word in ('"const"', '"$defs"', '"null"', '"oneOf"', '"prefixItems"'):
        assert word not in editor_schema.text()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_each_rig_file_names_the_schema_and_keeps_to_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    directive, name = text.splitlines()[0].split()
    assert directive == "#:schema"
    assert (path.parent / name).samefile(PATH)
    assert mistakes(text) == []


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("frequency =", "freqency =", "probe"),
        ("channel = 1", 'channel = "1"', "supply.channel"),
        ("channel = 1", "channel = 9", "supply.channel"),
        ("max_volts = 3.6", "max_volts = 0", "supply.max_volts"),
        ("max_volts = 3.6", 'max_volts = "${}"', "supply.max_volts"),
        ('role = "primary"', 'role = "first"', "device.slots.0.role"),
        ('"C0:FF:EE:00:00:01"', '"C0:FF:EE"', "central.address"),
        ("8d53dc1d-", "8d53dc1-", "device.ble.service"),
        ("schema = 1", "schema = 2", "schema"),
        ("[virtual]", "[vrtual]", ""),
    ],
)
def test_what_hil_refuses_is_marked_while_typing(old: str, new: str, key: str) -> None:
    assert old in VIRTUAL
    assert mistakes(VIRTUAL.replace(old, new, 1)) == [key]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("channel = 1", 'channel = "${CHANNEL:-1}"'),
        ("max_volts = 3.6", 'max_volts = "${VOLTS}"'),
        ('role = "primary"', 'role = "${ROLE}"'),
        ('"C0:FF:EE:00:00:01"', '"${ADDRESS}"'),
        ("auto_unlock = false", 'auto_unlock = "${UNLOCK:-false}"'),
        ("schema = 1\n", ""),  # it may come from an include
    ],
)
def test_what_hil_takes_is_not_marked(old: str, new: str) -> None:
    assert old in VIRTUAL
    assert mistakes(VIRTUAL.replace(old, new, 1)) == []


def test_a_calibration_with_dates_is_not_marked() -> None:
    text = VIRTUAL.replace("[central]", "[supply.calibration]\ndate = 2026-03-01\n\n[central]", 1)
    assert mistakes(text) == []


def test_each_key_has_help() -> None:
    schema = editor_schema.schema()
    for table in [schema, *schema["definitions"].values()]:
        for name, key in table.get("properties", {}).items():
            assert key.get("description"), name
