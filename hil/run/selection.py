"""Pytest hooks that make a plan's choice among the collected cases."""

from __future__ import annotations

import pytest

from hil.run.cases import info_of
from hil.run.hooks import REPEAT_ARGUMENT, instance_id
from hil.run.plan import Plan


class Selection:
    """Keeps the cases that the plan, and `--hil-case`, name; with the plan's parameters and repeats. `left_out` are
    instances that are not run, since the run that goes on has them already.
    """

    def __init__(
        self, plan: Plan | None, cases: tuple[str, ...], left_out: frozenset[str] = frozenset()
    ) -> None:
        self._plan = plan
        self._cases = cases
        self._left_out = left_out

    @pytest.hookimpl(tryfirst=True)
    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Replace parametrized values by the plan's, and repeat."""
        marker = metafunc.definition.get_closest_marker("hil_case")
        if marker is None or self._plan is None:
            return
        marks = metafunc.definition.own_markers
        for index, mark in enumerate(marks):
            if mark.name == "parametrize" and isinstance(mark.args[0], str):
                values = self._plan.values_for(marker.args[0].id, mark.args[0])
                if values is not None:
                    marks[index] = pytest.mark.parametrize(mark.args[0], values).mark
        if self._plan.repeats > 1:
            metafunc.fixturenames.append(REPEAT_ARGUMENT)
            repeats = range(self._plan.repeats)
            metafunc.parametrize(REPEAT_ARGUMENT, repeats, ids=[f"repeat{each}" for each in repeats])

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, config: pytest.Config, items: list[pytest.Item]) -> None:
        """Leave out what was not asked for."""
        kept = [item for item in items if self._wanted(item)]
        left_out = [item for item in items if item not in kept]
        if left_out:
            config.hook.pytest_deselected(items=left_out)
            items[:] = kept

    def _wanted(self, item: pytest.Item) -> bool:
        info = info_of(item)
        if info is None:
            return False
        if instance_id(item) in self._left_out:
            return False
        if self._cases and info.id not in self._cases and instance_id(item) not in self._cases:
            return False
        return self._plan is None or bool(self._cases) or self._plan.includes(info.id)
