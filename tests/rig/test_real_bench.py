"""The clock and the loop of a bench of instruments that exist."""

from __future__ import annotations

import asyncio

from hil.rig.real import RealBench


def test_what_waits_in_the_loop_goes_on_while_the_bench_sleeps() -> None:
    bench = RealBench()
    bench.begin(0)
    steps: list[int] = []

    async def work() -> None:
        for step in range(3):
            steps.append(step)
            await asyncio.sleep(0)

    async def begin() -> asyncio.Task[None]:
        return asyncio.get_running_loop().create_task(work())

    task = bench.run(begin())
    before = bench.seconds()
    bench.sleep(0.05)
    assert steps == [0, 1, 2]
    assert task.done()
    assert bench.seconds() - before >= 0.05
    bench.end()
