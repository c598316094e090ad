"""Peripherals with shared ID (nRF52840 Product Specification, Peripheral interface, Peripherals with shared ID).

UARTE0 and UART0, the serial interfaces at 0x40003000 and so on sit at one base address and have their registers in
common; ENABLE says which of them is there. Software configures before it enables, so that while none is enabled a
store reaches all of them; once one is enabled its registers are its own business, without a detour, until ENABLE
is written again: then the others take over what it leaves, as the registers are the same ones on the chip.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TypeVar

from hil.virtual.kernel import Kernel
from hil.virtual.soc.bus import Bus, Registers, Writer
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

ENABLE = 0x500

P = TypeVar("P", bound=Peripheral)


class _MemberBus(Bus):
    """The bus as one of the peripherals sees it: what it registers waits here until it is enabled."""

    def __init__(self, bus: Bus) -> None:
        super().__init__()
        self._bus = bus
        self.routes = bus.routes
        self.readers = self._readers
        self.writers = self._writers

    def trigger(self, event_address: int) -> None:
        self._bus.trigger(event_address)


class SharedId(Peripheral):
    """The peripherals of one ID. ``add`` them all, then ``complete``; it is reset and restored after them."""

    def __init__(
        self, name: str, base: int, kernel: Kernel, bus: Bus, lines: InterruptLines, *, mask: int = 0xF
    ) -> None:
        super().__init__(name, base, None, kernel, bus, lines)
        self._mask = mask
        """Bits of ENABLE."""
        self._members: list[tuple[int, Peripheral, _MemberBus]] = []
        self._owner: int | None = None
        """ENABLE value of the one that is enabled."""
        self._tables: dict[int | None, Registers] = {}

    def add(self, code: int, make: Callable[[Kernel, Bus, InterruptLines], P]) -> P:
        """Let ``make`` build a peripheral that ENABLE = ``code`` enables, and return it."""
        bus = _MemberBus(self.bus)
        peripheral = make(self.kernel, bus, self.lines)
        self._members.append((code, peripheral, bus))
        return peripheral

    def complete(self) -> None:
        """All are there: put their registers on the bus."""
        self._install(None)

    @property
    def members(self) -> list[Peripheral]:
        """The peripherals, in the order in which they were added."""
        return [peripheral for _, peripheral, _ in self._members]

    def on_reset(self, cause: ResetCause) -> None:
        if self._owner is not None:
            self._install(None)

    def restore(self, state: object) -> None:
        super().restore(state)
        self._install(self._enabled(self._members[0][1].values[ENABLE]))

    def _enabled(self, value: int) -> int | None:
        return value if any(code == value for code, _, _ in self._members) else None

    def _write_enable(self, value: int) -> None:
        value &= self._mask
        chosen = self._enabled(value)
        before = next((peripheral for code, peripheral, _ in self._members if code == self._owner), None)
        others = [(code, peripheral, bus) for code, peripheral, bus in self._members if code != chosen]
        chosen_ones = [entry for entry in self._members if entry[0] == chosen]
        if before is not None and chosen != self._owner:
            for _, peripheral, _ in self._members:
                if peripheral is not before:
                    peripheral.take_over(before)
        # First those that are not meant, which stop; then the one that is.
        for _, _, bus in others + chosen_ones:
            bus.writers[self.base + ENABLE](value)
        if chosen is not None:
            for _, peripheral, _ in others:
                peripheral.set_interrupts(0)
        if chosen != self._owner:
            self._install(chosen)

    def _install(self, owner: int | None) -> None:
        self._owner = owner
        if owner not in self._tables:
            self._tables[owner] = self._table(owner)
        self.bus.install(self._tables[owner])

    def _table(self, owner: int | None) -> Registers:
        """What is on the bus while ``owner`` is enabled: its registers, and what only others have."""
        table = Registers()
        several: dict[int, list[Writer]] = {}
        for code, _, bus in sorted(self._members, key=lambda member: member[0] != owner):
            for address, reader in bus.readers.items():
                if address not in table.readers:
                    table.readers[address] = reader
                    (table.steady if address in bus.steady else table.unsteady).add(address)
            for address, writer in bus.writers.items():
                if owner is None or code == owner or address not in several:
                    several.setdefault(address, []).append(writer)
            for address, task in bus.tasks.items():
                table.tasks.setdefault(address, task)
        for address, writers in several.items():
            table.writers[address] = writers[0] if len(writers) == 1 else partial(_write_all, tuple(writers))
        table.writers[self.base + ENABLE] = self._write_enable
        return table


def _write_all(writers: tuple[Writer, ...], value: int) -> None:
    for writer in writers:
        writer(value)
