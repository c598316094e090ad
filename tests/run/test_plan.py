"""Plans: what they choose, and what is said about mistakes."""

from __future__ import annotations

from pathlib import Path

import pytest

from hil.errors import InputError
from hil.run import plan as plans
from hil.run.plan import Plan

KNOWN = ["BOOT-01", "XFER-01", "XFER-02"]


def plan_of(tmp_path: Path, text: str) -> Plan:
    path = tmp_path / "night.toml"
    path.write_text('schema = 1\nname = "night"\n' + text, encoding="utf-8")
    return plans.load(str(path))


def chosen(plan: Plan) -> list[str]:
    return [case for case in KNOWN if plan.includes(case)]


def test_the_smoke_plan_is_valid() -> None:
    assert plans.load("smoke").name == "smoke"


def test_ids_and_patterns_choose_and_exclude(tmp_path: Path) -> None:
    assert chosen(plan_of(tmp_path, 'cases = ["XFER-*"]')) == ["XFER-01", "XFER-02"]
    assert chosen(plan_of(tmp_path, 'cases = ["*"]\nexclude = ["XFER-01"]')) == ["BOOT-01", "XFER-02"]
    assert chosen(plan_of(tmp_path, 'cases = ["BOOT-01"]')) == ["BOOT-01"]


@pytest.mark.parametrize("text", ["", "cases = []", 'cases = ["*"]\nexclude = ["*"]'])
def test_a_plan_that_names_no_case_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="plan night: names no case"):
        plan_of(tmp_path, text).check(KNOWN)


def test_a_name_that_matches_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='plan night: cases: "XFER-9" matches no case'):
        plan_of(tmp_path, 'cases = ["BOOT-01", "XFER-9"]').check(KNOWN)


def test_parameters_of_a_case_that_is_not_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match='parameters: "XFER-9" is no case'):
        plan_of(tmp_path, 'cases = ["*"]\n[parameters.XFER-9]\nsize = [1]').check(KNOWN)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('case = ["*"]', 'case: unknown key; did you mean "cases"?'),
        ("repeats = 0", "repeats: expected a number of at least 1, got 0"),
        ("seed = -1", "seed: expected a number of at least 0, got -1"),
        ("cases = [1]", r"cases\[0\]: expected a text, got 1"),
    ],
)
def test_a_mistake_is_one_line(tmp_path: Path, text: str, expected: str) -> None:
    with pytest.raises(InputError, match=expected) as caught:
        plan_of(tmp_path, text)
    assert "\n" not in str(caught.value)
