"""What a number of trials says about a rate of failure that is not known."""

from __future__ import annotations

import math

from hil.errors import InputError

MOST_TRIALS = 1_000_000


def upper_bound(failures: int, trials: int, confidence: float = 0.95) -> float:
    """The rate of failure that, at this confidence, is not exceeded: 0 to 1.

    Where none failed it is the rule of three, 3/N for 95 % (Hanley and Lippman-Hand, JAMA 249 (1983), 1743), which
    is never below the exact bound; otherwise the exact one of Clopper and Pearson (Biometrika 26 (1934), 404),
    one-sided: the rate at which so few failures would come in 1 - `confidence` of all such series. Raises InputError
    for numbers that make no sense.
    """
    if not 0 <= failures <= trials or not 0 < trials <= MOST_TRIALS:
        raise InputError(f"{failures} failures in {trials} trials: expected 0 to N of 1 to {MOST_TRIALS}")
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence:g}: expected more than 0 and less than 1")
    if failures == trials:
        return 1.0
    if failures == 0:
        # -ln(0.05) is 2.996; rounded up to the 3 that everybody knows.
        return min(1.0, math.ceil(-math.log(1.0 - confidence) * 100) / 100 / trials)
    low, high = failures / trials, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        if _at_most(failures, trials, middle) > 1.0 - confidence:
            low = middle
        else:
            high = middle
    return high


def _at_most(failures: int, trials: int, rate: float) -> float:
    """How likely no more than so many of the trials fail at this rate."""
    log_rate, log_rest = math.log(rate), math.log1p(-rate)
    return math.fsum(
        math.exp(
            math.lgamma(trials + 1)
            - math.lgamma(k + 1)
            - math.lgamma(trials - k + 1)
            + k * log_rate
            + (trials - k) * log_rest
        )
        for k in range(failures + 1)
    )
