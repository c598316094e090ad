"""The debug registers that a probe reaches through the AHB-AP: halting debug, FPB, DWT comparators, ROM table.

ARMv7-M Architecture Reference Manual (DDI 0403E): C1.6 debug registers, C1.8 DWT, C1.11 FPB; the component
identifiers and the numbers of comparators are the Cortex-M4's (DDI 0439). DWT's CYCCNT, which firmware uses as a
clock, is with the System Control Space in scs.py.
"""

from __future__ import annotations

from hil.virtual.soc.bus import Bus
from hil.virtual.soc.cpu import Cpu, HaltReason, Watchpoint

SCS_BASE = 0xE000_E000
DWT_BASE = 0xE000_1000
FPB_BASE = 0xE000_2000
ROM_TABLE_BASE = 0xE00F_F000
CHIP_ID_BASE = 0xF000_0000
"""Firmware of the years before FICR told the revision reads the chip's identification here: PID0 and PID1 at 0xFE0
and 0xFE4 for the part, PID2 and PID3 at 0xFE8 and 0xFEC for the revision (Nordic's start-up files and its nRF5 SDK;
`did` to `cid3` in register headers made from the debug description). Assumed: that they are those of the ROM table.
"""

DFSR = SCS_BASE + 0xD30
DHCSR = SCS_BASE + 0xDF0
DCRSR = SCS_BASE + 0xDF4
DCRDR = SCS_BASE + 0xDF8
DEMCR = SCS_BASE + 0xDFC

DEBUG_KEY = 0xA05F
C_DEBUGEN, C_HALT, C_STEP, C_MASKINTS = 1 << 0, 1 << 1, 1 << 2, 1 << 3
S_REGRDY, S_HALT, S_SLEEP, S_LOCKUP = 1 << 16, 1 << 17, 1 << 18, 1 << 19
S_RETIRE_ST, S_RESET_ST = 1 << 24, 1 << 25

DFSR_HALTED, DFSR_BKPT, DFSR_DWTTRAP, DFSR_VCATCH = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_DFSR_OF = {
    HaltReason.REQUEST: DFSR_HALTED,
    HaltReason.STEP: DFSR_HALTED,
    HaltReason.BREAKPOINT: DFSR_BKPT,
    HaltReason.WATCHPOINT: DFSR_DWTTRAP,
    HaltReason.VECTOR_CATCH: DFSR_VCATCH,
}

VC_CORERESET = 1 << 0
_DEMCR_WRITABLE = 0x010F_07F1
# DEMCR bit to exception number: the three kinds of UsageFault share one.
_VECTOR_CATCH = {4: 4, 5: 6, 6: 6, 7: 6, 8: 5, 10: 3}

CODE_COMPARATORS, LITERAL_COMPARATORS = 6, 2
FPB_CTRL_RESET = LITERAL_COMPARATORS << 8 | CODE_COMPARATORS << 4
FPB_ENABLE, FPB_KEY = 1 << 0, 1 << 1

DWT_COMPARATORS = 4
DWT_MASK_MAX = 0xF
FUNCTION_PC, FUNCTION_READ, FUNCTION_WRITE, FUNCTION_ACCESS = 4, 5, 6, 7
DWT_MATCHED = 1 << 24


def component_ids(part: int, component_class: int, revision: int = 0) -> dict[int, int]:
    """The CoreSight identification registers of a component by Arm, by offset (IHI 0029, B2.2)."""
    values = {0xFD0: 0x04, 0xFE0: part & 0xFF, 0xFE4: 0xB0 | part >> 8, 0xFE8: revision << 4 | 0xB}
    for index, byte in enumerate((0x0D, component_class << 4, 0x05, 0xB1)):
        values[0xFF0 + 4 * index] = byte
    return values


_GENERIC, _ROM_TABLE = 0xE, 0x1
PERIPHERAL_ID = 0xFD0
"""Offset of the first of a component's identification registers, PID4."""

# Offsets of SCS, DWT, FPB, ITM, TPIU and ETM from the ROM table. An entry without its lowest bit says "not present":
# trace is not modelled, and a debugger that saw its components would set them up.
ROM_TABLE = {
    0x00: 0xFFF0_F003,
    0x04: 0xFFF0_2003,
    0x08: 0xFFF0_3003,
    0x0C: 0xFFF0_1002,
    0x10: 0xFFF4_1002,
    0x14: 0xFFF4_2002,
    0x18: 0,
    0xFCC: 1,
    # Designer: bank 2, code 0x44 (Nordic Semiconductor), part 8: how debuggers recognise an nRF52840.
    **component_ids(0x008, _ROM_TABLE),
    0xFE4: 0x40,
    0xFE8: 0x0C,
    0xFD0: 0x02,
}


class ReadOnly:
    """Identification registers: a table of values, zero elsewhere, writes ignored."""

    def __init__(self, values: dict[int, int], base: int = 0) -> None:
        self._values = values
        self._base = base

    def read(self, offset: int, size: int) -> int:
        """The value at `offset`, narrowed to `size` bytes."""
        return _narrow(self._values.get(self._base + (offset & ~3), 0), offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """Ignored."""


class CoreSight:
    """The debug registers of one CPU, attached to its bus.

    It takes over `cpu.on_halt`. The owner calls `power_on_reset` when power comes and `core_reset` at each reset of
    the core, which leaves breakpoints and vector catch alone, as on the chip.
    """

    def __init__(self, cpu: Cpu, bus: Bus) -> None:
        self._cpu = cpu
        cpu.on_halt = self._on_halt
        self.power_on_reset()
        for address, read, write in (
            (DFSR, self._read_dfsr, self._write_dfsr),
            (DHCSR, self._read_dhcsr, self._write_dhcsr),
            (DCRSR, _zero, self._write_dcrsr),
            (DCRDR, self._read_dcrdr, self._write_dcrdr),
            (DEMCR, self._read_demcr, self._write_demcr),
            (DWT_BASE, self._read_dwt_control, self._write_dwt_control),
        ):
            bus.register(address, read, write)
        bus.attach(FPB_BASE, 0x28, FlashPatch(self))
        bus.attach(DWT_BASE + 0x20, 0x10 * DWT_COMPARATORS, Comparators(self))
        for base, part in ((SCS_BASE, 0x00C), (DWT_BASE, 0x002), (FPB_BASE, 0x003)):
            bus.attach(base + 0xFC0, 0x40, ReadOnly(component_ids(part, _GENERIC), 0xFC0))
        bus.attach(ROM_TABLE_BASE, 0x1000, ReadOnly(ROM_TABLE))
        bus.attach(
            CHIP_ID_BASE, 0x1000, ReadOnly({at: id for at, id in ROM_TABLE.items() if at >= PERIPHERAL_ID})
        )

    # ---- Life ----

    def power_on_reset(self) -> None:
        """Power came up: no debugger is there."""
        self._control = 0
        self._demcr = 0
        self._dfsr = 0
        self._dcrdr = 0
        self._register_ready = True
        self._reset_seen = True
        self._retired = True
        self._dwt_control = 0
        self.fpb_enabled = False
        self.fpb_compare = [0] * (CODE_COMPARATORS + LITERAL_COMPARATORS)
        self.fpb_remap = 0
        self.dwt_compare = [0] * DWT_COMPARATORS
        self.dwt_mask = [0] * DWT_COMPARATORS
        self.dwt_function = [0] * DWT_COMPARATORS
        self.dwt_matched = [False] * DWT_COMPARATORS
        self._apply_control()
        self.apply_comparators()

    def core_reset(self) -> None:
        """The core was reset: DHCSR tells it once, C_HALT and C_STEP are cleared."""
        self._reset_seen = True
        self._retired = False
        self._control &= C_DEBUGEN | C_MASKINTS
        self._register_ready = True

    @property
    def debug_enabled(self) -> bool:
        """DHCSR.C_DEBUGEN: a debugger took the core under control."""
        return bool(self._control & C_DEBUGEN)

    @property
    def stepping(self) -> bool:
        """A single step that a debugger asked for is not over yet."""
        return bool(self._control & C_STEP) and not self._cpu.halted

    _STATE = (
        *(
            "_control",
            "_demcr",
            "_dfsr",
            "_dcrdr",
            "_register_ready",
            "_reset_seen",
            "_retired",
            "_dwt_control",
        ),
        *(
            "fpb_enabled",
            "fpb_compare",
            "fpb_remap",
            "dwt_compare",
            "dwt_mask",
            "dwt_function",
            "dwt_matched",
        ),
    )

    def save(self) -> object:
        """A copy of all registers; the CPU saves its own halt state and comparators."""
        return tuple(_copied(getattr(self, name)) for name in self._STATE)

    def restore(self, state: object) -> None:
        """Return to a copy that `save` gave."""
        assert isinstance(state, tuple)
        for name, value in zip(self._STATE, state, strict=True):
            setattr(self, name, _copied(value))

    # ---- Halting ----

    def _on_halt(self, reason: HaltReason) -> None:
        self._dfsr |= _DFSR_OF[reason]
        self._control = self._control & ~C_STEP | C_HALT
        self._retired = True
        if reason is HaltReason.WATCHPOINT:
            hits = self._cpu.watchpoint_hits
            for position, index in enumerate(self._data_comparators()):
                self.dwt_matched[index] |= bool(hits >> position & 1)

    def _read_dhcsr(self) -> int:
        cpu = self._cpu
        value = self._control
        value |= S_REGRDY if self._register_ready else 0
        value |= S_HALT if cpu.halted else 0
        value |= S_SLEEP if cpu.sleeping and not cpu.halted else 0
        value |= S_LOCKUP if cpu.lockup else 0
        value |= S_RETIRE_ST if self._retired else 0
        value |= S_RESET_ST if self._reset_seen else 0
        if not cpu.in_access:  # both are cleared by the debugger's read alone
            self._reset_seen = False
            # Between this read and the next one a running core will have retired instructions.
            self._retired = not (cpu.halted or cpu.held_in_reset or cpu.sleeping or cpu.lockup)
        return value

    def _write_dhcsr(self, value: int) -> None:
        if value >> 16 != DEBUG_KEY or self._cpu.in_access:
            return  # software cannot enable debug, and C_HALT is nothing without it
        before, self._control = self._control, value & (C_DEBUGEN | C_HALT | C_STEP | C_MASKINTS)
        if not self._control & C_DEBUGEN:
            self._control = 0
        self._apply_control()
        halt = bool(self._control & C_HALT)
        if halt and not self._cpu.halted:
            self._control |= before & C_STEP
            self._cpu.debug_halt(HaltReason.REQUEST)
        elif self._cpu.halted and not halt:
            self._retired = True
            if self._control & C_STEP:
                self._cpu.debug_step()
            else:
                self._cpu.debug_resume()

    def _apply_control(self) -> None:
        """Bring the CPU in line with C_DEBUGEN, C_MASKINTS and the vector catch bits."""
        enabled = self.debug_enabled
        changed = self._cpu.debug_enabled != enabled
        self._cpu.debug_enabled = enabled
        self._cpu.mask_interrupts = enabled and bool(self._control & C_MASKINTS)
        self._cpu.reset_catch = enabled and bool(self._demcr & VC_CORERESET)
        caught = {number for bit, number in _VECTOR_CATCH.items() if self._demcr >> bit & 1}
        # Without halting debug these bits do nothing: firmware writes DEMCR too, for its cycle counter.
        if enabled or changed:
            self._cpu.vector_catch = sum(1 << number for number in caught) if enabled else 0
        if changed:
            self.apply_comparators()

    # ---- Core registers ----

    def _write_dcrsr(self, value: int) -> None:
        if self._cpu.in_access:
            return
        self._register_ready = self._cpu.halted
        if not self._cpu.halted:
            return  # the transfer waits for a halt that DCRSR does not bring: S_REGRDY stays clear
        number = value & 0x7F
        try:
            if value >> 16 & 1:
                self._cpu.write_register(number, self._dcrdr)
            else:
                self._dcrdr = self._cpu.read_register(number)
        except ValueError:
            self._dcrdr = 0  # architecturally unpredictable; no debugger relies on it

    def _read_dcrdr(self) -> int:
        return self._dcrdr

    def _write_dcrdr(self, value: int) -> None:
        self._dcrdr = value

    def _read_demcr(self) -> int:
        return self._demcr

    def _write_demcr(self, value: int) -> None:
        self._demcr = value & _DEMCR_WRITABLE
        self._apply_control()

    def _read_dfsr(self) -> int:
        return self._dfsr

    def _write_dfsr(self, value: int) -> None:
        self._dfsr &= ~value

    # ---- Comparators ----

    def _read_dwt_control(self) -> int:
        return DWT_COMPARATORS << 28 | self._dwt_control

    def _write_dwt_control(self, value: int) -> None:
        self._dwt_control = value & 0x003F_1FFF

    def _data_comparators(self) -> list[int]:
        """DWT comparators that watch data, in the order in which the CPU gets them."""
        kinds = (FUNCTION_READ, FUNCTION_WRITE, FUNCTION_ACCESS)
        return [index for index, function in enumerate(self.dwt_function) if function in kinds]

    def apply_comparators(self) -> None:
        """Give the CPU its breakpoints and watchpoints; none while debug is disabled."""
        if self._cpu.in_access:
            return  # firmware debugging itself: the debug monitor is not modelled
        active = self.debug_enabled
        self._cpu.breakpoints = self._break_addresses() if active else ()
        watched = [self._watchpoint(index) for index in self._data_comparators()] if active else []
        if tuple(watched) != self._cpu.watchpoints:
            self._cpu.watchpoints = watched

    def _watchpoint(self, index: int) -> Watchpoint:
        function, length = self.dwt_function[index], 1 << self.dwt_mask[index]
        base = self.dwt_compare[index] & ~(length - 1)
        reads, writes = function != FUNCTION_WRITE, function != FUNCTION_READ
        return Watchpoint(base, length, reads, writes)

    def _break_addresses(self) -> set[int]:
        addresses = {
            self.dwt_compare[index] & ~1
            for index, function in enumerate(self.dwt_function)
            if function == FUNCTION_PC
        }
        if self.fpb_enabled:
            for compare in self.fpb_compare[:CODE_COMPARATORS]:
                if compare & 1:
                    base, replace = compare & 0x1FFF_FFFC, compare >> 30
                    addresses |= {base} if replace & 1 else set()
                    addresses |= {base + 2} if replace & 2 else set()
        return addresses


class FlashPatch:
    """FPB registers (C1.11): version 1, six code and two literal comparators; remapping is not modelled."""

    def __init__(self, debug: CoreSight) -> None:
        self._debug = debug

    def read(self, offset: int, size: int) -> int:
        """FP_CTRL, FP_REMAP or FP_COMPn."""
        debug = self._debug
        if offset & ~3 == 0:
            value = FPB_CTRL_RESET | (FPB_ENABLE if debug.fpb_enabled else 0)
        elif offset & ~3 == 4:
            value = debug.fpb_remap
        else:
            value = debug.fpb_compare[(offset - 8) // 4]
        return _narrow(value, offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """FP_CTRL takes its enable bit only with the key."""
        debug = self._debug
        if size != 4:
            return
        if offset == 0:
            if value & FPB_KEY:
                debug.fpb_enabled = bool(value & FPB_ENABLE)
        elif offset == 4:
            debug.fpb_remap = value & 0x1FFF_FFE0
        else:
            debug.fpb_compare[(offset - 8) // 4] = value & 0xDFFF_FFFD
        debug.apply_comparators()


class Comparators:
    """DWT_COMPn, DWT_MASKn and DWT_FUNCTIONn (C1.8)."""

    def __init__(self, debug: CoreSight) -> None:
        self._debug = debug

    def read(self, offset: int, size: int) -> int:
        """Reading FUNCTION clears its MATCHED bit."""
        debug, index, register = self._debug, offset // 16, offset % 16 & ~3
        if register == 0:
            value = debug.dwt_compare[index]
        elif register == 4:
            value = debug.dwt_mask[index]
        elif register == 8:
            value = debug.dwt_function[index] | (DWT_MATCHED if debug.dwt_matched[index] else 0)
            debug.dwt_matched[index] = False
        else:
            value = 0
        return _narrow(value, offset, size)

    def write(self, offset: int, size: int, value: int) -> None:
        """Store one register and bring the CPU's comparators in line."""
        if size != 4:
            return
        debug, index, register = self._debug, offset // 16, offset % 16
        if register == 0:
            debug.dwt_compare[index] = value
        elif register == 4:
            debug.dwt_mask[index] = value & DWT_MASK_MAX
        elif register == 8:
            debug.dwt_function[index] = value & 0xF
        debug.apply_comparators()


def _narrow(value: int, offset: int, size: int) -> int:
    return value >> 8 * (offset & 3) & ((1 << 8 * size) - 1)


def _copied(value: object) -> object:
    return list(value) if isinstance(value, list) else value


def _zero() -> int:
    return 0
