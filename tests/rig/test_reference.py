"""The keys of rig files as they are documented."""

from __future__ import annotations

from hil import bundled
from hil.rig import editor_schema, reference
from hil.rig.schema import RigFile


def test_the_readme_of_the_rigs_is_in_step_with_the_schema() -> None:
    text = (bundled.rigs() / "README.md").read_text(encoding="utf-8")
    marker = "<!-- From here on: the output of `hil rigs keys`. -->\n\n"
    assert text.split(marker)[1] == reference.markdown(), "run `hil rigs keys` and put its output there"


def test_the_json_schema_for_editors_is_in_step_with_the_models() -> None:
    kept = (bundled.rigs() / "rig.schema.json").read_text(encoding="utf-8")
    assert kept == editor_schema.text(), "run `hil rigs schema > rigs/rig.schema.json`"


def test_every_key_has_a_value_and_a_description() -> None:
    rows = [row.split(" | ") for row in reference.markdown().splitlines() if row.startswith("| `")]
    assert len(rows) > len(RigFile.model_fields)
    for key, value, _, about in rows:
        assert value.strip() and about.strip(" |"), key


def test_a_table_used_twice_is_described_once() -> None:
    text = reference.markdown()
    assert text.count("| `start` |") == 2  # of a region, and of a slot
    assert "### `[device.settings]`" in text
