"""What the NVMC needs of the chip around it (nvmc.Chip): CPU, supply, cells, and what the comparator means to it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US
from hil.virtual.soc.memory import FLASH_SIZE
from hil.virtual.soc.nvm import WRITES_BETWEEN_ERASES, WriteMode
from hil.virtual.soc.nvmc import Kind, PofMode

if TYPE_CHECKING:
    from hil.virtual.soc.nrf52840 import Soc

log = logging.getLogger(__name__)

WORD_WRITE = 41 * TICKS_PER_US
"""tWRITE (nRF52840 Product Specification, NVMC, Electrical specification)."""
READY_POLL = TICKS_PER_MS // 2
"""Code in RAM that polls NVMC.READY during an erase advances in steps of this, instead of 100,000 reads."""


class NvmOperations:
    """``hook`` is called with the duration in ticks in front of the operation chosen by ``cpu.nvm.stop_at``."""

    def __init__(self, soc: Soc) -> None:
        self._soc = soc
        self._duration = WORD_WRITE
        self.hook: Callable[[int], None] | None = None
        soc.cpu.nvm.on_stop = self.about_to_begin
        soc.cpu.nvm.counts.on_excess = self._written_too_often

    def about_to_begin(self) -> None:
        """The chosen NVM operation is about to begin."""
        if self.hook is not None:
            self.hook(self._duration)

    def nvm_starting(self, kind: Kind, address: int, duration: int) -> bool:
        self._duration = duration
        now = self._soc.kernel.now
        self._soc.cpu.nvm.begin(kind.value, address, now, now + duration)
        self._duration = WORD_WRITE
        return self._soc.powered

    def nvm_stall(self, ticks: int) -> None:
        # Only code in flash waits for it; a flash loader in RAM polls READY.
        cpu = self._soc.cpu
        if not cpu.halted and cpu.program_counter < FLASH_SIZE:
            cpu.stall(ticks)

    def ready(self) -> int:
        """NVMC.READY; a loader in RAM that polls it is held a little, which keeps the polls countable."""
        soc = self._soc
        operation = soc.nvmc.operation
        if operation is None:
            soc.bus.steady.add(soc.nvmc.base + 0x400)
            return 1
        soc.bus.steady.discard(soc.nvmc.base + 0x400)
        if soc.cpu.in_access:
            soc.cpu.stall(min(operation.end - soc.kernel.now, READY_POLL))
        return 0

    def nvm_hang(self) -> None:
        log.warning("%s: NVMC operation during POFWARN hangs the CPU (anomaly 242)", self._soc.name)
        self._soc.cpu.hang()

    def nvm_load(self, erasing: bool, writing: bool) -> None:
        self._soc.supply.flash_load(erasing, writing)

    def nvm_bytes(self, address: int, size: int) -> bytes:
        return self._soc.memory.read(address, size)

    def nvm_replace(self, address: int, data: bytes) -> None:
        self._soc.memory.write(address, data)

    def nvm_erased(self, address: int, size: int) -> None:
        self._soc.cpu.nvm.counts.erased(address, size)

    def _written_too_often(self, address: int) -> None:
        self._soc.bus.note(
            address,
            "write past nWRITE",
            f"flash word written more than {WRITES_BETWEEN_ERASES} times since its erase",
        )

    def nvm_write_enable(self, enabled: bool) -> None:
        self._soc.cpu.nvm.write_enable = enabled

    def nvm_uicr_locked(self) -> bool:
        return self._soc.approtect.closed

    def write_protected(self) -> int:
        """Pages that ACL keeps from being written, a bit each."""
        return self._soc.acl.write_protected

    def acl_changed(self) -> None:
        """Hand the protected pages to the CPU."""
        self._soc.cpu.nvm.write_protect_pages = self._soc.acl.write_protected
        self._soc.cpu.nvm.read_protect_pages = self._soc.acl.read_protected

    def pof_changed(self) -> None:
        """The power-fail comparator warns, or no longer does."""
        soc = self._soc
        hangs = 242 in soc.revision.anomalies
        if not soc.power.pof_warning:
            mode, native = PofMode.NORMAL, WriteMode.NORMAL
        elif hangs:
            mode, native = PofMode.HANG, WriteMode.HANG
        else:
            mode, native = PofMode.PREVENTED, WriteMode.IGNORE
        soc.cpu.nvm.write_mode = native
        soc.nvmc.set_mode(mode)
