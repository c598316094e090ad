"""The debugger's way into the chip: system bus, CTRL-AP erase and reset, reset pin (debugport.DebugTarget).

(nRF52840 Product Specification, Debug and trace.)
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import TYPE_CHECKING

from hil.virtual.debugport import TargetBusError
from hil.virtual.kernel import Event
from hil.virtual.soc.engines import BUS_RANGES
from hil.virtual.soc.memory import (
    FLASH_PAGE,
    FLASH_SIZE,
    RAM_BASE,
    RAM_SIZE,
    UICR_BASE,
    UICR_SIZE,
    BusFault,
)
from hil.virtual.soc.nvm_operations import WORD_WRITE
from hil.virtual.soc.nvmc import ERASE_ALL, Kind, PofMode
from hil.virtual.soc.peripheral import ResetCause

if TYPE_CHECKING:
    from hil.virtual.soc.nrf52840 import Soc


class DebugAccess:
    """One chip's AHB-AP and CTRL-AP, below the debug port."""

    def __init__(self, soc: Soc) -> None:
        self._soc = soc
        self._erase: Event | None = None

    @property
    def powered(self) -> bool:
        """Whether the supply keeps the debug logic alive."""
        return self._soc.powered

    @property
    def power_cycles(self) -> int:
        """Grows by one at each power-on."""
        return self._soc.supply.power_cycles

    @property
    def locked(self) -> bool:
        """Access port protection keeps the debugger out."""
        return self._soc.approtect.closed

    @property
    def running(self) -> bool:
        """The core executes or sleeps, so that waiting for it to halt makes sense."""
        cpu = self._soc.cpu
        return self.powered and not (cpu.halted or cpu.held_in_reset or cpu.lockup or cpu.hung)

    @property
    def erasing(self) -> bool:
        """A CTRL-AP erase is under way."""
        return self._erase is not None

    def drive_reset_pin(self, asserted: bool) -> None:
        """Pull nRESET low, or let it go; without PSELRESET in UICR the pin is an ordinary one."""
        if not self._soc.uicr.reset_pin_enabled:
            return
        if asserted:
            self._soc.cpu.held_in_reset = True
        else:
            self._soc.reset(ResetCause.PIN)

    def bus_read(self, address: int, size: int) -> int:
        """1, 2 or 4 bytes from the system bus as a debugger sees it; raises TargetBusError."""
        if _on_bus(address):
            try:
                return self._soc.bus.read(address, size)
            except BusFault as fault:
                raise TargetBusError(str(fault)) from None
        return int.from_bytes(self._read_memory(address, size), "little")

    def bus_write(self, address: int, size: int, value: int) -> None:
        """Write to the system bus; flash and UICR take words under the NVMC's rules. Raises
        TargetBusError.
        """
        try:
            if _on_bus(address):
                self._soc.bus.write(address, size, value)
            elif address < FLASH_SIZE or UICR_BASE <= address < UICR_BASE + UICR_SIZE:
                self._program(address, size, value)
            else:
                data = (value & ((1 << 8 * size) - 1)).to_bytes(size, "little")
                self._soc.memory.write(address, data)
        except BusFault as fault:
            raise TargetBusError(str(fault)) from None

    def bus_read_block(self, address: int, words: int) -> Sequence[int]:
        """That many aligned words; raises TargetBusError."""
        if _on_bus(address):
            return [self.bus_read(address + 4 * index, 4) for index in range(words)]
        data = self._read_memory(address, 4 * words)
        return memoryview(data).cast("I").tolist()

    def bus_write_block(self, address: int, values: Sequence[int]) -> None:
        """Write aligned words; raises TargetBusError."""
        if address >= RAM_BASE and address + 4 * len(values) <= RAM_BASE + RAM_SIZE:
            self._soc.memory.write(address, struct.pack(f"<{len(values)}I", *values))
            return
        for index, value in enumerate(values):
            self.bus_write(address + 4 * index, 4, value)

    def erase_all(self) -> None:
        """CTRL-AP ERASEALL: flash, UICR and RAM, whatever ACL and APPROTECT say; takes 169 ms."""
        if not self.powered or self.erasing:
            return
        self._soc.cpu.held_in_reset = True
        self._soc.supply.flash_load(erasing=True, writing=False)
        self._erase = self._soc.kernel.after(ERASE_ALL, self._erased)

    def abandon_erase(self) -> None:
        """The supply is gone."""
        self._soc.kernel.cancel(self._erase)
        self._erase = None

    def hold_reset(self, asserted: bool) -> None:
        """CTRL-AP RESET: a soft reset for as long as it is asserted."""
        if asserted:
            self._soc.cpu.held_in_reset = True
        else:
            self._soc.reset(ResetCause.DEBUG)

    def save(self) -> object:
        return self._erase

    def restore(self, state: object) -> None:
        assert state is None or isinstance(state, Event)
        self._erase = state

    def _erased(self) -> None:
        soc = self._soc
        self._erase = None
        soc.nvmc.erase_everything()
        soc.memory.write(RAM_BASE, bytes(RAM_SIZE))
        soc.approtect.erased()
        soc.supply.flash_load(erasing=False, writing=False)
        soc.reset(ResetCause.DEBUG)

    def _read_memory(self, address: int, size: int) -> bytes:
        protected = self._soc.acl.read_protected
        if address < FLASH_SIZE and protected:
            pages = range(address // FLASH_PAGE, (address + size - 1) // FLASH_PAGE + 1)
            if any(protected >> page & 1 for page in pages):
                raise TargetBusError(f"ACL protects 0x{address:08x} from being read")
        try:
            return self._soc.memory.read(address, size)
        except BusFault as fault:
            raise TargetBusError(str(fault)) from None

    def _program(self, address: int, size: int, value: int) -> None:
        soc = self._soc
        protected = address < FLASH_SIZE and soc.acl.write_protected >> (address // FLASH_PAGE) & 1
        if size != 4 or address & 3 or protected or not soc.cpu.nvm.write_enable:
            raise BusFault(address, write=True)
        if soc.nvmc.mode is not PofMode.NORMAL:
            return
        old = soc.memory.read(address, 4)
        new = (value & int.from_bytes(old, "little")).to_bytes(4, "little")
        now = soc.kernel.now
        soc.cpu.nvm.begin(Kind.WRITE.value, address, now, now + WORD_WRITE, old=old, new=new)
        if self.powered:
            soc.memory.write(address, new)
            soc.cpu.nvm.counts.written(address)


def _on_bus(address: int) -> bool:
    """Whether peripherals answer there. Where neither they nor a memory do, the bus makes it an error."""
    return any(base <= address < base + size for base, size in BUS_RANGES)
