"""Notes of a running case."""

from __future__ import annotations

import pytest

from hil.errors import InputError
from hil.run.recorder import Progress, Recorder, case_seed, current, recording


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_a_stage_has_its_place_in_bench_time() -> None:
    clock = Clock()
    recorder = Recorder("A-1", 1, clock=clock)
    clock.now = 2.0
    with recorder.stage("upload"):
        clock.now = 5.0
        with recorder.stage("erase"):
            clock.now = 6.0
    assert recorder.stages == [
        {"name": "upload", "start": 2.0, "seconds": 4.0, "held": True},
        {"name": "upload/erase", "start": 5.0, "seconds": 1.0, "held": True},
    ]


def test_a_stage_that_raises_did_not_hold() -> None:
    recorder = Recorder("A-1", 1)
    with pytest.raises(ValueError, match="x"), recorder.stage("upload"):
        raise ValueError("x")
    assert recorder.stages[0]["held"] is False


def test_progress_tells_fraction_and_rate_by_the_benchs_clock() -> None:
    clock, told = Clock(), list[Progress]()
    recorder = Recorder("A-1", 1, told.append, clock)
    with recorder.stage("upload"):
        recorder.progress(1000, 5000)
        clock.now = 2.0
        recorder.progress(5000, 5000)
    assert told[-1] == Progress("A-1", "upload", 1.0, 2000.0)


def test_seeds_depend_on_run_and_case_alone() -> None:
    seeds = {case_seed(run, name) for run in (1, 2) for name in ("A-1", "A-2")}
    assert len(seeds) == 4
    assert case_seed(1, "A-1") == case_seed(1, "A-1")
    assert all(0 <= seed < 2**48 for seed in seeds)


def test_the_current_recorder_ends_with_its_case() -> None:
    recorder = Recorder("A-1", 1)
    with recording(recorder):
        assert current() is recorder
    assert current() is not recorder


@pytest.mark.parametrize("name", ["", "a/b", "a\nb"])
def test_a_stage_needs_a_plain_name(name: str) -> None:
    with pytest.raises(InputError, match="short name"), Recorder("A-1", 1).stage(name):
        pass
