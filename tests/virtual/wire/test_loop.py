"""The event loop on virtual time, against a bare kernel with scheduled hardware events."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import threading
from collections.abc import Iterator

import pytest

from hil.errors import BenchError
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Kernel
from hil.virtual.wire.loop import VirtualEventLoop


@pytest.fixture
def kernel() -> Kernel:
    return Kernel(seed=1)


@pytest.fixture
def loop(kernel: Kernel) -> Iterator[VirtualEventLoop]:
    loop = VirtualEventLoop(kernel)
    yield loop
    loop.close()


class Stranger:
    """A hardware model that raises, or calls back the host."""

    def __init__(self, loop: VirtualEventLoop) -> None:
        self.loop = loop
        self.answered: list[int] = []

    def answer(self, future: asyncio.Future[int]) -> None:
        self.loop.call_soon(self._deliver, future)

    def _deliver(self, future: asyncio.Future[int]) -> None:
        assert not self.loop.kernel.advancing, "host code ran inside the kernel"
        future.set_result(self.loop.kernel.now)

    def fail(self) -> None:
        raise ZeroDivisionError("model")


def test_an_hour_costs_nothing_and_is_exact(kernel: Kernel, loop: VirtualEventLoop) -> None:
    loop.run(asyncio.sleep(3600))
    assert kernel.now == 3600 * TICKS_PER_SECOND


def test_timers_do_not_drift(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def steps() -> None:
        for _ in range(3000):
            await asyncio.sleep(0.001)

    loop.run(asyncio.sleep(7200.000_001))
    start = kernel.now
    loop.run(steps())
    assert kernel.now - start == 3000 * TICKS_PER_MS


@pytest.mark.parametrize("delay", [1e-9, 3.3e-9, 1 / 3, 1.000_000_001])
def test_a_timer_is_never_early_and_at_most_a_tick_late(
    kernel: Kernel, loop: VirtualEventLoop, delay: float
) -> None:
    loop.run(asyncio.sleep(delay))
    exact = delay * TICKS_PER_SECOND
    assert exact - 0.01 <= kernel.now < exact + 1.01


def test_code_that_does_not_wait_takes_no_time(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def busy() -> None:
        for _ in range(100):
            await asyncio.sleep(0)

    kernel.at(1, int)
    loop.run(busy())
    assert kernel.now == 0


def test_hardware_wakes_the_loop_at_its_own_tick(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def wait() -> int:
        future: asyncio.Future[int] = loop.create_future()
        kernel.at(12_345, Stranger(loop).answer, future)
        return await asyncio.wait_for(future, 10)

    assert loop.run(wait()) == 12_345
    assert kernel.now == 12_345


def test_a_timer_set_by_hardware_is_not_overslept(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def wait() -> int:
        future: asyncio.Future[int] = loop.create_future()
        kernel.at(512, loop.call_later, 0.001, Stranger(loop)._deliver, future)
        return await asyncio.wait_for(future, 10)

    assert loop.run(wait()) == 512 + TICKS_PER_MS


def test_waiting_for_nothing_is_a_bench_error(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def forever() -> None:
        await loop.create_future()

    with pytest.raises(BenchError, match="nothing is left to wait for"):
        loop.run(forever())
    loop.run(asyncio.sleep(1))  # and the loop still works


def test_without_a_timer_the_hardware_still_runs(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def wait() -> int:
        future: asyncio.Future[int] = loop.create_future()
        kernel.at(5 * TICKS_PER_SECOND, Stranger(loop).answer, future)
        return await future

    assert loop.run(wait()) == 5 * TICKS_PER_SECOND


def test_a_failing_model_reaches_the_caller_and_the_coroutine_is_unwound(
    kernel: Kernel, loop: VirtualEventLoop
) -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(1)
        finally:
            await asyncio.sleep(0.5)
            cleaned.append("yes")

    kernel.at(99, Stranger(loop).fail)
    with pytest.raises(ZeroDivisionError, match="model"):
        loop.run(work())
    assert cleaned == ["yes"]
    assert not asyncio.all_tasks(loop)


def test_ctrl_c_while_the_hardware_runs(kernel: Kernel, loop: VirtualEventLoop) -> None:
    cleaned: list[str] = []

    async def work() -> None:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError:
            cleaned.append("yes")
            raise

    kernel.at(1000, os.kill, os.getpid(), signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        loop.run(work())
    assert cleaned == ["yes"]
    loop.run(asyncio.sleep(1))


def test_ctrl_c_while_host_code_runs(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def work() -> None:
        os.kill(os.getpid(), signal.SIGINT)
        await asyncio.sleep(0)

    with pytest.raises(KeyboardInterrupt):
        loop.run(work())
    loop.run(asyncio.sleep(1))


def test_another_thread_can_submit(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def wait() -> str:
        future: asyncio.Future[str] = loop.create_future()
        thread = threading.Thread(target=loop.call_soon_threadsafe, args=(future.set_result, "from outside"))
        thread.start()
        thread.join()
        return await asyncio.wait_for(future, 1)

    assert loop.run(wait()) == "from outside"
    assert kernel.now == 0


def test_real_sockets_are_polled(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def talk() -> bytes:
        server = await asyncio.start_server(_echo, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"ping\n")
        line = await reader.readline()
        writer.close()
        server.close()
        return line

    assert loop.run(talk()) == b"ping\n"


async def _echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(await reader.readline())
    await writer.drain()
    writer.close()


def test_a_pending_timer_does_not_starve_a_socket(kernel: Kernel, loop: VirtualEventLoop) -> None:
    async def wait() -> bytes:
        ours, theirs = socket.socketpair()
        with ours, theirs:
            ours.setblocking(False)
            timer = loop.create_task(asyncio.sleep(1))
            loop.call_soon(theirs.send, b"x")
            data = await loop.sock_recv(ours, 1)
            assert not timer.done()
            timer.cancel()
            return data

    assert loop.run(wait()) == b"x"


def test_closing_unwinds_what_is_left(kernel: Kernel) -> None:
    loop = VirtualEventLoop(kernel)
    ended: list[bool] = []

    async def background() -> None:
        try:
            await asyncio.sleep(10)
        finally:
            ended.append(True)

    async def main() -> None:
        loop.create_task(background())
        await asyncio.sleep(0)

    loop.run(main())
    loop.close()
    assert ended == [True]
    assert kernel.now == 0
