"""The catalogue holds together: cases cite what there is, and every sentence of the brief is covered or excluded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from hil import bundled
from hil.catalogue import brief as briefs
from hil.catalogue import coverage, page, requirements
from hil.errors import InputError
from hil.run.known import KnownCase, known, stages_of
from hil.toolchain.variants import DEFECTS

CATALOGUE = requirements.load()
BRIEF = briefs.load()


@pytest.fixture(scope="module")
def cases() -> list[KnownCase]:
    return known("nightly")[1]


def test_every_case_cites_requirements_that_there_are(cases: list[KnownCase]) -> None:
    known_ids = CATALOGUE.by_id()
    wrong = [
        (case.info.id, each) for case in cases for each in case.info.evidence_for if each not in known_ids
    ]
    assert wrong == []
    assert [case.info.id for case in cases if not case.info.evidence_for] == []


def test_every_sentence_of_the_brief_is_covered_by_a_case_or_excluded(cases: list[KnownCase]) -> None:
    cited = {each for case in cases for each in case.info.evidence_for}
    bare = [
        (sentence.at, each)
        for sentence in BRIEF.sentences
        for each in sentence.requirements
        if each not in cited
    ]
    assert bare == []


def test_the_brief_cites_requirements_that_there_are() -> None:
    known_ids = CATALOGUE.by_id()
    assert [s.at for s in BRIEF.sentences if not set(s.requirements) <= known_ids.keys()] == []


def test_every_control_names_a_defect_and_an_instance(cases: list[KnownCase]) -> None:
    wrong = [
        (case.info.id, control)
        for case in cases
        for control in case.info.controls
        if control.defect not in DEFECTS or control.instance(case.info.id) not in case.instances
    ]
    assert wrong == []


def test_every_case_has_stages(cases: list[KnownCase]) -> None:
    assert [case.info.id for case in cases if not case.stages] == []


def test_the_page_is_in_step(cases: list[KnownCase]) -> None:
    root = bundled.checkout()
    assert root is not None
    text = (root / "docs" / "coverage.md").read_text(encoding="utf-8")
    assert text == page.markdown(cases, CATALOGUE, BRIEF), "run `hil cases --markdown > docs/coverage.md`"


def test_stages_are_found_in_the_case_and_in_what_it_calls() -> None:
    source = (
        "def helper():\n    with stage('inner'):\n        pass\n"
        "def test_one(dut, x):\n    with stage('first'):\n        helper()\n"
        "    for v in x:\n        with stage(f'to {v}'):\n            pass\n"
        "def test_two(rig):\n    with stage(name):\n        pass\n"
    )
    assert stages_of(source) == {
        "test_one": ("provision", "boot", "first", "inner", "to {v}"),
        "test_two": ("{name}",),
    }


def _edited(tmp_path: Path, name: str, edit: Callable[[str], str]) -> Path:
    text = (bundled.testplans() / name).read_text(encoding="utf-8")
    path = tmp_path / name
    path.write_text(edit(text), encoding="utf-8")
    assert path.read_text() != text
    return path


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ('lines = "1", why', 'lines = "1-2", why', "2 is accounted for twice"),
        ('{ lines = "1", why = "heading" },', "", "line 1 is not accounted for"),
        ("lines = 148", "lines = 147", "line 148 is beyond the end"),
        ('at = "3.2"', 'at = "3.1"', "3.1 is accounted for twice"),
        ('at = "3.2"', 'at = "2.9"', "2.9 stands after 3.1"),
        ('at = "4",', 'at = "four",', "at"),
        ('situational", requirements = ["BRIEF-encryption"] }', 'situational" }', "give either"),
    ],
)
def test_a_mistake_in_the_table_of_the_brief_is_told(tmp_path: Path, old: str, new: str, told: str) -> None:
    path = _edited(tmp_path, briefs.FILE, lambda text: text.replace(old, new, 1))
    with pytest.raises(InputError, match=r"brief\.toml") as error:
        briefs.load(path)
    assert told in str(error.value)


def test_a_requirement_without_a_source_is_told(tmp_path: Path) -> None:
    path = _edited(
        tmp_path, requirements.FILE, lambda text: text.replace("[sources.ISVS]", "[sources.OTHER]")
    )
    with pytest.raises(InputError, match=r"ISVS-3\.4\.3 belongs to no source: add \[sources\.ISVS\]"):
        requirements.load(path)


@pytest.mark.parametrize(
    ("outcomes", "state"),
    [
        ([], "none"),
        (["passed", "skipped"], "held"),
        (["passed", "failed", "error"], "failed"),
        (["passed", "error"], "open"),
        (["skipped"], "open"),
    ],
)
def test_the_state_of_a_requirement(outcomes: list[str], state: str) -> None:
    rows = [
        {
            "id": str(number),
            "case": "A-1",
            "outcome": outcome,
            "evidence_for": ["CRA-I.2.c"],
            "bench": "virtual",
        }
        for number, outcome in enumerate(outcomes)
    ]
    [found] = [each for each in coverage.covered(CATALOGUE, rows) if each.requirement.id == "CRA-I.2.c"]
    assert found.state == state
    assert found.on("real").state == "none"
