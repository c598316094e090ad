"""The pages for people keep up with what they describe."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from hil import bundled

ROOT = Path(__file__).parents[1]
CASE = re.compile(r'@case\(\s*"([^"]+)",\s*"([^"]+)"')
LINK = re.compile(r"\]\((?!https?:)([^)#]+)\)")


def test_every_bundled_case_is_in_the_list_with_its_sentence() -> None:
    page = (bundled.testplans() / "README.md").read_text(encoding="utf-8")
    modules = sorted(bundled.testplans().glob("test_*.py"))
    found = [row for module in modules for row in CASE.findall(module.read_text(encoding="utf-8"))]
    assert len(found) > 10
    assert [f"| {case} | {sentence} |" for case, sentence in found] == re.findall(
        r"^(\| [A-Z]+-\d+ \| .+? \|) `test_", page, re.MULTILINE
    )


@pytest.mark.parametrize("page", sorted(str(path.relative_to(ROOT)) for path in ROOT.glob("*.md")))
def test_links_lead_somewhere(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    missing = [link for link in LINK.findall(text) if not (ROOT / link).exists()]
    assert not missing
