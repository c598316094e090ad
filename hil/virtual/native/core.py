"""Python's view of the native stepping core: `struct core` of core.h, field by field, and its functions.

The library is built on demand in a source checkout (see build.py) and refused when it was not
compiled from exactly the sources beside it.
"""

from __future__ import annotations

import ctypes
import functools
from ctypes import CFUNCTYPE, c_char_p, c_int32, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any, ClassVar

from hil.errors import BenchError
from hil.virtual.native import build

TICKS_PER_INSTRUCTION = 12
"""1.5 CPU cycles: the mean of a Cortex-M4 fetching from flash with wait states, measured."""
NVM_WRITE_TICKS = 41 * 512
"""t_WRITE of the nRF52840 (PS, NVMC electrical specification)."""

# Why core_run returned.
LIMIT, SLEEP, REQUEST, HALT, LOCKUP, ERROR = range(6)
# core.halt
HALT_NONE, HALT_REQUEST, HALT_BREAKPOINT, HALT_WATCHPOINT, HALT_STEP, HALT_CATCH = range(6)
FAULT_BUS_READ, FAULT_BUS_WRITE = 1, 2
NVM_NORMAL, NVM_IGNORE, NVM_HANG = range(3)
MAX_BREAKPOINTS, MAX_WATCHPOINTS = 16, 4
LATCH_NVMC_CONFIG, LATCH_POFCON = range(2)
BLOCKWISE, STEPWISE, ENGINES = range(3)
MPU_REGIONS = 8
_LATCHES, _KEPT, _MAX_ACCESSES = 2, 64, 36

BUS_READ = CFUNCTYPE(c_uint32, c_uint32, c_uint32)
BUS_WRITE = CFUNCTYPE(None, c_uint32, c_uint32, c_uint32)
NVM_STOP = CFUNCTYPE(None)
NVM_EXCESS = CFUNCTYPE(None, ctypes.c_uint32)
FIRST_READ = CFUNCTYPE(None, ctypes.c_uint32)
CALL = CFUNCTYPE(c_uint32, c_uint32)

_U64, _U32, _I32 = c_uint64, c_uint32, c_int32


class WatchpointStruct(ctypes.Structure):
    """`struct core_watchpoint`."""

    _fields_: ClassVar[Any] = [("address", _U32), ("length", _U32), ("kind", _U32)]


class Latch(ctypes.Structure):
    """`struct core_latch`: a register that keeps what is stored to it, under a mask.

    While `direct` is set the native core takes the stores without telling Python: for a register that is
    written for each word of flash, and only as long as nothing follows from it but its value.
    """

    _fields_: ClassVar[Any] = [("address", _U32), ("mask", _U32), ("value", _U32), ("direct", _U32)]


class KeptStruct(ctypes.Structure):
    """`struct core_kept`."""

    _fields_: ClassVar[Any] = [("generation", _U64), ("address", _U32), ("value", _U32)]


def _named(kind: Any, names: str) -> list[tuple[str, Any]]:
    return [(name, kind) for name in names.split()]


class Core(ctypes.Structure):
    """`struct core` of core.h; what the fields mean is said there."""

    _fields_: ClassVar[Any] = [
        *_named(_U64, "ticks limit hard stall"),
        *_named(_U64, "pending enabled active lines catch_mask"),
        *_named(_U64, "nvm_operations nvm_stop_at nvm_start nvm_end"),
        ("write_protect", _U64 * 4),
        ("read_protect", _U64 * 4),
        ("read_watch", _U64 * 4),
        ("read_seen", _U64 * 4),
        ("whole", _U64),
        *_named(_U64, "slices taken generation instructions instructions_stepped"),
        *_named(c_void_p, "engine special"),
        ("engines", c_void_p * ENGINES),
        *_named(c_void_p, "reg_read reg_write read_batch write_batch start stop control"),
        *_named(c_void_p, "protect unmap map_memory add_hook delete_hook map_bus"),
        ("bus_read", BUS_READ),
        ("bus_write", BUS_WRITE),
        ("on_nvm_stop", NVM_STOP),
        ("on_nvm_excess", NVM_EXCESS),
        ("on_first_read", FIRST_READ),
        ("on_call", CALL),
        ("nvm_writes", c_void_p),
        *_named(c_void_p, "flash ram uicr"),
        ("latch", c_void_p * _LATCHES),
        ("tables", c_void_p),
        *_named(_U32, "pc thumb address"),
        *_named(_U32, "inside stopped attention request engine_exception engine_error"),
        *_named(_U32, "sleeping slept event lockup hung off quiet"),
        *_named(_U32, "poll mask_touched"),
        *_named(_U32, "block block_size block_count counted traps"),
        *_named(_U32, "exact exact_from exact_to then_next then_left then_state then_now"),
        ("accesses", _U32),
        ("access", _U32 * _MAX_ACCESSES),
        ("access_at", _U32 * _MAX_ACCESSES),
        *_named(_U32, "replay replay_end abandoned bus_value whole_at"),
        *_named(_U32, "fault fault_address fault_pc"),
        ("saved", _U32 * 16),
        *_named(_U32, "undo undo_size forget_pages"),
        *_named(_U32, "faults fault_exception fault_frame fault_return"),
        *_named(_U32, "vtor group_mask ccr scr cfsr hfsr mmfar bfar fpccr fpcar fpdscr cpacr"),
        ("mpu_control", _U32),
        ("mpu_base", _U32 * MPU_REGIONS),
        ("mpu_size", _U32 * MPU_REGIONS),
        *_named(_U32, "mpu_view pages_changed"),
        *_named(_U32, "nvm_write_enable nvm_mode nvm_address nvm_old nvm_new nvm_next nvm_asked"),
        *_named(_U32, "call_hooks reached"),
        *_named(_U32, "halt step stepped debug_enabled mask_interrupts watch_hit watched"),
        ("keep", _U32),
        ("breakpoints", _U32),
        ("breakpoint", _U32 * MAX_BREAKPOINTS),
        ("watchpoints", _U32),
        ("watchpoint", WatchpointStruct * MAX_WATCHPOINTS),
        ("priority", _I32 * 64),
        ("kept", KeptStruct * _KEPT),
    ]


@functools.cache
def library() -> ctypes.PyDLL:
    """The native core, built first if it is missing or stale.

    PyDLL, since the callbacks need the interpreter lock all the time: handing it over and back for
    each register access costs more than the access. Raises BenchError if it cannot be had.
    """
    path = build.library_path()
    expected = build.source_hash()
    if not path.is_file() or _embedded_hash(path.read_bytes()) != expected:
        try:
            build.build()
        except (build.BuildError, OSError) as error:
            raise BenchError(f"the native CPU core {path.name} is missing or stale: {error}") from error
    try:
        loaded = ctypes.PyDLL(str(path))
        _declare(loaded)
    except (OSError, AttributeError) as error:
        raise BenchError(f"the native CPU core {path} cannot be loaded: {error}") from error
    if loaded.core_source_hash() != expected.encode():
        raise BenchError(f"the native CPU core {path} was built from other sources: delete it")
    if loaded.core_size() != ctypes.sizeof(Core):
        raise BenchError(f"the native CPU core {path} has another layout than core.py")
    return loaded


def _embedded_hash(content: bytes) -> str:
    """The hash in a library's file, without loading it: a loaded one could not be replaced."""
    at = content.find(b"hil-core-sha256:")
    return content[at + 16 : at + 80].decode("ascii", "replace") if at >= 0 else ""


def _declare(loaded: ctypes.PyDLL) -> None:
    core = c_void_p
    for name, result, arguments in (
        ("core_source_hash", c_char_p, []),
        ("core_size", c_uint32, []),
        ("core_tables_size", c_uint32, []),
        ("core_begin", None, [core]),
        ("core_forget", None, [core]),
        ("core_pages_changed", None, [core, c_uint32, c_uint64]),
        ("core_set_mpu", None, [core, c_uint32]),
        ("core_set_region", None, [core, c_uint32, c_uint32, c_uint32]),
        ("core_run", c_uint32, [core]),
        ("core_flush", None, [core, c_uint64, c_uint64]),
        ("core_bus_fault", None, [core, c_uint32, c_uint32]),
        ("core_pend", None, [core, c_uint32]),
        ("core_unpend", None, [core, c_uint64]),
        ("core_line", None, [core, c_uint32, c_uint32]),
        ("core_attend", None, [core]),
    ):
        function = getattr(loaded, name)
        function.restype = result
        function.argtypes = arguments


def function_address(function: Any) -> int:
    """The address of a foreign function, for handing it to other native code."""
    return ctypes.cast(function, c_void_p).value or 0


def buffer_address(buffer: Any) -> int:
    """The address of a writable buffer."""
    return ctypes.addressof(c_uint8.from_buffer(buffer))
