"""Says where firmware goes round and round: what a person would find with a debugger when an image seems to hang.

Firmware that waits for an event that never comes makes no fault and no access to anything unmodelled; from the outside
it is just silent. So the program counter is sampled: when it has stayed within a few instructions for seconds, without
a sleep or an operation on flash, that is told once for each place, with the registers. It may be all right: some
programs idle that way.

A watchdog reset is told with the place that was seen last, which is where the firmware was stuck.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND
from hil.virtual.soc.nrf52840 import ResetCause, Soc

SAMPLE = 20 * TICKS_PER_MS
"""The least time of the kit's between two samples. They are as far apart as the polls, else."""
SAMPLES = 20
LOOP_BYTES = 256
"""Code within which one still goes round in one place."""
PLACES = 16
"""Places that are told; after so many nobody reads on."""


@dataclass(frozen=True)
class StuckReport:
    """A place that the firmware does not leave."""

    low: int
    """The lowest address seen."""
    high: int
    """The highest address seen."""
    seconds: float
    """How long it has been there, in the kit's time."""
    registers: dict[str, int]

    def lines(self) -> list[str]:
        """The report for a log."""
        items = [f"{name:>4} 0x{value:08x}" for name, value in self.registers.items()]
        return [
            f"the firmware has been going round between 0x{self.low:08x} and 0x{self.high:08x} for "
            f"{self.seconds:.1f} s, without sleeping: it waits for something, or idles that way",
            *("  " + "  ".join(items[at : at + 6]) for at in range(0, len(items), 6)),
        ]


class StuckWatch:
    """Watches one chip; call `poll` between slices of the kernel, some times a second.

    `stuck` gets each place once. `bitten` gets the address seen last before each watchdog reset, None when there is
    none; it is called inside the kernel.
    """

    def __init__(
        self, soc: Soc, stuck: Callable[[StuckReport], None], bitten: Callable[[int | None], None]
    ) -> None:
        self._soc = soc
        self._stuck = stuck
        self._bitten = bitten
        self._samples: list[int] = []
        self._times: list[int] = []
        self._last = soc.kernel.now
        self._told: set[int] = set()
        soc.on_reset.append(self._was_reset)

    def poll(self) -> None:
        """Take a sample when it is time for one."""
        cpu = self._soc.cpu
        if not self._soc.powered or cpu.halted or cpu.sleeping or cpu.lockup or cpu.held_in_reset:
            self._forget()
            return
        if self._soc.nvmc.operation is not None:
            # A boot loader that swaps images stands at its wait for READY for most of some seconds.
            self._forget()
            return
        if self._soc.kernel.now - self._last < SAMPLE:
            return
        self._last = self._soc.kernel.now
        self._samples.append(cpu.program_counter)
        self._times.append(self._last)
        if len(self._samples) < SAMPLES:
            return
        low, high = min(self._samples), max(self._samples)
        seconds = (self._times[-1] - self._times[0]) / TICKS_PER_SECOND
        del self._samples[0], self._times[0]
        if high - low > LOOP_BYTES or len(self._told) >= PLACES:
            return
        if any(abs(low - place) <= LOOP_BYTES for place in self._told):
            return
        self._told.add(low)
        names = [*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr"]
        registers = {name: cpu.read_register(number) for number, name in enumerate(names)}
        self._stuck(StuckReport(low, high, seconds, registers))

    def _was_reset(self, cause: ResetCause) -> None:
        seen = self._samples[-1] if self._samples else None
        self._forget()
        if cause is ResetCause.WATCHDOG:
            self._bitten(seen)

    def _forget(self) -> None:
        self._samples.clear()
        self._times.clear()
