"""NVMC: non-volatile memory controller (nRF52840 Product Specification, NVMC).

Words are programmed by plain stores, which the CPU core carries out itself; this file holds the registers, the
erase operations, and what power failure does to either. Only whole aligned words can be stored: less is a
fault. Code in flash stalls during an operation. A word may be written twice (nWRITE) between erases; from the
third time on it is logged and counted like an access that is not modelled, and takes effect all the same.

With POFCON on and VDD below its threshold operations are prevented. All revisions have anomaly 242, "NVMC
operations during POFWARN cause the CPU to hang"; the work-around is to switch POFCON off before a write or
erase and not to attempt one once EVENTS_POFWARN is set (as in Zephyr's flash driver, pull request 31759).

ICACHECNF is stored only: what the cache saves is in the CPU's mean time of an instruction, and IHIT and IMISS do
not count.

With the access port protected ERASEUICR does nothing (Debug and trace, Access port protection; Nordic DevZone,
case 109167).

Assumed, no source found: a store without CONFIG.WEN is a bus fault (Renode's model agrees); ERASEALL is one
while ACL protects a page from writing; the hang of anomaly 242 lasts until a reset, and also comes when the
warning falls into an erase, which stops half-way; without the anomaly such an erase runs to its end.
"""

from __future__ import annotations

import enum
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from hil.virtual.kernel import TICKS_PER_MS, Event, Kernel
from hil.virtual.native.core import Latch
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.flash_physics import biased_bits, torn
from hil.virtual.soc.memory import BusFault
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause

PAGE = 4096
FLASH = 0x10_0000
UICR = 0x1000_1000
UICR_SIZE = 0x1000
ERASE_PAGE = 85 * TICKS_PER_MS
"""tERASEPAGE with the crystal running; HFINT makes it longer or shorter by its tolerance on the chip."""
ERASE_ALL = 169 * TICKS_PER_MS
"""tERASEALL. Assumed, no source found (the nRF5340, with 87.5 ms a page, needs 173 ms)."""
PARTIAL_SETUP = 0
"""Setup time added to each partial erase. The chip has one; its value is not known, no source found."""
WEN, EEN = 1, 2


class Kind(enum.Enum):
    WRITE = "write"
    ERASE_PAGE = "erase page"
    ERASE_PARTIAL = "erase page, partial"
    ERASE_ALL = "erase all"
    ERASE_UICR = "erase UICR"


class PofMode(enum.Enum):
    """What an operation does while the power-fail comparator warns."""

    NORMAL = "normal"
    PREVENTED = "prevented"
    HANG = "hang"


@dataclass(frozen=True)
class Operation:
    """One erase under way; times in kernel ticks."""

    kind: Kind
    address: int
    start: int
    end: int


class Chip(Protocol):
    """What the NVMC needs of the chip around it."""

    def nvm_starting(self, kind: Kind, address: int, duration: int) -> bool:
        """Count an operation; False when power was cut instead."""

    def nvm_stall(self, ticks: int) -> None:
        """Stall the CPU, if it runs from flash."""

    def nvm_hang(self) -> None:
        """Hang the CPU until a reset (anomaly 242)."""

    def nvm_load(self, erasing: bool, writing: bool) -> None:
        """Tell the supply."""

    def nvm_uicr_locked(self) -> bool:
        """Whether access port protection keeps ERASEUICR from working."""

    def nvm_bytes(self, address: int, size: int) -> bytes: ...

    def nvm_replace(self, address: int, data: bytes) -> None: ...

    def nvm_erased(self, address: int, size: int) -> None:
        """These cells are erased: they may be written nWRITE times again."""

    def nvm_write_enable(self, enabled: bool) -> None: ...


class Nvmc(Peripheral):
    """``operation`` is the erase under way. ``protected`` tells whether ACL write-protects a page."""

    STATE = ("operation", "_event", "_erased_ms", "_unstable", "mode")

    def __init__(
        self,
        kit: str,
        chip: Chip,
        protected: Callable[[], int],
        kernel: Kernel,
        bus: Bus,
        lines: InterruptLines,
    ) -> None:
        super().__init__("NVMC", 0x4001_E000, None, kernel, bus, lines)
        self._random = kernel.random(f"{kit}/nvm")
        self._chip = chip
        self._protected = protected
        self.operation: Operation | None = None
        self.mode = PofMode.NORMAL
        self._event: Event | None = None
        self._erased_ms: dict[int, int] = {}
        """Milliseconds of partial erase that a page has had, by address."""
        self._unstable: dict[int, tuple[int, bytes, bytes]] = {}
        """By address: length, mask and last reading of cells near the threshold."""
        self.register(0x400, read=self._ready, read_only=True)
        self.register(0x408, read=self._ready, read_only=True)
        self.config = Latch(self.base + 0x504, 3)
        """CONFIG. Direct while the supply need not be told of it at once."""
        self.register(0x504, read=self._read_config, write=self._write_config)
        self._command(0x508, self._erase_page)
        self._command(0x50C, self._erase_all)
        self._command(0x510, self._erase_page)  # ERASEPCR0, deprecated: the same as ERASEPAGE
        self._command(0x514, self._erase_uicr)
        self._command(0x518, self._erase_partial)
        self.PARTIALCFG = self.register(0x51C, reset=10, mask=0x7F)
        self.ICACHECNF = self.register(0x540, mask=0x101)
        self.IHIT = self.register(0x548)
        self.IMISS = self.register(0x54C)

    def on_reset(self, cause: ResetCause) -> None:
        # A reset of the digital part stops an operation just as a power failure does.
        self.interrupt()
        self.config.value = 0
        self._apply_config()

    def save(self) -> object:
        return super().save(), self.config.value

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        shared, self.config.value = state
        super().restore(shared)
        self.config.direct = 0
        self._apply_config()

    def set_mode(self, mode: PofMode) -> None:
        """The power-fail comparator, or what it means to operations, changed."""
        self.mode = mode
        if mode is PofMode.HANG and self.operation is not None:
            self.interrupt()
            self._chip.nvm_hang()

    def interrupt(self) -> None:
        """Stop the erase under way where it is, leaving cells in between."""
        operation = self.operation
        if operation is None:
            return
        self.kernel.cancel(self._event)
        self.operation = self._event = None
        fraction = (self.kernel.now - operation.start) / max(1, operation.end - operation.start)
        for address, size in self._ranges(operation):
            self._tear(address, b"\xff" * size, min(1.0, max(0.0, fraction)))
        self.tell_load()

    def tear_word(self, address: int, old: int, new: int, fraction: float) -> None:
        """Undo part of a word write that power failure stopped at ``fraction`` of its time."""
        self._chip.nvm_replace(address, old.to_bytes(4, "little"))
        self._tear(address, new.to_bytes(4, "little"), fraction)

    def settle_cells(self) -> None:
        """A start of the chip: cells near the threshold are read again, and may come out differently."""
        for address, (size, mask, last) in list(self._unstable.items()):
            now = int.from_bytes(self._chip.nvm_bytes(address, size), "little")
            # What has been programmed since is stable.
            still = int.from_bytes(mask, "little") & ~(now ^ int.from_bytes(last, "little"))
            if not still:
                del self._unstable[address]
                continue
            reading = (now & ~still) | (self._random.getrandbits(8 * size) & still)
            data = reading.to_bytes(size, "little")
            self._unstable[address] = (size, still.to_bytes(size, "little"), data)
            self._chip.nvm_replace(address, data)

    @property
    def unstable_bits(self) -> int:
        """How many cells sit near the threshold now."""
        return sum(int.from_bytes(mask, "little").bit_count() for _, mask, _ in self._unstable.values())

    def _command(self, offset: int, action: Callable[[int], None]) -> None:
        self.register(offset, read=_nothing, write=partial(self._run_command, action))

    def _run_command(self, action: Callable[[int], None], value: int) -> None:
        if self.operation is not None:
            return
        action(value)

    def _ready(self) -> int:
        return int(self.operation is None)

    def _write_config(self, value: int) -> None:
        self.config.value = value & self.config.mask
        self._apply_config()

    def _read_config(self) -> int:
        return int(self.config.value)

    def _apply_config(self) -> None:
        self._chip.nvm_write_enable(self.config.value == WEN)
        self.tell_load()

    def tell_load(self) -> None:
        """Tell the supply what CONFIG and the operation draw."""
        self._chip.nvm_load(self.operation is not None, self.config.value == WEN)

    def _erase_page(self, value: int) -> None:
        self._erase_one(Kind.ERASE_PAGE, value, ERASE_PAGE)

    def _erase_partial(self, value: int) -> None:
        milliseconds = max(1, self.values[self.PARTIALCFG])
        self._erase_one(Kind.ERASE_PARTIAL, value, milliseconds * TICKS_PER_MS + PARTIAL_SETUP)

    def _erase_one(self, kind: Kind, value: int, duration: int) -> None:
        address = value & ~(PAGE - 1)
        if self.config.value != EEN or address >= FLASH:
            return
        if self._protected() >> (address // PAGE) & 1:
            raise BusFault(address, write=True)
        self._start(kind, address, duration)

    def _erase_all(self, value: int) -> None:
        if self.config.value != EEN or not value & 1:
            return
        protected = self._protected()
        if protected:
            # Erasing everything would erase the protected region too.
            page = (protected & -protected).bit_length() - 1
            raise BusFault(page * PAGE, write=True)
        self._start(Kind.ERASE_ALL, 0, ERASE_ALL)

    def _erase_uicr(self, value: int) -> None:
        if self.config.value == EEN and value & 1 and not self._chip.nvm_uicr_locked():
            self._start(Kind.ERASE_UICR, UICR, ERASE_PAGE)

    def _start(self, kind: Kind, address: int, duration: int) -> None:
        if self.mode is PofMode.HANG:
            self._chip.nvm_hang()
            return
        if self.mode is PofMode.PREVENTED or not self._chip.nvm_starting(kind, address, duration):
            return
        now = self.kernel.now
        self.operation = Operation(kind, address, now, now + duration)
        self._event = self.kernel.at(now + duration, self._finish)
        self.tell_load()
        self._chip.nvm_stall(duration)

    def _finish(self) -> None:
        operation = self.operation
        assert operation is not None
        self.operation = self._event = None
        self.tell_load()
        if operation.kind is Kind.ERASE_PARTIAL:
            self._finish_partial(operation)
            return
        for address, size in self._ranges(operation):
            self._erased(address, size)

    def _finish_partial(self, operation: Operation) -> None:
        """Cells come off a little more with each step; the page is erased once the steps add up to a full
        erase.
        """
        address = operation.address
        before = self._erased_ms.get(address, 0) * TICKS_PER_MS
        total = before + operation.end - operation.start
        if total >= ERASE_PAGE:
            self._erased(address, PAGE)
            return
        self._erased_ms[address] = total // TICKS_PER_MS
        step = (total - before) / (ERASE_PAGE - before)
        old = int.from_bytes(self._chip.nvm_bytes(address, PAGE), "little")
        content = old | biased_bits(self._random, 8 * PAGE, step)
        self._chip.nvm_replace(address, content.to_bytes(PAGE, "little"))

    def _erased(self, address: int, size: int) -> None:
        self._chip.nvm_replace(address, b"\xff" * size)
        self._chip.nvm_erased(address, size)
        self._forget(address, size)

    def _forget(self, address: int, size: int) -> None:
        for known in [known for known in self._unstable if address <= known < address + size]:
            del self._unstable[known]
        for page in [page for page in self._erased_ms if address <= page < address + size]:
            del self._erased_ms[page]

    def erase_everything(self) -> None:
        """What ERASEALL leaves: flash and UICR all ones (CTRL-AP, which takes no notice of ACL)."""
        self._erased(0, FLASH)
        self._erased(UICR, UICR_SIZE)

    def _ranges(self, operation: Operation) -> list[tuple[int, int]]:
        if operation.kind is Kind.ERASE_ALL:
            return [*((page, PAGE) for page in range(0, FLASH, PAGE)), (UICR, UICR_SIZE)]
        return [(operation.address, UICR_SIZE if operation.kind is Kind.ERASE_UICR else PAGE)]

    def _tear(self, address: int, new: bytes, fraction: float) -> None:
        size = len(new)
        old = int.from_bytes(self._chip.nvm_bytes(address, size), "little")
        content, unstable = torn(self._random, old, int.from_bytes(new, "little"), 8 * size, fraction)
        data = content.to_bytes(size, "little")
        self._chip.nvm_replace(address, data)
        self._unstable.pop(address, None)
        if unstable:
            self._unstable[address] = (size, unstable.to_bytes(size, "little"), data)


def _nothing() -> int:
    return 0
