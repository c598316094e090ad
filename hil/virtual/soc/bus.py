"""The peripheral bus: which register an address means, and what happens where none is modelled.

A peripheral registers its word registers one by one, so that an access costs one dictionary look-up. A
block with a decoder of its own (System Control Space, CoreSight) attaches a range instead; where ranges
overlap the smallest wins. What nobody models is logged once with the address and the program counter,
counted, and reads as zero.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

log = logging.getLogger(__name__)

WAITED_FOR = 10_000
"""Reads of one unmodelled register after which the log says that the firmware hangs on it."""

Reader = Callable[[], int]
Writer = Callable[[int], None]
Task = Callable[[], None]


class Device(Protocol):
    """A block that decodes offsets in its own range; sizes are 1, 2 or 4 bytes."""

    def read(self, offset: int, size: int) -> int: ...

    def write(self, offset: int, size: int, value: int) -> None: ...


@dataclass
class Registers:
    """Registers of several words at once, by address, and what ``Bus.register`` says of each."""

    readers: dict[int, Reader] = field(default_factory=dict)
    writers: dict[int, Writer] = field(default_factory=dict)
    tasks: dict[int, Task] = field(default_factory=dict)
    steady: set[int] = field(default_factory=set)
    unsteady: set[int] = field(default_factory=set)


def _nowhere() -> int:
    return 0


class Bus:
    """Routes accesses to registers, and events to the tasks that PPI connected to them.

    ``unmodelled`` counts accesses that found no register: ``{(address, "read" | "write"): count}``.
    ``program_counter`` is asked only at the first of them at an address; ``first_counter`` keeps the answer.
    """

    def __init__(self) -> None:
        self.unmodelled: dict[tuple[int, str], int] = {}
        self.first_counter: dict[tuple[int, str], int] = {}
        self.told: set[tuple[int, str]] = set()
        """What was logged: a kit that is put back to a state of before does not say it again."""
        self.program_counter: Callable[[], int] = _nowhere
        self.tasks: dict[int, Task] = {}
        """What a task register does, by its address: PPI triggers tasks without a bus access."""
        self.routes: dict[int, list[int]] = {}
        """Task addresses by event address, for the PPI channels that are enabled now."""
        self.depth = 0
        """How many events in progress have led to one another."""
        self.ring_told = False
        self.steady: set[int] = set()
        """Words that change only by what models and events do: the CPU need not ask again in between."""
        self._readers: dict[int, Reader] = {}
        self._writers: dict[int, Writer] = {}
        self._ranges: list[tuple[int, int, Device]] = []
        self._blocks: list[tuple[int, int, str]] = []
        self._advice: dict[str, str] = {}

    def attach(self, base: int, size: int, device: Device) -> None:
        """Let ``device`` decode ``base .. base+size-1``; the smallest of overlapping ranges wins."""
        if size <= 0 or base < 0 or base + size > 1 << 32:
            raise ValueError(f"range 0x{base:08x}+0x{size:x} is not on the bus")
        self._ranges.append((size, base, device))
        self._ranges.sort(key=lambda entry: entry[0])

    def register(
        self, address: int, reader: Reader | None, writer: Writer | None, *, steady: bool = False
    ) -> None:
        """Serve the word at ``address``; None on one side makes that kind of access unmodelled.

        ``steady`` says that reading it changes nothing and that its value does not depend on the time.
        """
        if reader is not None:
            self._readers[address] = reader
            (self.steady.add if steady else self.steady.discard)(address)
        if writer is not None:
            self._writers[address] = writer

    def install(self, registers: Registers) -> None:
        """Put these in place of what was at their addresses, as another peripheral gets enabled there."""
        self._readers.update(registers.readers)
        self._writers.update(registers.writers)
        self.tasks.update(registers.tasks)
        self.steady |= registers.steady
        self.steady -= registers.unsteady

    def name_block(self, base: int, size: int, name: str, advice: str = "") -> None:
        """Name a range for the log; the bus answers nothing for it by itself.

        ``advice`` is told with the first access in it that is not modelled: what that means for the firmware.
        """
        self._blocks.append((base, size, name))
        if advice:
            self._advice[name] = advice

    def read(self, address: int, size: int) -> int:
        """Value of ``size`` (1, 2 or 4) bytes at ``address``."""
        if size == 4:
            reader = self._readers.get(address)
            if reader is not None:
                return reader()
        return self._read_otherwise(address, size)

    def write(self, address: int, size: int, value: int) -> None:
        """Write the low ``size`` (1, 2 or 4) bytes of ``value`` to ``address``."""
        if size == 4:
            writer = self._writers.get(address)
            if writer is not None:
                writer(value)
                return
        self._write_otherwise(address, size, value)

    def trigger(self, event_address: int) -> None:
        """Run the tasks that are connected to the event, in order of channel."""
        for task_address in self.routes.get(event_address, ()):
            task = self.tasks.get(task_address)
            if task is not None:
                task()
            else:
                self._report(task_address, "task")

    def _read_otherwise(self, address: int, size: int) -> int:
        reader = self._readers.get(address & ~3)
        if reader is not None:
            return (reader() >> 8 * (address & 3)) & ((1 << 8 * size) - 1)
        device = self._device(address)
        if device is not None:
            return device[1].read(address - device[0], size)
        self._report(address, "read")
        return 0

    def _write_otherwise(self, address: int, size: int, value: int) -> None:
        word = address & ~3
        writer = self._writers.get(word)
        if writer is not None:
            # A narrow store reaches an APB register with the byte repeated on the lanes that are not
            # selected; the registers here take whole words, so the untouched bytes keep what they read as.
            shift = 8 * (address & 3)
            mask = ((1 << 8 * size) - 1) << shift
            reader = self._readers.get(word)
            old = reader() if reader is not None else 0
            writer((old & ~mask & 0xFFFF_FFFF) | ((value << shift) & mask))
            return
        device = self._device(address)
        if device is not None:
            device[1].write(address - device[0], size, value)
            return
        self._report(address, "write")

    def _device(self, address: int) -> tuple[int, Device] | None:
        for size, base, device in self._ranges:
            if base <= address < base + size:
                return base, device
        return None

    def note(self, address: int, kind: str, text: str) -> None:
        """Count something that is not modelled, or that the chip does not promise; log ``text`` the first time."""
        count = self.unmodelled.get((address, kind), 0)
        if count == 0:
            counter = self.first_counter[address, kind] = self.program_counter()
            if (address, kind) not in self.told:
                self.told.add((address, kind))
                log.warning("%s at 0x%08x%s, PC 0x%08x", text, address, self._where(address), counter)
                self._advise(address)
        elif count + 1 == WAITED_FOR and kind == "read":
            log.warning(
                "0x%08x%s, which is not modelled, was read %d times: the firmware waits for it, PC 0x%08x",
                address,
                self._where(address),
                WAITED_FOR,
                self.program_counter(),
            )
        self.unmodelled[address, kind] = count + 1

    def noted(self) -> dict[str, int]:
        """How often each was counted, by a text that gives address, block, kind and first program counter."""
        return {
            f"0x{address:08x}{self._where(address)} {kind}, PC 0x{self.first_counter[address, kind]:08x}": count
            for (address, kind), count in self.unmodelled.items()
        }

    def save(self) -> object:
        """What was counted; the registers are the peripherals'."""
        return dict(self.unmodelled), dict(self.first_counter)

    def restore(self, state: object) -> None:
        """Go back to the counts that ``save`` gave."""
        assert isinstance(state, tuple)
        self.unmodelled, self.first_counter = (dict(part) for part in state)

    def _report(self, address: int, kind: str) -> None:
        self.note(address, kind, f"unmodelled {kind}")

    def _advise(self, address: int) -> None:
        advice = self._advice_for(address)
        if advice and all(self._advice_for(earlier) != advice for earlier, _ in self.unmodelled):
            log.warning("%s", advice)

    def _advice_for(self, address: int) -> str:
        block = self._block(address)
        return "" if block is None else self._advice.get(block[2], "")

    def _where(self, address: int) -> str:
        block = self._block(address)
        return "" if block is None else f" ({block[2]}+0x{address - block[0]:03x})"

    def _block(self, address: int) -> tuple[int, int, str] | None:
        for base, size, name in self._blocks:
            if base <= address < base + size:
                return base, size, name
        return None
