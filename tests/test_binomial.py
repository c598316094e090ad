"""Bounds of a failure rate, against published values."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hil.binomial import upper_bound
from hil.errors import InputError


@pytest.mark.parametrize(
    ("failures", "trials", "bound"),
    [
        (0, 10, 0.3),  # the rule of three
        (0, 100, 0.03),
        (0, 1, 1.0),
        # One-sided 95 % limits of Clopper and Pearson, as beta quantiles: B(0.95; x + 1, n - x).
        (1, 10, 0.394163),
        (2, 10, 0.506901),
        (5, 10, 0.777559),
        (1, 50, 0.091398),
        (10, 100, 0.163724),
        (10, 10, 1.0),
    ],
)
def test_published_values(failures: int, trials: int, bound: float) -> None:
    assert upper_bound(failures, trials) == pytest.approx(bound, abs=5e-5)


@given(st.integers(1, 400), st.data())
def test_more_trials_say_more_and_more_failures_less(trials: int, data: st.DataObject) -> None:
    failures = data.draw(st.integers(0, trials))
    bound = upper_bound(failures, trials)
    assert failures / trials <= bound <= 1.0
    assert upper_bound(failures, trials + 1) <= bound + 1e-9
    if 0 < failures < trials:  # the rule of three lies above the exact bound
        assert upper_bound(failures + 1, trials) >= bound


@pytest.mark.parametrize(("failures", "trials"), [(-1, 3), (4, 3), (0, 0)])
def test_nonsense_is_refused(failures: int, trials: int) -> None:
    with pytest.raises(InputError):
        upper_bound(failures, trials)
