"""The two Unicorn engines of a CPU: made on the same memory, joined to the native core.

One runs blocks of instructions, the other single ones; native/core.c says why. Outside of a run the first
has the registers.
"""

from __future__ import annotations

import ctypes
from typing import Any

import unicorn
from unicorn import arm_const as arm
from unicorn.unicorn_py3.unicorn import Uc, uclib

from hil.errors import BenchError
from hil.virtual.native import core as native
from hil.virtual.soc.memory import (
    CODE_RAM_BASE,
    FICR_BASE,
    FICR_SIZE,
    FLASH_BASE,
    FLASH_SIZE,
    RAM_BASE,
    RAM_SIZE,
    UICR_BASE,
    UICR_SIZE,
    Memory,
)

BUS_RANGES = (
    (0x4000_0000, 0x8_0000),  # APB
    (0x5000_0000, 0x8_0000),  # AHB: GPIO, CRYPTOCELL
    (0xE000_0000, 0x10_0000),  # the private peripheral bus
    (0xF000_0000, 0x1000),  # the chip's identification
    (0x1200_0000, 0x800_0000),  # QSPI: the external flash, read in place
)
"""(base, size) of what goes to the bus."""
TRANSLATION_BUFFER = 16 << 20  # Unicorn would reserve 1 GB of address space for each engine
_FUNCTIONS = {
    "reg_read": "uc_reg_read",
    "reg_write": "uc_reg_write",
    "read_batch": "uc_reg_read_batch",
    "write_batch": "uc_reg_write_batch",
    "start": "uc_emu_start",
    "stop": "uc_emu_stop",
    "control": "uc_ctl",
    "protect": "uc_mem_protect",
    "unmap": "uc_mem_unmap",
    "map_memory": "uc_mem_map_ptr",
    "add_hook": "uc_hook_add",
    "delete_hook": "uc_hook_del",
    "map_bus": "uc_mmio_map",
}
"""What the native core calls of Unicorn, by the name of its field."""


class Engines:
    """Both engines of the CPU `name`. Fills in the core's fields for them; raises BenchError if Unicorn refuses."""

    def __init__(self, core: native.Core, memory: Memory, name: str) -> None:
        self._at = ctypes.addressof(core)
        self._library = library = native.library()
        self._name = name
        self._watch: int | None = None
        self.blockwise, self.stepwise = _make(memory), _make(memory)
        core.flash, core.ram, core.uicr = map(native.buffer_address, (memory.flash, memory.ram, memory.uicr))
        for field, function in _FUNCTIONS.items():
            setattr(core, field, native.function_address(getattr(uclib, function)))
        self._tables = (ctypes.c_uint64 * (library.core_tables_size() // 8 + 1))()
        core.tables = ctypes.addressof(self._tables)
        library.core_begin(self._at)
        for which, engine in enumerate((self.blockwise, self.stepwise)):
            handle: Any = engine._uch
            core.engines[which] = int(handle if isinstance(handle, int) else handle.value)
            self._map_bus(engine)
            self._hook(engine, unicorn.UC_HOOK_INTR, library.core_on_interrupt)
            # RAM is left out: where the engine might ask, each store is slow (see ask_about in mpu.c).
            for first, last in ((0, RAM_BASE - 1), (RAM_BASE + RAM_SIZE, 0xFFFF_FFFF)):
                self._hook(engine, unicorn.UC_HOOK_MEM_INVALID, library.core_on_bad_access, first, last)
        self._hook(self.blockwise, unicorn.UC_HOOK_BLOCK, library.core_on_block)
        self._hook(self.stepwise, unicorn.UC_HOOK_CODE, library.core_on_instruction)
        core.engine = core.special = core.engines[native.BLOCKWISE]

    @property
    def watching(self) -> bool:
        """The native core is shown each load and store of single instructions."""
        return self._watch is not None

    def watch(self, wanted: bool) -> None:
        """Show the native core each load and store, or no longer; not while an engine runs.

        Such hooks slow every access down, so they exist only while they are wanted.
        """
        if wanted and self._watch is None:
            kind = unicorn.UC_HOOK_MEM_READ | unicorn.UC_HOOK_MEM_WRITE
            self._watch = self._hook(self.stepwise, kind, self._library.core_on_watched_access)
        elif not wanted and self._watch is not None:
            self._check(uclib.uc_hook_del(self.stepwise._uch, self._watch), "remove a hook")
            self._watch = None
        self.stepwise.ctl_flush_tb()

    def forget(self) -> None:
        """Drop what was translated and counted, as after all of the memory has changed."""
        self._library.core_forget(self._at)
        self.blockwise.ctl_flush_tb()
        self.stepwise.ctl_flush_tb()

    def _map_bus(self, engine: Uc) -> None:
        """The bus is mapped, and then protected: the engine asks before each access where the program is."""
        read, write = map(
            native.function_address, (self._library.core_on_bus_read, self._library.core_on_bus_write)
        )
        for base, size in BUS_RANGES:
            status = uclib.uc_mmio_map(engine._uch, base, size, read, self._at, write, self._at)
            self._check(status, "map the bus")
            engine.mem_protect(base, size, unicorn.UC_PROT_NONE)

    def _hook(self, engine: Uc, kind: int, function: Any, first: int = 1, last: int = 0) -> int:
        """Install a native hook for addresses `first` to `last`, or for all; the core is its user data."""
        hook = ctypes.c_size_t()
        status = uclib.uc_hook_add(
            engine._uch,
            ctypes.byref(hook),
            kind,
            ctypes.c_void_p(native.function_address(function)),
            ctypes.c_void_p(self._at),
            ctypes.c_uint64(first),
            ctypes.c_uint64(last),
        )
        self._check(status, "install a hook")
        return int(hook.value)

    def _check(self, status: int, what: str) -> None:
        if status != unicorn.UC_ERR_OK:
            raise BenchError(f"{self._name}: Unicorn could not {what}: error {status}")


def _make(memory: Memory) -> Uc:
    engine = Uc(unicorn.UC_ARCH_ARM, unicorn.UC_MODE_THUMB | unicorn.UC_MODE_MCLASS)
    engine.ctl_set_tcg_buffer_size(TRANSLATION_BUFFER)
    engine.ctl_set_cpu_model(arm.UC_CPU_ARM_CORTEX_M4)
    flash, ram, uicr, ficr = map(native.buffer_address, (memory.flash, memory.ram, memory.uicr, memory.ficr))
    # RAM can be executed from once that is tried: the engine looks at every store to pages that can.
    for base in (RAM_BASE, CODE_RAM_BASE):
        engine.mem_map_ptr(base, RAM_SIZE, unicorn.UC_PROT_READ | unicorn.UC_PROT_WRITE, ram)
    # Mapped writable, then protected: Unicorn then drops a store and asks the hook instead.
    for base, size, at in (
        (FLASH_BASE, FLASH_SIZE, flash),
        (UICR_BASE, UICR_SIZE, uicr),
        (FICR_BASE, FICR_SIZE, ficr),
    ):
        engine.mem_map_ptr(base, size, unicorn.UC_PROT_ALL, at)
        engine.mem_protect(base, size, unicorn.UC_PROT_READ | unicorn.UC_PROT_EXEC)
    return engine
