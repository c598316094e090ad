"""What every nRF52840 peripheral has in common (nRF52840 Product Specification, Peripheral interface).

Tasks are triggered by writing 1 or by PPI; an event sets its register, raises the interrupt if it is
enabled, runs its shortcuts and the PPI channels connected to it. The interrupt line is level sensitive:
high while any enabled event register is set. The interrupt bit of an event is its position: ``(offset -
0x100) / 4``.
"""

from __future__ import annotations

import copy
import enum
import logging
from collections.abc import Callable, Mapping
from functools import partial

from hil.virtual.kernel import TICKS_PER_US, Kernel
from hil.virtual.soc.bus import Bus, Task

log = logging.getLogger(__name__)

WORD = 0xFFFF_FFFF
TICKS_PER_16MHZ = TICKS_PER_US // 16
DEEPEST = 24
"""Events and tasks that may lead to one another within one instant."""
SHORTS, INTEN, INTENSET, INTENCLR = 0x200, 0x300, 0x304, 0x308


class ResetCause(enum.Enum):
    """Why the chip starts again (nRF52840 Product Specification, POWER, Reset)."""

    POWER_ON = "power-on"
    BROWN_OUT = "brown-out"
    PIN = "pin"
    WATCHDOG = "watchdog"
    SOFT = "soft"
    LOCKUP = "lockup"
    DEBUG = "debug"
    SYSTEM_OFF = "wake-up from System OFF"


class InterruptLines:
    """Interrupt lines of the NVIC; peripherals that share a line (POWER and CLOCK) are ORed."""

    def __init__(self, set_line: Callable[[int, bool], None]) -> None:
        self._set_line = set_line
        self._sources: dict[int, set[str]] = {}

    def drive(self, irq: int, source: str, level: bool) -> None:
        sources = self._sources.setdefault(irq, set())
        before = bool(sources)
        if level:
            sources.add(source)
        else:
            sources.discard(source)
        if bool(sources) != before:
            self._set_line(irq, not before)

    def save(self) -> object:
        return {irq: set(sources) for irq, sources in self._sources.items()}

    def restore(self, state: object) -> None:
        """Take back the levels; the CPU restores its own view of the lines."""
        assert isinstance(state, dict)
        self._sources = {irq: set(sources) for irq, sources in state.items()}


class Peripheral:
    """Base of the peripherals: registers at ``base``, one interrupt line (or None), shared clock and bus.

    A subclass declares its registers in its constructor with ``task``, ``event``, ``register`` and
    ``shortcuts``, names its further mutable attributes in ``STATE`` (saved and restored by deep copy), and
    overrides ``on_reset``, ``on_event_written`` and ``observed_changed`` where it needs them.
    """

    STATE: tuple[str, ...] = ()

    def __init__(
        self, name: str, base: int, irq: int | None, kernel: Kernel, bus: Bus, lines: InterruptLines
    ) -> None:
        self.name = name
        self.base = base
        self.irq = irq
        self.kernel = kernel
        self.bus = bus
        self.lines = lines
        self.values: dict[int, int] = {}
        """Registers and events by offset."""
        self.inten = 0
        self.shorts = 0
        self.event_bits: dict[int, int] = {}
        self._event_mask = 0
        self._reset_values: dict[int, int] = {}
        self._shorts: list[tuple[int, int, Task]] = []
        self._shorts_of: dict[int, tuple[tuple[int, Task], ...]] = {}
        self._line = False

    # -- declaring registers -------------------------------------------------------------------------------

    def task(self, offset: int, action: Callable[..., None], *args: object) -> None:
        """Declare a task register; ``action(*args)`` runs when it is triggered."""
        run: Task = partial(action, *args) if args else action
        self.bus.tasks[self.base + offset] = run
        self.bus.register(self.base + offset, _zero, partial(_write_task, run))

    def event(self, offset: int, on_read: Callable[[], None] | None = None) -> int:
        """Declare an event register and return its offset; ``on_read`` settles lazily computed events
        first.
        """
        self.values[offset] = 0
        self._reset_values[offset] = 0
        self.event_bits[offset] = 1 << (offset - 0x100) // 4
        self._event_mask |= self.event_bits[offset]
        reader: Callable[[], int] = partial(self.values.__getitem__, offset)
        if on_read is not None:
            reader = partial(self._settled, on_read, offset)
        self.bus.register(
            self.base + offset, reader, partial(self._write_event, offset), steady=on_read is None
        )
        return offset

    def register(
        self,
        offset: int,
        *,
        reset: int = 0,
        mask: int = WORD,
        read: Callable[[], int] | None = None,
        write: Callable[[int], None] | None = None,
        read_only: bool = False,
    ) -> int:
        """Declare a register. ``read`` and ``write`` replace plain storage; a read-only one ignores
        writes.
        """
        self.values[offset] = reset
        self._reset_values[offset] = reset
        reader = read if read is not None else partial(self.values.__getitem__, offset)
        writer = write if write is not None else partial(self._store, offset, mask)
        self.bus.register(self.base + offset, reader, _ignore if read_only else writer, steady=read is None)
        return offset

    def interrupts(self, *, inten: bool = False) -> None:
        """Declare INTENSET and INTENCLR, and INTEN for the peripherals that have it."""
        if inten:
            self.bus.register(self.base + INTEN, self._read_inten, self.set_interrupts)
        self.bus.register(self.base + INTENSET, self._read_inten, self._set_inten)
        self.bus.register(self.base + INTENCLR, self._read_inten, self._clear_inten)

    def shortcuts(self, table: Mapping[int, tuple[int, Task]]) -> None:
        """Declare SHORTS: ``{bit number: (event offset, action of the task)}``."""
        self._shorts = [(1 << bit, event, action) for bit, (event, action) in table.items()]
        self.bus.register(self.base + SHORTS, self._read_shorts, self._write_shorts)

    # -- events --------------------------------------------------------------------------------------------

    def fire(self, offset: int) -> None:
        """Generate the event: register, interrupt, shortcuts, then the PPI channels."""
        self.values[offset] = 1
        if self.inten & self.event_bits[offset]:
            self.update_interrupt()
        if offset in self._shorts_of or self.base + offset in self.bus.routes:
            self._follow(offset)

    def _follow(self, offset: int) -> None:
        """Run what an event leads to. A ring of shortcuts and channels, where each task ends at once, goes round for
        ever on the chip, a step a cycle of 16 MHz; here so many steps come at once, and then one a cycle.
        """
        if self.bus.depth >= DEEPEST:
            if not self.bus.ring_told:
                self.bus.ring_told = True
                log.warning("%s: events and tasks lead to one another without end", self.name)
            self.kernel.after(TICKS_PER_16MHZ, self._follow, offset)
            return
        self.bus.depth += 1
        try:
            for _, action in self._shorts_of.get(offset, ()):
                action()
            self.bus.trigger(self.base + offset)
        finally:
            self.bus.depth -= 1

    def observed(self, offset: int) -> bool:
        """Whether anything acts on this event by itself: an interrupt, a shortcut or a PPI channel."""
        return bool(
            self.inten & self.event_bits[offset]
            or offset in self._shorts_of
            or self.base + offset in self.bus.routes
        )

    def update_interrupt(self) -> None:
        if self.irq is None:
            return
        level = False
        if self.inten:
            for offset, bit in self.event_bits.items():
                if self.inten & bit and self.values[offset]:
                    level = True
                    break
        if level != self._line:
            self._line = level
            self.lines.drive(self.irq, self.name, level)

    def observed_changed(self) -> None:
        """INTEN, SHORTS or PPI changed: a peripheral with lazily computed events schedules those needed
        now.
        """

    def take_over(self, other: Peripheral) -> None:
        """Go on with the registers of another peripheral of the same ID: on the chip they are the same ones."""
        self.values.update({offset: other.values[offset] for offset in self.values if offset in other.values})
        self._apply_shorts(other.shorts)
        self.set_interrupts(other.inten)

    # -- life ----------------------------------------------------------------------------------------------

    def reset(self, cause: ResetCause) -> None:
        """Return every register to its reset value and the interrupt line to low."""
        self.values.update(self._reset_values)
        self.inten = 0
        self.shorts = 0
        self._shorts_of = {}
        self.on_reset(cause)
        self.update_interrupt()

    def on_reset(self, cause: ResetCause) -> None:
        """Cancel what is scheduled and clear state that is not in a register."""

    def save(self) -> object:
        state = {name: copy.deepcopy(getattr(self, name)) for name in self.STATE}
        return dict(self.values), self.inten, self.shorts, self._line, state

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        values, self.inten, shorts, self._line, extra = state
        self.values.update(values)
        self._apply_shorts(shorts)
        for name, value in extra.items():
            setattr(self, name, copy.deepcopy(value))

    # -- register access -----------------------------------------------------------------------------------

    def _store(self, offset: int, mask: int, value: int) -> None:
        self.values[offset] = value & mask

    def _settled(self, settle: Callable[[], None], offset: int) -> int:
        settle()
        return self.values[offset]

    def _write_event(self, offset: int, value: int) -> None:
        # Writing 1 is how some drivers raise an event by software; the register takes it, nothing else
        # happens.
        self.values[offset] = value & 1
        self.on_event_written(offset)
        if self.inten & self.event_bits[offset]:
            self.update_interrupt()

    def on_event_written(self, offset: int) -> None:
        """Software cleared (or set) the event register."""

    def _read_inten(self) -> int:
        return self.inten

    def set_interrupts(self, value: int) -> None:
        """Write INTEN; bits without an event stay 0."""
        self.inten = value & self._event_mask
        self.observed_changed()
        self.update_interrupt()

    def _set_inten(self, value: int) -> None:
        self.set_interrupts(self.inten | value)

    def _clear_inten(self, value: int) -> None:
        self.set_interrupts(self.inten & ~value)

    def _read_shorts(self) -> int:
        return self.shorts

    def _write_shorts(self, value: int) -> None:
        self._apply_shorts(value)
        self.observed_changed()

    def _apply_shorts(self, value: int) -> None:
        self.shorts = value & sum(bit for bit, _, _ in self._shorts)
        chosen: dict[int, tuple[tuple[int, Task], ...]] = {}
        for bit, event, action in self._shorts:
            if self.shorts & bit:
                chosen[event] = (*chosen.get(event, ()), (bit, action))
        self._shorts_of = chosen


def _zero() -> int:
    return 0


def _ignore(value: int) -> None:
    del value


def _write_task(run: Task, value: int) -> None:
    if value & 1:
        run()
