"""Starts one kit from given flash content, again and again, as fast as can be: what a power-fail sweep runs
on.

Each start begins at the same state, the moment a power-on reset is released, with the same noise in RAM; only
the flash differs. So the same content does the same, to the bit, which is what lets states be told apart and
merged. There is no host: what a start does is up to the firmware and its flash alone.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from hil.errors import BenchError
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND, Kernel
from hil.virtual.kit import Kit
from hil.virtual.power.rail import Rail
from hil.virtual.power.source import Profile
from hil.virtual.remembered import Pure, Remembered
from hil.virtual.soc.memory import FLASH_PAGE, FLASH_SIZE, UICR_BASE
from hil.virtual.soc.peripheral import ResetCause

_POWER_UP = 10 * TICKS_PER_MS
TIMEOUT_S = 600.0
"""Of the kit's time: a start that writes for longer than this does so for ever."""
QUIET_S = 10.0
"""A start that has not written for so long, and starts no program, stays where it is: its watchdog bites
after 4 s.
"""


class Operation(NamedTuple):
    """A flash operation about to begin."""

    kind: str
    """"write" for a word, "erase page" and so on."""
    address: int
    asked: int
    """The word to be written: cells asked to be 1 keep what they hold. 0 for an erase."""
    pc: int
    """Of the instruction that begins it."""
    seconds: float
    """Of the kit's time since its reset."""


@dataclass(frozen=True)
class Settled:
    """How a start ended.

    `kind`: "starts" a program at `pc`; "sleeps" or "spins" without having written for a while; "lockup";
    "hung"; "timeout" (it writes for ever); "stopped", because the caller asked for it.
    """

    kind: str
    pc: int
    seconds: float
    resets: int
    """How often the kit reset itself on the way."""


class ColdBoot:
    """One kit at `volts`, restarted from flash content by `boot`.

    `base` is the whole flash as the scenario begins with it, `uicr` the page of the UICR (erased unless
    given). `fixed` are the numbers of the pages that are the bootloader's own: what is read of all others is
    noted, and the execution of any of them ends a start. `pure` are functions by address of which a call is
    executed once for each input (`remembered`). `console` is given what the kit prints.
    """

    def __init__(
        self,
        base: bytes,
        fixed: frozenset[int],
        *,
        revision: str = "Rev2",
        without_anomalies: frozenset[int] = frozenset(),
        volts: float = 3.0,
        pure: Mapping[int, Pure] | None = None,
        console: Callable[[bytes], None] | None = None,
        uicr: bytes | None = None,
    ) -> None:
        if len(base) != FLASH_SIZE:
            raise ValueError(f"flash of {len(base)} bytes, expected {FLASH_SIZE}")
        self._kernel = kernel = Kernel(0)
        self._kit = Kit(
            kernel,
            rail=Rail(kernel, source=Profile(volts)),
            revision=revision,
            without_anomalies=without_anomalies,
        )
        if console is not None:
            self._kit.console.far_end = _Printed(console)
        self._soc = soc = self._kit.soc
        self._memory = soc.memory
        self._memory.write(0, base)
        if uicr is not None:
            self._memory.write(UICR_BASE, uicr)
        kernel.advance(kernel.now + _POWER_UP, lambda: soc.powered)
        if not soc.powered:
            raise BenchError(f"the kit does not start at {volts} V")
        self.fixed = fixed
        self.starts = 0
        self.instructions = 0
        self._resets = 0
        soc.on_reset.append(self._was_reset)
        soc.cpu.watch_reads(sum(1 << page for page in range(FLASH_SIZE // FLASH_PAGE) if page not in fixed))
        self.remembered: Remembered | None = None
        if pure:
            self.remembered = Remembered(kernel, soc.cpu, soc.memory, pure, soc.cpu.note_reads)
            self.remembered.begin()
        self._state = self._save()
        self._began = kernel.now
        if console is None:
            self._skip_what_is_always_the_same()

    def ram_and_registers(self) -> bytes:
        """A digest of both; inside `on_operation`, as they are in front of the operation."""
        return hashlib.blake2b(self._memory.ram, digest_size=16).digest() + self._soc.cpu.register_bytes()

    def boot(
        self,
        pages: Mapping[int, bytes],
        on_operation: Callable[[Operation], bool],
        on_first_read: Callable[[int], None],
    ) -> Settled:
        """Start with `pages` (by number) in place of those of `base`; run until it is settled.

        `on_operation` is called in front of each operation and ends the start by returning True;
        `on_first_read` at the first read of each page that is not fixed. Raises ValueError for content of a
        page that is.
        """
        changed = self.fixed.intersection(pages)
        if changed:
            raise ValueError(f"page {min(changed)} was said to be fixed")
        self._restore(self._state)
        for page, data in pages.items():
            self._memory.write(page * FLASH_PAGE, data)
        if self.remembered is not None:
            self.remembered.forget_interrupted()
        self.starts += 1
        self._resets = 0
        kernel, cpu = self._kernel, self._soc.cpu
        nvm = cpu.nvm
        before = cpu.instructions
        last = kernel.now
        stopped = False

        def reached(duration: int) -> None:
            nonlocal stopped, last
            nvm.stop_at(nvm.operations + 1)
            last = kernel.now
            seconds = (last - self._began) / TICKS_PER_SECOND
            if on_operation(Operation(*nvm.upcoming, cpu.program_counter, seconds)):
                stopped = True
                nvm.stop_at(None)
                kernel.end_slice()

        cpu.on_first_read = on_first_read
        self._soc.nvm_operations.hook = reached
        nvm.stop_at(nvm.operations)
        limit = self._began + round(TIMEOUT_S * TICKS_PER_SECOND)
        quiet = round(QUIET_S * TICKS_PER_SECOND)
        kind = ""
        try:
            while not kind:
                kernel.advance(min(limit, last + quiet), lambda: stopped or cpu.hung or cpu.lockup)
                if stopped:
                    kind = "stopped"
                elif cpu.reached:
                    kind = "starts"
                elif cpu.hung or cpu.lockup:
                    kind = "hung" if cpu.hung else "lockup"
                elif kernel.now >= limit:
                    kind = "timeout"
                elif kernel.now >= last + quiet:
                    kind = "sleeps" if cpu.sleeping else "spins"
        finally:
            nvm.stop_at(None)
            self._soc.nvm_operations.hook = None
            self.instructions += cpu.instructions - before
        return Settled(kind, cpu.program_counter, (kernel.now - self._began) / TICKS_PER_SECOND, self._resets)

    def _save(self) -> tuple[object, object]:
        return self._kernel.save(), self._kit.save()

    def _restore(self, state: tuple[object, object]) -> None:
        kernel, kit = state
        self._kit.restore(kit)
        self._kernel.restore(kernel)

    def _was_reset(self, cause: ResetCause) -> None:
        self._resets += 1
        if self.remembered is not None:
            self.remembered.reset()

    def _skip_what_is_always_the_same(self) -> None:
        """Until the first look at a page that can change every start is the same: it is run once."""
        kernel, cpu = self._kernel, self._soc.cpu
        first: list[int] = []

        def read(page: int) -> None:
            first.append(kernel.now)
            kernel.end_slice()

        cpu.on_first_read = read
        kernel.advance(self._began + TICKS_PER_SECOND, lambda: bool(first) or cpu.hung or cpu.lockup)
        self._restore(self._state)
        if first:
            kernel.advance(first[0])
            self._state = self._save()


class _Printed:
    """The far end of a console that only listens."""

    def __init__(self, told: Callable[[bytes], None]) -> None:
        self.receive = told
