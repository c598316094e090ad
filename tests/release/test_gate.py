"""The release gate: what passes, what does not and why, and that nothing passes by being unreadable."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.catalogue import requirements
from hil.errors import InputError
from hil.history.statistics import change
from hil.history.trends import Trend
from hil.release import gate_output, policy
from hil.release.gate import Finding, Verdict, judge
from hil.report.run_folder import RunRecord
from tests.release.runs import figure, result, run_folder

NOW = datetime(2026, 11, 25, 12, tzinfo=UTC)
CATALOGUE = requirements.load()
POLICY: dict[str, Any] = {"schema": 1, "name": "mine", "require": [{"cases": ["A-*"]}]}


def _policy(**more: Any) -> policy.Policy:
    return policy.Policy.model_validate(POLICY | more)


def _judged(
    folder: Path,
    results: list[dict[str, Any]],
    asked: policy.Policy,
    trends: list[Trend] | None = None,
    **run: Any,
) -> Verdict:
    record = RunRecord.load(run_folder(folder, "run", results, **run))
    return judge(record, asked, CATALOGUE, NOW, trends)


def _reasons(verdict: Verdict) -> list[tuple[str, str]]:
    return [(finding.rule, finding.subject) for finding in verdict.reasons]


def test_a_run_that_shows_all_passes(tmp_path: Path) -> None:
    assert _judged(tmp_path, [result("A-1"), result("A-2[x]")], _policy()).passed


@pytest.mark.parametrize(
    ("results", "run", "more", "reason"),
    [
        ([], {}, {}, ("case", "A-*")),
        ([result("B-1")], {}, {}, ("case", "A-*")),
        ([result("A-1", "failed")], {}, {}, ("device", "A-1")),
        ([result("A-1"), result("B-1", "failed")], {}, {}, ("device", "B-1")),
        ([result("A-1"), result("A-2", "error")], {}, {}, ("bench", "run")),
        ([result("A-1"), result("A-2", "skipped")], {}, {}, ("skip", "A-2")),
        ([result("A-1")], {"state": "running"}, {}, ("run", "run")),
        ([result("A-1")], {"state": "interrupted"}, {}, ("run", "run")),
        (
            [result("A-1")],
            {"settings": {"defect": "version"}},
            {},
            ("firmware", "run"),
        ),
        ([result("A-1")], {}, {"max_age_hours": 1.0}, ("age", "run")),
        ([result("A-1")], {"started": "2026-11-26T06:00:00+00:00"}, {"max_age_hours": 99.0}, ("age", "run")),
        (
            [result("A-1")],
            {},
            {"require": [{"cases": ["A-1"], "bench": "real"}]},
            ("case", "A-1"),
        ),
        (
            [result("A-1")],
            {},
            {"require": [{"requirements": ["CRA-I.2.c"], "bench": "real"}]},
            ("requirement", "CRA-I.2.c"),
        ),
        (
            [result("A-1")],
            {},
            {"require": [{"requirements": ["BRIEF-battery"]}]},
            ("requirement", "BRIEF-battery"),
        ),
        (
            [result("A-1", figures=[figure("t", 9.0)])],
            {},
            {"figure": [{"cases": ["A-1"], "name": "t", "maximum": 8.0}]},
            ("figure", "A-1: t"),
        ),
        (
            [result("A-1", figures=[figure("t", 7.0, "ms")])],
            {},
            {"figure": [{"cases": ["A-1"], "name": "t", "unit": "s", "maximum": 8.0}]},
            ("figure", "A-1: t"),
        ),
        (
            [result("A-1")],
            {},
            {"figure": [{"cases": ["A-1"], "name": "t", "minimum": 1.0}]},
            ("figure", "A-1: t"),
        ),
        ([result("A-1")], {}, {"sweep": [{"scenario": "swap"}]}, ("sweep", "swap")),
        (
            [result("A-1", sweep=[{"scenario": "swap", "phase": "during", "held": False, "operation": 3}])],
            {},
            {"sweep": [{"scenario": "swap"}]},
            ("sweep", "swap"),
        ),
        (
            [result("A-1", sweep=[{"scenario": "swap", "phase": "during", "held": True, "operation": 3}])],
            {},
            {"sweep": [{"scenario": "swap", "phases": ["before"]}]},
            ("sweep", "swap"),
        ),
        ([result("A-1")], {}, {"controls": ["A-1"]}, ("control", "A-1")),
        (
            [result("A-1")],
            {"controls": [{"case": "A-1", "defect": "x", "outcome": "passed", "held": False}]},
            {"controls": ["A-1"]},
            ("control", "A-1"),
        ),
        ([result("A-1")], {"unmodelled": {"RADIO": 3}}, {"allow_unmodelled": False}, ("unmodelled", "run")),
        (
            [result("A-1", figures=[figure("taken against the brief's strict rule", 1, "")])],
            {},
            {},
            ("version policy", "A-1"),
        ),
    ],
)
def test_what_does_not_hold_is_a_reason(
    tmp_path: Path, results: list[Any], run: dict[str, Any], more: dict[str, Any], reason: tuple[str, str]
) -> None:
    verdict = _judged(tmp_path, results, _policy(**more), **run)
    assert reason in _reasons(verdict)
    assert not verdict.passed


def test_bench_faults_are_counted_apart_and_may_be_allowed(tmp_path: Path) -> None:
    asked = _policy(require=[{"cases": ["A-1"]}], max_bench_faults=1)
    assert _judged(tmp_path, [result("A-1"), result("B-1", "error")], asked).passed


def test_an_allowed_skip_expires(tmp_path: Path) -> None:
    results = [result("A-1"), result("A-2", "skipped")]
    allowed = {"cases": ["A-2"], "reason": "no probe on this bench"}
    fresh = policy.AllowSkip.model_validate(allowed | {"until": NOW.date()})
    assert _judged(tmp_path / "a", results, _policy(allow_skip=[fresh])).passed
    old = policy.AllowSkip.model_validate(allowed | {"until": datetime(2026, 11, 24).date()})
    verdict = _judged(tmp_path / "b", results, _policy(allow_skip=[old]))
    assert ("skip", "A-2") in _reasons(verdict)


def test_a_figure_that_got_worse_is_a_reason_and_one_that_got_better_is_none(tmp_path: Path) -> None:
    for last, passes in ((2.0, True), (2.001, True), (2.5, False), (1.5, True)):
        values = (2.0,) * 6 + (last,)
        trend = Trend("A-1", "duration", "s", values, "run", change(values, "s"))
        verdict = _judged(tmp_path / str(last), [result("A-1")], _policy(), [trend])
        assert verdict.passed == passes, last


def test_without_enough_history_the_policy_decides(tmp_path: Path) -> None:
    asked = _policy(regressions={"needs_history": True})
    assert ("regression", "history") in _reasons(_judged(tmp_path / "a", [result("A-1")], asked))
    assert _judged(tmp_path / "b", [result("A-1")], _policy()).passed


@pytest.mark.parametrize(
    "row",
    [
        result("A-1") | {"outcome": "Passed"},
        result("A-1") | {"outcome": None},
        {key: value for key, value in result("A-1").items() if key != "bench"},
        result("A-1") | {"figures": [{"name": "t", "value": "9"}]},
        result("A-1") | {"figures": [{"name": "t", "value": float("nan")}]},
        result("A-1") | {"evidence_for": "CRA-I.2.c"},
    ],
)
def test_a_row_that_no_run_writes_is_refused(tmp_path: Path, row: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        _judged(tmp_path, [row], _policy())


def test_the_same_case_twice_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is there twice"):
        _judged(tmp_path, [result("A-1", "failed"), result("A-1")], _policy())


@given(
    st.sampled_from(["passed", "failed", "error", "skipped"]).flatmap(
        lambda o: st.lists(st.just(o), max_size=4)
    )
)
def test_nothing_but_passed_cases_ever_passes(outcomes: list[str]) -> None:
    import tempfile

    rows = [result(f"A-{index}", outcome) for index, outcome in enumerate(outcomes)]
    with tempfile.TemporaryDirectory() as folder:
        verdict = _judged(Path(folder), rows, _policy())
    assert verdict.passed == (bool(outcomes) and set(outcomes) == {"passed"})


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('schema = 1\nname = "x"\nrequire = []\n', "require"),
        ('schema = 1\nname = "x"\n', "require"),
        ('schema = 1\nname = "x"\n[[require]]\nbench = "real"\n', "give cases or requirements"),
        ('schema = 1\nname = "x"\nrequier = 1\n[[require]]\ncases = ["A"]\n', 'did you mean "require"'),
        (
            'schema = 1\nname = "x"\n[[require]]\ncases = ["A"]\n[[figure]]\ncases = ["A"]\nname = "t"\n',
            "minimum or",
        ),
    ],
)
def test_a_policy_that_nothing_can_fail_or_that_is_wrong_is_refused(
    tmp_path: Path, text: str, told: str
) -> None:
    path = tmp_path / "p.toml"
    path.write_text(text)
    with pytest.raises(InputError, match=r"p\.toml") as error:
        policy.load(path)
    assert told in str(error.value)


def test_a_requirement_that_is_not_known_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="NONE-1"):
        _judged(tmp_path, [result("A-1")], _policy(require=[{"requirements": ["NONE-1"]}]))


def test_the_bundled_policy_can_be_read() -> None:
    assert policy.load().name == "release"


def test_annotations_escape_what_would_break_out_of_them() -> None:
    evil = "a\n::error::b%0A,c:d"
    verdict = Verdict("p", "run", "virtual", [Finding("case", evil, False, evil)])
    text = gate_output.github(verdict)
    assert text.count("\n") == 2
    assert text.startswith(
        "::error title=case%3A a%0A%3A%3Aerror%3A%3Ab%250A%2Cc%3Ad::a%0A::error::b%250A,c:d"
    )
    ElementTree.fromstring(gate_output.junit(verdict).encode())
    assert json.loads(gate_output.as_json(verdict))["passed"] is False


def test_the_statement_names_images_inputs_and_policy(tmp_path: Path) -> None:
    record = RunRecord.load(run_folder(tmp_path, "run", [result("A-1")]))
    verdict = judge(record, _policy(), CATALOGUE, NOW)
    file = tmp_path / "policy.toml"
    file.write_text("x")
    body = json.loads(gate_output.vsa(verdict, record, file, "2026-11-25T12:00:00Z"))
    assert body["predicateType"] == "https://slsa.dev/verification_summary/v1"
    assert {each["name"] for each in body["subject"]} == {"1.1.0", "firmware app", "firmware boot"}
    assert body["predicate"]["verificationResult"] == "PASSED"
    assert not any("SLSA_BUILD" in level for level in body["predicate"]["verifiedLevels"])
