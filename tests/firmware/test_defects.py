"""The defects that test builds carry on purpose are all known to the guard that keeps them out of production."""

from __future__ import annotations

import re
from pathlib import Path

from hil.toolchain import DEFECTS

FIRMWARE = Path(__file__).parents[2] / "firmware"
DEFECT = re.compile(r"HIL_DEFECT_([A-Z0-9_]+)")


def test_each_defect_in_the_source_is_guarded_and_described() -> None:
    known = {name.upper() for name in DEFECTS}
    guarded = set(DEFECT.findall((FIRMWARE / "test_build.h").read_text()))
    described = set(DEFECT.findall((FIRMWARE / "README.md").read_text()))
    assert guarded == described == known


def test_each_file_with_a_defect_includes_the_guard() -> None:
    carriers = [path for path in FIRMWARE.rglob("*.c") if DEFECT.search(path.read_text())]
    assert len(carriers) > 5
    assert {defect for path in carriers for defect in DEFECT.findall(path.read_text())} == {
        name.upper() for name in DEFECTS
    }
    for path in carriers:
        assert '#include "test_build.h"' in path.read_text(), path
