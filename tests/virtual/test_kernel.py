"""The clock: order, determinism, interruption, save and restore."""

from __future__ import annotations

import copy
import os
import signal

import pytest

from hil.virtual.kernel import MAX_SLICE, QUANTUM, Kernel


class Spinner:
    """A CPU that takes 12 ticks an action and calls `action(now)` for each."""

    def __init__(self, kernel: Kernel) -> None:
        self.clock = 0
        self.start = 0
        self.limit = 0
        self.idle = False
        self.inside = False
        self.slices: list[tuple[int, int]] = []
        self.actions: dict[int, object] = {}
        kernel.attach(self)

    @property
    def now(self) -> int:
        return self.start if self.inside else self.clock

    def run(self, until: int) -> None:
        begin = self.clock
        if self.idle:
            self.clock = until
        self.limit = until
        self.inside = True
        while self.clock < self.limit:
            self.start = self.clock
            self.clock += 12
            action = self.actions.pop(self.start, None)
            if callable(action):
                action()
        self.inside = False
        self.slices.append((begin, self.clock))

    def limit_to(self, when: int) -> None:
        self.limit = min(self.limit, when)


def test_events_run_in_order_of_time_then_of_scheduling() -> None:
    kernel, seen = Kernel(), []
    for when, name in [(20, "c"), (10, "a"), (10, "b"), (30, "late")]:
        kernel.at(when, seen.append, name)
    kernel.advance(20)
    assert seen == ["a", "b", "c"]
    assert kernel.now == 20


def test_now_inside_an_event_is_its_own_time() -> None:
    kernel, seen = Kernel(), []
    kernel.at(7, lambda: seen.append(kernel.now))
    kernel.advance(100)
    assert seen == [7]
    assert kernel.now == 100


def test_an_event_may_schedule_another_at_the_same_tick() -> None:
    kernel, seen = Kernel(), []
    kernel.at(5, kernel.after, 0, seen.append, "second")
    kernel.advance(5)
    assert seen == ["second"]


def test_cancelled_events_do_not_run_and_do_not_pile_up() -> None:
    kernel, seen = Kernel(), []
    for _ in range(1000):
        kernel.cancel(kernel.at(1_000_000, seen.append, 1))
    assert len(kernel._queue) < 200
    event = kernel.at(3, seen.append, 2)
    kernel.cancel(event)
    kernel.cancel(event)
    kernel.cancel(None)
    kernel.advance(2_000_000)
    assert seen == []
    assert event.cancelled and not event.pending


def test_the_past_is_refused() -> None:
    kernel = Kernel()
    kernel.advance(10)
    with pytest.raises(ValueError, match="past"):
        kernel.at(9, print)
    with pytest.raises(ValueError, match="past"):
        kernel.after(-1, print)


def test_wake_ends_the_advance_after_the_event_that_caused_it() -> None:
    kernel, ready = Kernel(), []
    kernel.at(10, ready.append, 1)
    kernel.at(11, ready.append, 2)
    kernel.advance(100, wake=lambda: bool(ready))
    assert (kernel.now, ready) == (10, [1])


def test_advance_is_not_reentrant() -> None:
    kernel = Kernel()
    kernel.at(1, kernel.advance, 2)
    with pytest.raises(RuntimeError, match="re-entrant"):
        kernel.advance(5)
    kernel.advance(5)
    assert kernel.now == 5


def test_an_exception_of_an_event_leaves_the_kernel_usable() -> None:
    kernel, seen = Kernel(), []
    kernel.at(1, [].pop)
    kernel.at(2, seen.append, "next")
    with pytest.raises(IndexError):
        kernel.advance(5)
    kernel.advance(5)
    assert seen == ["next"]


def test_streams_depend_on_seed_and_name_alone() -> None:
    one, two = Kernel(3), Kernel(3)
    two.random("other").random()
    assert one.random("a").random() == two.random("a").random()
    assert Kernel(4).random("a").random() != Kernel(3).random("a").random()
    assert Kernel(3).random("b").random() != Kernel(3).random("a").random()


def test_sigint_raises_between_events_not_inside_one() -> None:
    kernel, seen = Kernel(), []

    def strike() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        seen.append("completed")

    kernel.at(1, strike)
    kernel.at(2, seen.append, "after")
    with pytest.raises(KeyboardInterrupt):
        kernel.advance(10)
    assert seen == ["completed"]
    with pytest.raises(KeyboardInterrupt):  # outside, at once
        os.kill(os.getpid(), signal.SIGINT)
    kernel.advance(10)
    assert seen == ["completed", "after"]


def test_a_runner_stops_at_the_head_of_the_queue() -> None:
    kernel, seen = Kernel(), []
    cpu = Spinner(kernel)
    kernel.at(100, lambda: seen.append((kernel.now, cpu.clock)))
    kernel.advance(200)
    assert seen == [(100, 108)]  # the action in progress ends at 108
    assert kernel.now == 200


def test_an_access_that_schedules_something_sooner_ends_the_slice() -> None:
    kernel, seen = Kernel(), []
    cpu = Spinner(kernel)
    cpu.actions[48] = lambda: kernel.after(20, lambda: seen.append((kernel.now, cpu.clock)))
    kernel.advance(10_000)
    assert seen == [(68, 72)]


def test_now_is_exact_inside_a_slice() -> None:
    kernel, seen = Kernel(), []
    cpu = Spinner(kernel)
    cpu.actions[120] = lambda: seen.append(kernel.now)
    kernel.advance(1000)
    assert seen == [120]


def test_end_slice_makes_wake_exact() -> None:
    kernel, ready = Kernel(), []
    cpu = Spinner(kernel)

    def hand_up() -> None:
        ready.append(1)
        kernel.end_slice()

    cpu.actions[240] = hand_up
    kernel.advance(100_000, wake=lambda: bool(ready))
    assert kernel.now == 240


def test_busy_runners_never_drift_apart_by_more_than_a_quantum() -> None:
    kernel, gaps = Kernel(), []
    one, two = Spinner(kernel), Spinner(kernel)
    for tick in range(0, 120_000, 12):
        one.actions[tick] = lambda: gaps.append(abs(one.clock - two.clock))
    kernel.advance(120_000)
    assert max(gaps) <= QUANTUM + 24


def test_an_idle_runner_is_carried_along() -> None:
    kernel = Kernel()
    one, two = Spinner(kernel), Spinner(kernel)
    two.idle = True
    kernel.advance(3 * MAX_SLICE)
    assert one.clock >= 3 * MAX_SLICE
    assert two.clock >= 3 * MAX_SLICE
    assert len(one.slices) == 3  # no quanta while only one is busy


def test_a_restored_kernel_repeats_itself() -> None:
    kernel, seen = Kernel(9), []

    def step(name: str) -> None:
        seen.append((kernel.now, name, kernel.random("x").random()))
        kernel.after(10 + kernel.random("x").randrange(9), step, name)

    kernel.at(3, step, "a")
    handle = kernel.at(70, seen.append, "once")
    kernel.advance(50)
    state = kernel.save()
    seen.clear()
    kernel.random("new").random()
    kernel.cancel(handle)
    kernel.advance(200)
    kernel.restore(state)
    assert handle.pending and not handle.cancelled
    assert kernel.now == 50
    seen.clear()
    kernel.advance(200)
    first = list(seen)
    kernel.restore(state)
    seen.clear()
    kernel.advance(200)
    assert seen == first
    assert "once" in seen
    assert kernel.random("new").random() == Kernel(9).random("new").random()


def test_events_are_shared_by_copies() -> None:
    event = Kernel().at(1, print)
    assert copy.deepcopy({"timer": event})["timer"] is event
    assert copy.copy(event) is event
