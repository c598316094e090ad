"""Runs a program on the virtual nRF52840's CPU."""

from __future__ import annotations

from hil.virtual.soc.cpu import Watchpoint
from tests.differential.layout import PROGRESS, RESULTS
from tests.differential.machine import Outcome
from tests.virtual.soc.program import Kit

TICKS_PER_MICROSECOND = 512
PATIENCE = 2_000_000  # microseconds of virtual time
QUIET_AFTER = 1_000_000


UNUSED = 0x2003_FFF0


def run(image: bytes, slice_microseconds: float = 50_000.0, *, stepwise: bool = False) -> Outcome:
    """Run `image` until it asks for a reset, in slices of virtual time; the slices must not matter.

    ``stepwise`` sets a watchpoint where no program goes, which has the CPU look at each single instruction; the
    results must be the same.
    """
    kit = Kit(image)
    if stepwise:
        kit.cpu.watchpoints = (Watchpoint(UNUSED, 4, read=True, write=True),)
    ended: list[bool] = []

    def end() -> None:
        ended.append(True)
        kit.cpu.hang()

    kit.cpu.on_system_reset = end
    length = int(slice_microseconds * TICKS_PER_MICROSECOND)
    while not ended and not kit.cpu.lockup and kit.kernel.now < PATIENCE * TICKS_PER_MICROSECOND:
        kit.kernel.advance(kit.kernel.now + length)
        if kit.cpu.sleeping and kit.kernel.now > QUIET_AFTER * TICKS_PER_MICROSECOND:
            break
    results = kit.memory.read(RESULTS, PROGRESS + 8 - RESULTS)
    return Outcome("kit", results, "" if ended else _trouble(kit))


def _trouble(kit: Kit) -> str:
    cpu = kit.cpu
    what = "locked up" if cpu.lockup else "sleeps" if cpu.sleeping else "still runs"
    scb = {name: kit.bus.read(address, 4) for name, address in (("CFSR", 0xE000_ED28), ("HFSR", 0xE000_ED2C))}
    said = ", ".join(f"{name} 0x{value:08x}" for name, value in scb.items())
    return f"{what} at 0x{cpu.program_counter:08x}, exception {cpu.active_exception}, {said}"
