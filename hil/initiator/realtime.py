"""A virtual bench in real time while an outside program is at work, with the same endpoints as `hil serve`.

The kit's console is a pseudo-terminal meanwhile, and the central's controller a TCP port; the rig's own console and
adapter have them back afterwards.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from hil.rig.rig import Rig
from hil.serve.hci import HciSocket
from hil.serve.loop import PacedLoop
from hil.serve.terminal import PseudoTerminal
from hil.virtual.kernel import TICKS_PER_SECOND


@dataclass
class RealTime:
    """An open bench: what a program connects to, and time that passes for it."""

    loop: PacedLoop
    console: str
    hci: str

    def pass_time(self, seconds: float) -> None:
        """Let the bench run for so long, at the pace of wall time."""
        self.loop.advance(self.loop.now + round(seconds * TICKS_PER_SECOND))


class _Both:
    """What the kit prints goes to the program, and to the rig's console for its log."""

    def __init__(self, first: Any, second: Any) -> None:
        self._ends = (first, second)

    def receive(self, data: bytes) -> None:
        for end in self._ends:
            if end is not None:
                end.receive(data)


@contextlib.contextmanager
def opened(rig: Rig) -> Iterator[RealTime]:
    """Open the virtual bench of a rig to outside programs."""
    bench = rig.hardware
    rig.release_probe()
    rig.release_central()
    line = bench.kits[0].console
    before = (line.far_end, line.ready, line.flow_control)
    loop = PacedLoop(bench.kernel)
    terminal = PseudoTerminal(loop, line)
    line.far_end = _Both(terminal, before[0])
    served = HciSocket(loop, bench.central)
    try:
        loop.restart_clock()
        yield RealTime(loop, terminal.path, served.transport.removeprefix("tcp-client:"))
    finally:
        served.close()
        terminal.close()
        loop.close()
        line.far_end, line.ready, line.flow_control = before
        bench.kernel.at(bench.kernel.now, bench.central.power, False)
        bench.kernel.at(bench.kernel.now, bench.central.power, True)
