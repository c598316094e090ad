"""What Ctrl-C ended, and what ended by itself."""

from __future__ import annotations

import pytest

from hil.run.interrupt import from_outside, hides_an_interrupt


class StopsByItself(KeyboardInterrupt):
    """As pytest and pytest-xdist raise it."""


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (KeyboardInterrupt(), True),
        (pytest.exit.Exception("enough"), True),
        (StopsByItself("stopping after 1 failures"), False),
        (StopsByItself("<WorkerController gw0> received keyboard-interrupt"), True),
    ],
)
def test_an_interrupt_from_outside_is_told_from_pytests_own(error: BaseException, expected: bool) -> None:
    with pytest.raises(type(error)) as caught:
        raise error
    assert from_outside(caught) is expected


def test_an_interrupt_that_cleaning_up_replaced_is_found() -> None:
    with pytest.raises(RuntimeError) as caught:
        try:
            raise KeyboardInterrupt
        finally:
            raise RuntimeError("cannot release un-acquired lock")
    assert hides_an_interrupt(caught.value)


def test_an_error_of_its_own_hides_nothing() -> None:
    with pytest.raises(RuntimeError) as caught:
        try:
            raise KeyError
        except KeyError as error:
            raise RuntimeError from error
    assert not hides_an_interrupt(caught.value)
