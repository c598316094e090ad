"""Virtual time follows wall time and never runs ahead of it."""

from __future__ import annotations

import logging
import selectors
import threading

import pytest

from hil.serve.loop import PacedLoop, Stopped
from hil.serve.pacing import LAG_LIMIT_S, Pacer
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Kernel
from tests.serve.conftest import PATIENCE_S


class Wall:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


def test_as_much_is_due_as_wall_time_has_passed() -> None:
    wall = Wall()
    pacer = Pacer(5000, wall)
    assert pacer.due(5000) == 5000
    wall.seconds += 0.125
    assert pacer.due(5000) == 5000 + TICKS_PER_SECOND // 8
    assert pacer.seconds_until(5000 + TICKS_PER_SECOND // 4) == pytest.approx(0.125)


def test_a_short_lag_is_caught_up_with() -> None:
    wall = Wall()
    pacer = Pacer(0, wall)
    wall.seconds += LAG_LIMIT_S * 0.9
    assert pacer.due(0) == pytest.approx(LAG_LIMIT_S * 0.9 * TICKS_PER_SECOND)
    assert pacer.slips == 0


def test_a_long_lag_is_given_up_counted_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    wall = Wall()
    pacer = Pacer(0, wall)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            wall.seconds += 2.0
            assert pacer.due(0) == 0, "what is lost must not be made up for by running fast"
    assert pacer.slips == 3
    assert pacer.lost_seconds == pytest.approx(6.0)
    assert len(caplog.records) == 1
    assert "too slow" in caplog.text
    wall.seconds += 0.1
    assert pacer.due(0) == pytest.approx(0.1 * TICKS_PER_SECOND)
    assert "3 slips, 6.000 s lost" in pacer.summary(0)


def test_time_is_never_ahead_and_events_come_in_their_order() -> None:
    kernel = Kernel()
    loop = PacedLoop(kernel)
    seen: list[tuple[int, int]] = []

    def happen(number: int) -> None:
        seen.append((number, kernel.now))
        if number == 5:
            loop.stop()

    for number in range(6):
        kernel.at(number * 3 * TICKS_PER_MS, happen, number)
    ahead: list[int] = []
    loop.after_slice(lambda: ahead.append(kernel.now - loop.pacer.due(kernel.now)))
    loop.run()
    loop.close()
    assert seen == [(number, number * 3 * TICKS_PER_MS) for number in range(6)]
    assert max(ahead) <= 0


def test_a_bench_on_which_nothing_happens_keeps_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A blank chip, or one in System OFF: there is no next event that would end the loop's sleep."""
    kernel, wall = Kernel(), Wall()
    loop = PacedLoop(kernel)
    loop.pacer = pacer = Pacer(0, wall)
    end = wall.seconds + 5.0

    def select(timeout: float) -> list[tuple[selectors.SelectorKey, int]]:
        wall.seconds += timeout
        if wall.seconds > end:
            loop.stop()
        return []

    monkeypatch.setattr(loop._selector, "select", select)
    loop.run()
    loop.close()
    assert pacer.slips == 0
    assert kernel.now > (5.0 - LAG_LIMIT_S) * TICKS_PER_SECOND


def test_work_of_other_threads_is_done_in_the_owners() -> None:
    kernel = Kernel()
    loop = PacedLoop(kernel)
    owner = threading.Thread(target=loop.run, daemon=True)
    owner.start()
    assert loop.call(threading.current_thread) is owner
    with pytest.raises(ZeroDivisionError):
        loop.call(lambda: 1 // 0)
    loop.stop()
    owner.join(PATIENCE_S)
    loop.refuse()
    with pytest.raises(Stopped):
        loop.call(threading.current_thread)
    loop.close()


def test_work_that_takes_bench_time_lets_everything_else_go_on() -> None:
    kernel = Kernel()
    loop = PacedLoop(kernel)
    during: list[int] = []
    kernel.at(2 * TICKS_PER_MS, lambda: during.append(kernel.now))
    slices: list[bool] = []
    busy = False

    def work() -> int:
        nonlocal busy
        busy = True
        loop.advance(kernel.now + 10 * TICKS_PER_MS)
        busy = False
        return kernel.now

    loop.after_slice(lambda: slices.append(busy))
    owner = threading.Thread(target=loop.run, daemon=True)
    owner.start()
    assert loop.call(work) >= 10 * TICKS_PER_MS
    loop.stop()
    owner.join(PATIENCE_S)
    loop.close()
    assert during == [2 * TICKS_PER_MS]
    assert any(slices), "no endpoint was served meanwhile"


def test_work_that_waits_is_broken_off_at_the_end() -> None:
    kernel = Kernel()
    loop = PacedLoop(kernel)
    owner = threading.Thread(target=loop.run, daemon=True)
    owner.start()
    threading.Timer(0.05, loop.stop).start()
    with pytest.raises(Stopped):
        loop.call(lambda: loop.advance(kernel.now + 3600 * TICKS_PER_SECOND))
    owner.join(PATIENCE_S)
    loop.close()
