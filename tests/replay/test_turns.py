"""What comes while the host is at work is given to a replay in the turn of the loop in which it had come."""

from __future__ import annotations

import asyncio
import gzip
import os
from pathlib import Path
from typing import Any

import pytest

from hil.replay.log import NAME
from hil.rig.real import RealBench
from hil.rig.recorded import RecordedBench
from hil.rig.replayed import ReplayBench

BUSY_TURNS = 4


class Echo:
    """A transport that gives back at once what it is sent, by way of the loop's selector."""

    def __init__(self) -> None:
        self.source = self.sink = self
        self._read, self._write = os.pipe()
        self._host: Any = None
        asyncio.get_running_loop().add_reader(
            self._read, lambda: self._host.on_packet(os.read(self._read, 100))
        )

    def set_packet_sink(self, host: Any) -> None:
        self._host = host

    def on_packet(self, packet: bytes) -> None:
        os.write(self._write, packet)

    async def close(self) -> None:
        asyncio.get_running_loop().remove_reader(self._read)
        os.close(self._read)
        os.close(self._write)


class Host:
    """Is busy for a few turns after it has sent something, then says what it has got by then, and sleeps."""

    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.on_packet = self.got.append

    async def send_and_work(self, transport: Any) -> None:
        transport.sink.on_packet(b"\x01ask")
        for _ in range(BUSY_TURNS):
            await asyncio.sleep(0)

    def say(self, bench: Any, transport: Any) -> None:
        bench.run(self._say(transport, b"\x02" + b"".join(self.got)))
        bench.sleep(0.01)
        # What is sent by a callback while the bench sleeps is sent in a replay's sleep, too.
        bench.run(self._say(transport, b"\x03" + bytes([len(self.got)])))

    async def _say(self, transport: Any, data: bytes) -> None:
        transport.sink.on_packet(data)


def case(bench: Any, folder: Path) -> None:
    bench.begin(7, folder)
    host = Host()

    async def opened() -> Any:
        return Echo()

    async def opens() -> Any:
        transport = await bench.wires.hci("central", opened)
        transport.source.set_packet_sink(host)
        return transport

    transport = bench.run(opens())
    bench.run(host.send_and_work(transport))
    host.say(bench, transport)
    bench.run(transport.close())
    bench.end()


@pytest.mark.skipif(os.name == "nt", reason="the loop of Windows has no selector")
def test_what_came_during_work_comes_during_work(tmp_path: Path) -> None:
    recorded = tmp_path / "run" / "cases" / "A"
    recorded.mkdir(parents=True)
    case(RecordedBench(RealBench(), "real"), recorded)
    assert b'"b":' in gzip.decompress((recorded / NAME).read_bytes())

    replayed = tmp_path / "replayed" / "A"
    replayed.mkdir(parents=True)
    case(ReplayBench(tmp_path / "run"), replayed)
    assert '"replay": "identical"' in (replayed / "replay.json").read_text()
