"""The Cortex-M4F of the nRF52840: Unicorn executes, the native core steps it, this file joins both.

What the architecture does per instruction or exception is native (native/core.c, exceptions.c); the
registers of the System Control Space are in scs.py. Here are the life of the CPU (power, reset, sleep,
halt) and the paths between it, the bus and the kernel.
"""

from __future__ import annotations

import ctypes
import enum
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Protocol

from unicorn import arm_const as arm

from hil.errors import BenchError
from hil.virtual.kernel import Kernel
from hil.virtual.native import core as native
from hil.virtual.native.core import TICKS_PER_INSTRUCTION
from hil.virtual.soc import registers
from hil.virtual.soc.engines import Engines
from hil.virtual.soc.memory import (
    FLASH_BASE,
    FLASH_PAGE,
    FLASH_SIZE,
    BusFault,
    Memory,
)
from hil.virtual.soc.nvm import PAGES, Nvm
from hil.virtual.soc.register_block import RegisterBlock

RESET_ENABLED = 1 << 1 | 1 << 2 | 1 << 3 | 1 << 11 | 1 << 14 | 1 << 15
FPCCR_RESET = 0xC000_0000  # ASPEN, LSPEN
CCR_RESET = 0x0000_0200  # STKALIGN
CCR_UNALIGN_TRP = 1 << 3


class AccessPort(Protocol):
    """What the CPU needs of the bus (see bus.py)."""

    steady: set[int]
    """Addresses of words whose value changes only by what models and events do, not with time alone."""

    def read(self, address: int, size: int) -> int: ...

    def write(self, address: int, size: int, value: int) -> None: ...


class HaltReason(enum.IntEnum):
    """Why the CPU entered debug state, as DFSR and DHCSR tell it."""

    REQUEST = native.HALT_REQUEST
    BREAKPOINT = native.HALT_BREAKPOINT
    WATCHPOINT = native.HALT_WATCHPOINT
    STEP = native.HALT_STEP
    VECTOR_CATCH = native.HALT_CATCH


class Watchpoint(NamedTuple):
    """A range of addresses; an access that touches it halts the CPU after the instruction."""

    address: int
    length: int
    read: bool
    write: bool


def _nothing() -> None:
    """Nobody asked to be told."""


def _halted(reason: HaltReason) -> None:
    """No debugger is there."""


def _ignore_page(page: int) -> None:
    """Nobody watches."""


def _slept(asleep: bool) -> None:
    """Nobody asked to be told."""


class Cpu:
    """One Cortex-M4F on a kernel. It starts without power: see `power_on`.

    The owner sets the callbacks; they are called inside `Kernel.advance`, from between two
    instructions or, where said, from inside one.
    """

    def __init__(self, kernel: Kernel, memory: Memory, bus: AccessPort, *, name: str = "cpu") -> None:
        self.kernel = kernel
        self.memory = memory
        self.bus = bus
        self.name = name
        self.on_system_reset: Callable[[], None] = _nothing
        """AIRCR.SYSRESETREQ was written; called from inside the store. Set to reset the chip."""
        self.on_reset: Callable[[], None] = _nothing
        """The core was reset: the System Control Space goes back to its reset values."""
        self.on_lockup: Callable[[], None] = _nothing
        """The core locked up. If this does not reset it, it stays so."""
        self.on_halt: Callable[[HaltReason], None] = _halted
        """The core entered debug state."""
        self.on_sleep: Callable[[bool], None] = _slept
        """The core went to sleep in WFI or WFE (True), or woke up (False)."""
        self.on_first_read: Callable[[int], None] = _ignore_page
        """A watched flash page is read for the first time; called from inside the load."""
        self.reset_catch = False
        """DEMCR.VC_CORERESET: halt at the first instruction after a reset."""
        self.halted = False
        """In debug state (read only: see `debug_halt` and `debug_resume`)."""
        self.held_in_reset = False
        """Kept from running, as by a CTRL-AP or pin reset that is still asserted."""
        self._library = native.library()
        self._run = self._library.core_run
        self._core = native.Core()
        self._at = ctypes.addressof(self._core)
        self._error: BaseException | None = None
        self._reset_wanted = False
        self._asleep = False
        self._accesses_wanted = False
        self._watchpoints: tuple[Watchpoint, ...] = ()
        self._keep: list[Any] = []
        self.nvm = Nvm(self._core, self._protect_reads)
        self._engines = Engines(self._core, memory, name)
        self._engine = self._engines.blockwise
        self._registers = RegisterBlock()
        self._on_call: Callable[[int], bool] | None = None
        self._join()
        self._pristine = self._engine.context_save()
        self._reset_core()
        self._core.off = 1
        memory.on_change = self._drop_code
        kernel.attach(self)

    # -- the runner of the kernel ------------------------------------------------------------------

    @property
    def now(self) -> int:
        """The tick the next instruction starts at; inside an access, the tick this one started at."""
        core = self._core
        return int(core.ticks) - (TICKS_PER_INSTRUCTION if core.inside else 0)

    @property
    def idle(self) -> bool:
        """True when only an event can make it execute."""
        core = self._core
        return self._stopped() or bool(core.sleeping and not core.pending and not core.event)

    def run(self, until: int) -> None:
        """Execute up to tick `until` (called by the kernel). Raises what an access raised."""
        core, run, at = self._core, self._run, self._at
        core.hard = until
        while core.ticks < core.hard:
            if self._reset_wanted:
                self._reset_now()
            if self.halted or self.held_in_reset or core.lockup:
                core.ticks = core.hard
                return
            if self._accesses_wanted is not self._engines.watching:
                self._engines.watch(self._accesses_wanted)
            reason = run(at)
            if self._error is not None:
                error, self._error = self._error, None
                raise error
            if reason != native.LIMIT:
                self._answer(reason)
        if self._reset_wanted:
            self._reset_now()

    def _answer(self, reason: int) -> None:
        """What the native core stopped for, other than the end of the slice."""
        core = self._core
        if reason == native.SLEEP:
            self._tell_sleep(True)
            core.ticks = max(core.ticks, core.hard)
        elif reason == native.REQUEST:
            if not core.sleeping:
                self._tell_sleep(False)
            if (core.off or core.hung) and not self._reset_wanted:
                core.ticks = max(core.ticks, core.hard)
        elif reason == native.HALT:
            self._enter_debug(HaltReason(core.halt))
        elif reason == native.LOCKUP:
            self.on_lockup()
        elif reason == native.ERROR:
            raise BenchError(f"{self.name}: Unicorn error {core.engine_error} at 0x{core.pc:08x}")

    def _tell_sleep(self, asleep: bool) -> None:
        if asleep != self._asleep:
            self._asleep = asleep
            self.on_sleep(asleep)

    def limit_to(self, when: int) -> None:
        """End the run in progress before an instruction that would start at or after `when`."""
        core = self._core
        core.hard = min(core.hard, when)
        core.limit = min(core.limit, when)

    def _stopped(self) -> bool:
        core = self._core
        return bool(self.halted or self.held_in_reset or core.off or core.hung or core.lockup)

    # -- power and reset ---------------------------------------------------------------------------

    def power_on(self) -> None:
        """Power comes up: RAM holds noise, the core is reset and runs."""
        self.memory.lose_ram(self.kernel.random(f"{self.name}/ram"))
        self._core.off = 0
        self.reset()

    def power_off(self) -> None:
        """Power is gone: nothing executes from this instruction on. Safe inside an access."""
        self._core.off = 1
        self.halted = False
        self._library.core_attend(self._at)

    @property
    def powered(self) -> bool:
        return not self._core.off

    def reset(self) -> None:
        """Reset the core and fetch its vectors; RAM stays. Inside an access it is done right after it."""
        if self._core.inside:
            self._reset_wanted = True
            self._library.core_attend(self._at)
            self._core.request = 1
        else:
            self._reset_now()

    def _reset_now(self) -> None:
        self._reset_wanted = False
        self._reset_core()
        self.on_reset()
        if self.reset_catch and not self._core.off:
            self._enter_debug(HaltReason.VECTOR_CATCH)

    def _reset_core(self) -> None:
        """Reset values of ARMv7-M B1.5.5, then SP and PC from the vector table at 0."""
        core = self._core
        self._engine.context_restore(self._pristine)
        core.active = core.stall = 0
        core.pending = core.lines  # levels that are still high; peripherals are reset before the core
        core.enabled = RESET_ENABLED
        self._tell_sleep(False)
        for name in (
            "sleeping",
            "slept",
            "event",
            "lockup",
            "hung",
            "poll",
            "fault",
            "request",
            "halt",
            "step",
        ):
            setattr(core, name, 0)
        for name in ("vtor", "scr", "cfsr", "hfsr", "mmfar", "bfar", "fpcar", "watch_hit", "engine_error"):
            setattr(core, name, 0)
        for name in ("cpacr", "fpdscr", "exact", "replay_end", "abandoned", "undo_size"):
            setattr(core, name, 0)
        self._library.core_set_mpu(self._at, 0)
        for region in range(native.MPU_REGIONS):
            self._library.core_set_region(self._at, region, 0, 0)
        self.accesses_changed()
        core.group_mask, core.ccr, core.fpccr, core.thumb = 0xFF, CCR_RESET, FPCCR_RESET, 1
        core.priority[:] = [0, -3, -2, -1] + [0] * 60
        self.nvm.reset()
        self.halted = False
        stack, start = (int.from_bytes(self.memory.flash[at : at + 4], "little") for at in (0, 4))
        self._engine.reg_write(arm.UC_ARM_REG_SP, stack & ~3)
        self._engine.reg_write(arm.UC_ARM_REG_LR, 0xFFFF_FFFF)
        core.pc, core.thumb = start & ~1, start & 1

    # -- time, interrupts and faults, called by peripherals ------------------------------------------

    def stall(self, ticks: int) -> None:
        """Hold the CPU for a time; events in between still happen at their own times."""
        core = self._core
        if core.inside:
            core.stall += ticks
            core.limit = 0
        else:
            core.ticks += ticks

    def hang(self) -> None:
        """Stop executing until a reset."""
        self._core.hung = 1
        self._library.core_attend(self._at)

    def set_irq_line(self, irq: int, level: bool) -> None:
        """Drive the level of interrupt line `irq` (0 to 47); a high level pends until served."""
        self._library.core_line(self._at, 16 + irq, level)

    def pend(self, exception: int) -> None:
        """Pend an exception by its number (16 is interrupt 0)."""
        self._library.core_pend(self._at, exception)

    def unpend(self, exceptions: int) -> None:
        """Clear the pending state of a bitmap of exceptions; a level that is high stays pending."""
        self._library.core_unpend(self._at, exceptions)

    def attend(self) -> None:
        """Priorities or enables changed: look for an exception to take after this instruction."""
        self._library.core_attend(self._at)

    def set_mpu_control(self, control: int) -> None:
        """MPU_CTRL: ENABLE, HFNMIENA, PRIVDEFENA; in force from the next instruction on."""
        self._library.core_set_mpu(self._at, control)

    def set_mpu_region(self, region: int, base: int, attributes: int) -> None:
        """MPU_RBAR and MPU_RASR of region 0 to 7; in force from the next instruction on."""
        self._library.core_set_region(self._at, region, base, attributes)

    @property
    def active_exception(self) -> int:
        """IPSR: the number of the exception being handled, 0 in thread mode."""
        return int(self._engine.reg_read(arm.UC_ARM_REG_IPSR)) & 0x1FF

    def raise_bus_fault(self, address: int, write: bool) -> None:
        """Make the access in progress a precise BusFault. Raises RuntimeError outside an access."""
        if not self._core.inside:
            raise RuntimeError("no access of the CPU is in progress")
        kind = native.FAULT_BUS_WRITE if write else native.FAULT_BUS_READ
        self._library.core_bus_fault(self._at, address, kind)

    @property
    def in_access(self) -> bool:
        """True inside an access of the CPU: the bus is being read or written by an instruction."""
        return bool(self._core.inside)

    @property
    def sleeping(self) -> bool:
        """In WFI or WFE."""
        return bool(self._core.sleeping)

    @property
    def lockup(self) -> bool:
        return bool(self._core.lockup)

    @property
    def hung(self) -> bool:
        return bool(self._core.hung)

    @property
    def program_counter(self) -> int:
        """The address of the instruction in progress, or of the next one."""
        return int(self._core.address if self._core.inside else self._core.pc)

    def register_bytes(self) -> bytes:
        """R0 to R12, SP, LR and the flags of the engine that holds them now, and the program counter, for
        comparing.
        """
        return self._registers.read(self._core.engine) + self.program_counter.to_bytes(4, "little")

    @property
    def exceptions_taken(self) -> int:
        return int(self._core.taken)

    @property
    def latest_fault(self) -> tuple[int, int, int]:
        """(exception, address of its frame or 0 if none could be pushed, EXC_RETURN) of the latest fault
        handler.
        """
        core = self._core
        return int(core.fault_exception), int(core.fault_frame), int(core.fault_return)

    @property
    def instructions(self) -> int:
        """Instructions executed since it was made, with those that an IT block skipped."""
        return int(self._core.instructions)

    @property
    def slices(self) -> int:
        """How often an engine was started for them."""
        return int(self._core.slices)

    # -- debug state -------------------------------------------------------------------------------

    @property
    def debug_enabled(self) -> bool:
        """DHCSR.C_DEBUGEN: BKPT halts instead of faulting."""
        return bool(self._core.debug_enabled)

    @debug_enabled.setter
    def debug_enabled(self, enabled: bool) -> None:
        self._core.debug_enabled = int(enabled)

    @property
    def mask_interrupts(self) -> bool:
        """DHCSR.C_MASKINTS: PendSV, SysTick and external interrupts are not taken."""
        return bool(self._core.mask_interrupts)

    @mask_interrupts.setter
    def mask_interrupts(self, masked: bool) -> None:
        self._core.mask_interrupts = int(masked)

    @property
    def vector_catch(self) -> int:
        """Bitmap of the exception numbers whose entry halts (DEMCR.VC_*)."""
        return int(self._core.catch_mask)

    @vector_catch.setter
    def vector_catch(self, exceptions: int) -> None:
        self._core.catch_mask = exceptions

    @property
    def watchpoint_hits(self) -> int:
        """Bitmap of the watchpoints that caused the latest halt for one."""
        return int(self._core.watched)

    def debug_halt(self, reason: HaltReason = HaltReason.REQUEST) -> None:
        """Enter debug state before the next instruction."""
        if self.halted or self._core.off:
            return
        if self._core.inside:
            self._core.halt = int(reason)
            self._library.core_attend(self._at)
        else:
            self._enter_debug(reason)

    def debug_resume(self) -> None:
        """Leave debug state; execution goes on when time does."""
        self._core.halt = self._core.step = 0
        self.halted = False

    def debug_step(self) -> None:
        """Execute one instruction when time goes on, then halt with HaltReason.STEP."""
        if not self.halted:
            raise RuntimeError("step of a CPU that is not halted")
        self._core.halt, self._core.step, self._core.stepped = 0, 1, 0
        self.halted = False

    def _enter_debug(self, reason: HaltReason) -> None:
        self._core.halt = self._core.step = 0
        self._core.lockup = 0
        self.halted = True
        self.on_halt(reason)

    def read_register(self, number: int) -> int:
        """A core register by DCRSR number (C1.6.3). Raises ValueError for a number there is not."""
        return registers.read(self._engine, self._core, number)

    def write_register(self, number: int, value: int) -> None:
        """Set a core register by DCRSR number. Raises ValueError for a number there is not."""
        registers.write(self._engine, self._core, number, value & 0xFFFF_FFFF)

    @property
    def breakpoints(self) -> frozenset[int]:
        """Addresses in front of which the CPU halts."""
        return frozenset(self._core.breakpoint[: self._core.breakpoints])

    @breakpoints.setter
    def breakpoints(self, addresses: Iterable[int]) -> None:
        chosen = sorted({address & ~1 for address in addresses})
        if len(chosen) > native.MAX_BREAKPOINTS:
            raise ValueError(f"{len(chosen)} breakpoints, at most {native.MAX_BREAKPOINTS}")
        for index, address in enumerate(chosen):
            self._core.breakpoint[index] = address
        self._core.breakpoints = len(chosen)

    @property
    def watchpoints(self) -> tuple[Watchpoint, ...]:
        """The data watchpoints; set it while the CPU is between slices. They cost speed while there are
        any.
        """
        return self._watchpoints

    @watchpoints.setter
    def watchpoints(self, points: Iterable[Watchpoint]) -> None:
        chosen = tuple(points)
        if len(chosen) > native.MAX_WATCHPOINTS:
            raise ValueError(f"{len(chosen)} watchpoints, at most {native.MAX_WATCHPOINTS}")
        if self._core.inside:
            raise RuntimeError("watchpoints cannot change inside an access of the CPU")
        for index, point in enumerate(chosen):
            kind = (1 if point.read else 0) | (2 if point.write else 0)
            self._core.watchpoint[index] = native.WatchpointStruct(point.address, point.length, kind)
        self._watchpoints = chosen
        self._core.watchpoints = len(chosen)
        self.accesses_changed()

    # -- save and restore --------------------------------------------------------------------------

    def save(self) -> object:
        """Registers, exceptions and clock; the memories are saved by Memory. Not inside an access."""
        flags = (self.halted, self.held_in_reset, self.reset_catch, self._reset_wanted, self._asleep)
        return self._engine.context_save(), bytes(self._core), flags, self._watchpoints, self.nvm.save()

    def restore(self, state: object) -> None:
        """Return to a state this very CPU saved."""
        assert isinstance(state, tuple)
        context, core, flags, watchpoints, nvm = state
        self._engine.context_restore(context)
        ctypes.memmove(self._at, core, len(core))
        self.halted, self.held_in_reset, self.reset_catch, self._reset_wanted, self._asleep = flags
        self.watchpoints = watchpoints
        self.nvm.restore(nvm)
        self._engines.forget()

    # -- joining the engine, the core and the bus ----------------------------------------------------

    def _join(self) -> None:
        """Give the native core its callbacks, which have to live as long as it does."""
        core = self._core
        core.bus_read = native.BUS_READ(self._bus_read)
        core.bus_write = native.BUS_WRITE(self._bus_write)
        core.on_nvm_stop = native.NVM_STOP(self._nvm_stop)
        core.on_nvm_excess = native.NVM_EXCESS(self._nvm_excess)
        core.on_first_read = native.FIRST_READ(self._first_read)
        core.on_call = native.CALL(self._call)
        core.nvm_writes = native.buffer_address(self.nvm.counts.counts)
        self._keep += [
            core.bus_read,
            core.bus_write,
            core.on_nvm_stop,
            core.on_nvm_excess,
            core.on_call,
            core.on_first_read,
        ]

    def take_stores(self, index: int, latch: native.Latch) -> None:
        """Let the native core serve a latch (native.LATCH_*); it does so while the latch is `direct`."""
        self._keep.append(latch)
        self._core.latch[index] = ctypes.addressof(latch)

    def accesses_changed(self) -> None:
        """Watchpoints or CCR.UNALIGN_TRP changed: whether each load and store is looked at."""
        self._accesses_wanted = bool(self._watchpoints or self._core.ccr & CCR_UNALIGN_TRP)
        if self._core.inside:
            self._core.request = 1
            self._library.core_attend(self._at)

    def _bus_read(self, address: int, size: int) -> int:
        """Called by the native core; an exception must not leave it, ctypes would drop it."""
        try:
            value = self.bus.read(address, size)
            if address in self.bus.steady:
                self._core.keep = 1
            return value
        except BusFault:
            self._library.core_bus_fault(self._at, address, native.FAULT_BUS_READ)
        except BaseException as error:
            self._keep_error(error)
        return 0

    def _bus_write(self, address: int, size: int, value: int) -> None:
        try:
            self.bus.write(address, size, value)
        except BusFault:
            self._library.core_bus_fault(self._at, address, native.FAULT_BUS_WRITE)
        except BaseException as error:
            self._keep_error(error)

    def _nvm_stop(self) -> None:
        try:
            self.nvm.on_stop()
        except BaseException as error:
            self._keep_error(error)

    def _first_read(self, page: int) -> None:
        try:
            self.on_first_read(page)
        except BaseException as error:
            self._keep_error(error)

    def watch_reads(self, pages: int) -> None:
        """Watch these flash pages, a bit each: `on_first_read` is called at the first read of each of them,
        and the CPU hangs in front of the first instruction in one, with `reached` set. Not inside an
        access.
        """
        for index in range(PAGES // 64):
            self._core.read_watch[index] = pages >> 64 * index & (1 << 64) - 1
            self._core.read_seen[index] = 0
        self._core.reached = 0
        self._library.core_pages_changed(self._at, FLASH_BASE, FLASH_SIZE)

    @property
    def reached(self) -> bool:
        """The CPU hangs in front of an instruction in a watched page."""
        return bool(self._core.reached)

    def hook_calls(self, on_call: Callable[[int], bool] | None, count: int) -> None:
        """Ask `on_call` about each BKPT instruction that is executed, by its address; True: it was taken care
        of.

        It may change registers (`write_register`), where execution goes on (`go_to`) and memory. `count` is
        the number of such instructions in place, 0 for none; the owner has put them there.
        """
        self._on_call = on_call
        self._core.call_hooks = count

    def _call(self, address: int) -> int:
        try:
            return int(self._on_call is not None and self._on_call(address))
        except BaseException as error:
            self._keep_error(error)
            return 1

    def note_reads(self, address: int, size: int) -> None:
        """Count a read of memory that was made for the program as its own (`watch_reads`)."""
        if address >= FLASH_SIZE or not size:
            return
        core = self._core
        for page in range(address // FLASH_PAGE, min((address + size - 1) // FLASH_PAGE + 1, PAGES)):
            index, bit = page // 64, 1 << page % 64
            if core.read_watch[index] & bit and not core.read_seen[index] & bit:
                core.read_seen[index] |= bit
                self.on_first_read(page)

    def go_to(self, address: int) -> None:
        """Go on at this address; its lowest bit is 1 for Thumb, as in a function pointer."""
        self._core.pc, self._core.thumb = address & ~1, address & 1

    def _nvm_excess(self, address: int) -> None:
        try:
            self.nvm.counts.on_excess(address)
        except BaseException as error:
            self._keep_error(error)

    def _keep_error(self, error: BaseException) -> None:
        """Stop after this instruction; `run` raises the error."""
        if self._error is None:
            self._error = error
        self._core.request = 1
        self._library.core_attend(self._at)

    def _drop_code(self, address: int, length: int) -> None:
        self._library.core_flush(self._at, address, address + length)
        if self._core.inside:
            self._library.core_attend(self._at)

    def _protect_reads(self, pages: int) -> None:
        """Applied right after the access in progress."""
        for index in range(PAGES // 64):
            self._core.read_protect[index] = pages >> 64 * index & (1 << 64) - 1
        self._library.core_pages_changed(self._at, FLASH_BASE, FLASH_SIZE)
