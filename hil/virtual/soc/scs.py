"""System Control Space (ARMv7-M Architecture Reference Manual, B3.2 to B3.5): NVIC, SCB, SysTick, MPU
and FPU registers, and the DWT cycle counter.

The state that decides about exceptions lives in the native core; here it meets the bus. The debug
registers, FPB and the DWT comparators are in coresight.py.
"""

from __future__ import annotations

from functools import partial

from hil.virtual.kernel import TICKS_PER_CPU_CYCLE
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.cpu import Cpu
from hil.virtual.soc.systick import SysTick

WORD = 0xFFFF_FFFF
PRIORITY_BITS = 0xE0
"""The nRF52840 implements the top three bits of each priority."""
INTERRUPTS = 48
NMI, HARD_FAULT, MEM_MANAGE, BUS_FAULT, USAGE_FAULT, SVCALL, MONITOR, PENDSV, SYSTICK = (
    *range(2, 7),
    11,
    12,
    14,
    15,
)

# Registers that only identify the core (Cortex-M4 TRM, tables 4-1 and 7-2).
CONSTANTS = {
    0xE000_E004: 1,  # ICTR: up to 64 interrupt lines
    0xE000_ED00: 0x410F_C241,  # CPUID: Cortex-M4 r0p1
    0xE000_ED40: 0x30,  # ID_PFR0
    0xE000_ED44: 0x200,
    0xE000_ED48: 0x0010_0000,  # ID_DFR0
    0xE000_ED4C: 0,
    0xE000_ED50: 0x0010_0030,  # ID_MMFR0
    0xE000_ED54: 0,
    0xE000_ED58: 0x0100_0000,
    0xE000_ED5C: 0,
    0xE000_ED60: 0x0110_1110,  # ID_ISAR0
    0xE000_ED64: 0x0211_2000,
    0xE000_ED68: 0x2123_2231,
    0xE000_ED6C: 0x0111_1131,
    0xE000_ED70: 0x0131_0102,
    0xE000_ED78: 0,  # CLIDR: no cache of the architecture
    0xE000_ED7C: 0x8000_C000,  # CTR
    0xE000_ED90: 8 << 8,  # MPU_TYPE: eight regions
    0xE000_EF40: 0x1011_0021,  # MVFR0
    0xE000_EF44: 0x1100_0011,  # MVFR1
    0xE000_EF48: 0,
}
# Registers that keep what is written, with their writable bits and reset values.
STORED = {
    0xE000_E008: (0x0000_0307, 0),  # ACTLR
    0xE000_ED3C: (WORD, 0),  # AFSR
}
# SHCSR: bit of the state, by exception (B3.2.13).
_SHCSR_ACTIVE = {
    MEM_MANAGE: 0,
    BUS_FAULT: 1,
    USAGE_FAULT: 3,
    SVCALL: 7,
    MONITOR: 8,
    PENDSV: 10,
    SYSTICK: 11,
}
_SHCSR_PENDING = {USAGE_FAULT: 12, MEM_MANAGE: 13, BUS_FAULT: 14, SVCALL: 15}
_SHCSR_ENABLED = {MEM_MANAGE: 16, BUS_FAULT: 17, USAGE_FAULT: 18}

AIRCR_KEY, AIRCR_KEY_READ = 0x05FA, 0xFA05
SYSRESETREQ, VECTCLRACTIVE, VECTRESET = 1 << 2, 1 << 1, 1 << 0


class SystemControl:
    """The private peripherals of one core, on its bus."""

    def __init__(self, cpu: Cpu, bus: Bus) -> None:
        self.cpu = cpu
        self._core = cpu._core
        self._stored: dict[int, int] = {}
        self._mpu_number = 0
        self._prigroup = 0
        self._cycles_from = 0
        self.systick = SysTick(cpu.kernel, partial(cpu.pend, SYSTICK))
        cpu.on_reset = self.reset
        self._attach(bus)
        self.reset()

    def _attach(self, bus: Bus) -> None:
        for address, value in CONSTANTS.items():
            bus.register(address, partial(_constant, value), _ignore)
        for address, (mask, _) in STORED.items():
            bus.register(
                address, partial(self._stored.__getitem__, address), partial(self._store, address, mask)
            )
        # The lines that the chip does not have read as zero (B3.4); boot loaders clear the whole set.
        for words in (0xE000_E100, 0xE000_E180, 0xE000_E200, 0xE000_E280, 0xE000_E300):
            for at in range(4 * ((INTERRUPTS + 31) // 32), 0x40, 4):
                bus.register(words + at, _zero, _ignore)
        for at in range(INTERRUPTS, 4 * 124, 4):
            bus.register(0xE000_E400 + at, _zero, _ignore)
        for word in range((INTERRUPTS + 31) // 32):
            at = 4 * word
            bus.register(0xE000_E100 + at, partial(self._enabled, word), partial(self._enable, word))
            bus.register(0xE000_E180 + at, partial(self._enabled, word), partial(self._disable, word))
            bus.register(0xE000_E200 + at, partial(self._pending, word), partial(self._pend, word))
            bus.register(0xE000_E280 + at, partial(self._pending, word), partial(self._unpend, word))
            bus.register(0xE000_E300 + at, partial(self._active, word), _ignore)
        for first in range(0, INTERRUPTS, 4):
            self._register_priorities(bus, 0xE000_E400 + first, 16 + first)
        for first in (4, 8, 12):
            self._register_priorities(bus, 0xE000_ED14 + first, first)
        core_register = partial(self._register_core, bus)
        core_register(0xE000_ED08, "vtor", 0xFFFF_FF80)
        core_register(0xE000_ED10, "scr", 0x16)
        bus.register(0xE000_ED14, partial(getattr, self._core, "ccr"), self._write_ccr)
        core_register(0xE000_ED88, "cpacr", 0x00F0_0000)  # CP10 and CP11: the FPU
        core_register(0xE000_ED34, "mmfar", WORD)
        core_register(0xE000_ED38, "bfar", WORD)
        core_register(0xE000_EF34, "fpccr", 0xC000_017B)
        core_register(0xE000_EF38, "fpcar", 0xFFFF_FFF8)
        core_register(0xE000_EF3C, "fpdscr", 0x07C0_0000)
        bus.register(0xE000_ED28, partial(getattr, self._core, "cfsr"), partial(self._clear, "cfsr"))
        bus.register(0xE000_ED2C, partial(getattr, self._core, "hfsr"), partial(self._clear, "hfsr"))
        bus.register(0xE000_ED04, self._icsr, self._write_icsr)
        bus.register(0xE000_ED0C, self._aircr, self._write_aircr)
        bus.register(0xE000_ED24, self._shcsr, self._write_shcsr)
        bus.register(0xE000_EF00, _zero, self._trigger)
        bus.register(0xE000_E010, self.systick.read_control, self.systick.write_control)
        bus.register(0xE000_E014, self.systick.read_reload, self.systick.write_reload)
        bus.register(0xE000_E018, self.systick.read_current, self.systick.write_current)
        bus.register(0xE000_E01C, self.systick.read_calibration, _ignore)
        self._attach_mpu(bus)
        bus.register(0xE000_1004, self.cycle_count, self.set_cycle_count)

    def _register_priorities(self, bus: Bus, address: int, first: int) -> None:
        bus.register(address, partial(self._priorities, first), partial(self._prioritise, first))

    def _register_core(self, bus: Bus, address: int, field: str, mask: int) -> None:
        bus.register(address, partial(getattr, self._core, field), partial(self._set_core, field, mask))

    def reset(self) -> None:
        """Reset values; the core's own fields were reset by Cpu."""
        for address, (_, value) in STORED.items():
            self._stored[address] = value
        self._mpu_number = self._prigroup = 0
        self.systick.reset()

    def save(self) -> object:
        return dict(self._stored), self._mpu_number, self._prigroup, self._cycles_from, self.systick.save()

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        stored, self._mpu_number, self._prigroup, self._cycles_from, systick = state
        self._stored.update(stored)
        self.systick.restore(systick)

    # -- registers that are fields -------------------------------------------------------------------

    def _store(self, address: int, mask: int, value: int) -> None:
        self._stored[address] = value & mask

    def _set_core(self, field: str, mask: int, value: int) -> None:
        setattr(self._core, field, value & mask)
        self.cpu.attend()

    def _write_ccr(self, value: int) -> None:
        self._core.ccr = value & 0x31B
        self.cpu.attend()
        self.cpu.accesses_changed()

    def _clear(self, field: str, value: int) -> None:
        """Status bits are cleared by writing one."""
        setattr(self._core, field, getattr(self._core, field) & ~value & WORD)

    # -- NVIC (B3.4) -----------------------------------------------------------------------------------

    def _enabled(self, word: int) -> int:
        return int(self._core.enabled) >> 16 + 32 * word & WORD

    def _pending(self, word: int) -> int:
        return int(self._core.pending) >> 16 + 32 * word & WORD

    def _active(self, word: int) -> int:
        return int(self._core.active) >> 16 + 32 * word & WORD

    def _enable(self, word: int, value: int) -> None:
        self._core.enabled |= _interrupts(word, value)
        self.cpu.attend()

    def _disable(self, word: int, value: int) -> None:
        self._core.enabled &= ~_interrupts(word, value)
        self.cpu.attend()

    def _pend(self, word: int, value: int) -> None:
        mask = _interrupts(word, value)
        while mask:
            number = mask.bit_length() - 1
            self.cpu.pend(number)
            mask ^= 1 << number

    def _unpend(self, word: int, value: int) -> None:
        self.cpu.unpend(_interrupts(word, value))

    def _trigger(self, value: int) -> None:
        if value & 0x1FF < INTERRUPTS:
            self.cpu.pend(16 + (value & 0x1FF))

    def _priorities(self, first: int) -> int:
        priority = self._core.priority
        return sum(max(priority[first + lane], 0) << 8 * lane for lane in range(4))

    def _prioritise(self, first: int, value: int) -> None:
        for lane in range(4):
            if first + lane not in (7, 8, 9, 10, 13):  # reserved exceptions
                self._core.priority[first + lane] = value >> 8 * lane & PRIORITY_BITS
        self.cpu.attend()

    # -- SCB (B3.2) ------------------------------------------------------------------------------------

    def _icsr(self) -> int:
        core = self._core
        active = self.cpu.active_exception
        waiting = int(core.pending)
        candidates = waiting & core.enabled
        # Of equal priorities the lowest number is first, which is what min() keeps.
        pending = min(_bits(candidates), key=lambda number: core.priority[number], default=0)
        only_one = core.active & (core.active - 1) == 0 if core.active else True
        return (
            active
            | (1 << 11 if only_one else 0)
            | pending << 12
            | (1 << 22 if waiting >> 16 else 0)
            | (waiting >> SYSTICK & 1) << 26
            | (waiting >> PENDSV & 1) << 28
            | (waiting >> NMI & 1) << 31
        )

    def _write_icsr(self, value: int) -> None:
        if value >> 31 & 1:
            self.cpu.pend(NMI)
        if value >> 28 & 1:
            self.cpu.pend(PENDSV)
        if value >> 27 & 1:
            self.cpu.unpend(1 << PENDSV)
        if value >> 26 & 1:
            self.cpu.pend(SYSTICK)
        if value >> 25 & 1:
            self.cpu.unpend(1 << SYSTICK)

    def _aircr(self) -> int:
        return AIRCR_KEY_READ << 16 | self._prigroup << 8

    def _write_aircr(self, value: int) -> None:
        if value >> 16 != AIRCR_KEY:
            return
        self._prigroup = value >> 8 & 7
        self._core.group_mask = 0xFF << self._prigroup + 1 & 0xFF
        if value & SYSRESETREQ:
            self.cpu.on_system_reset()
            return
        if self.cpu.halted and value & VECTCLRACTIVE:
            self._core.active = 0
        if self.cpu.halted and value & VECTRESET:
            self.cpu.reset()
        self.cpu.attend()

    def _shcsr(self) -> int:
        core = self._core
        tables = (
            (core.active, _SHCSR_ACTIVE),
            (core.pending, _SHCSR_PENDING),
            (core.enabled, _SHCSR_ENABLED),
        )
        return sum((state >> number & 1) << bit for state, table in tables for number, bit in table.items())

    def _write_shcsr(self, value: int) -> None:
        core = self._core
        for field, table in (
            ("active", _SHCSR_ACTIVE),
            ("pending", _SHCSR_PENDING),
            ("enabled", _SHCSR_ENABLED),
        ):
            state = getattr(core, field)
            for number, bit in table.items():
                state = state & ~(1 << number) | (value >> bit & 1) << number
            setattr(core, field, state)
        self.cpu.attend()

    # -- MPU (B3.5): eight regions, enforced in native code (mpu.c) -----------------------------------

    def _attach_mpu(self, bus: Bus) -> None:
        bus.register(0xE000_ED94, self._read_mpu_control, self._write_mpu_control)
        bus.register(0xE000_ED98, self._read_mpu_number, self._write_mpu_number)
        for alias in range(4):
            at = 0xE000_ED9C + 8 * alias
            bus.register(at, self._read_mpu_base, self._write_mpu_base)
            bus.register(at + 4, self._read_mpu_size, self._write_mpu_size)

    def _read_mpu_control(self) -> int:
        return int(self._core.mpu_control)

    def _write_mpu_control(self, value: int) -> None:
        self.cpu.set_mpu_control(value & 7)

    def _read_mpu_number(self) -> int:
        return self._mpu_number

    def _write_mpu_number(self, value: int) -> None:
        self._mpu_number = value & 7

    def _read_mpu_base(self) -> int:
        return int(self._core.mpu_base[self._mpu_number]) | self._mpu_number

    def _write_mpu_base(self, value: int) -> None:
        if value & 0x10:  # VALID: the region's number comes with it
            self._mpu_number = value & 7
        self.cpu.set_mpu_region(
            self._mpu_number, value & ~0x1F & WORD, int(self._core.mpu_size[self._mpu_number])
        )

    def _read_mpu_size(self) -> int:
        return int(self._core.mpu_size[self._mpu_number])

    def _write_mpu_size(self, value: int) -> None:
        self.cpu.set_mpu_region(
            self._mpu_number, int(self._core.mpu_base[self._mpu_number]), value & 0x173F_FF3F
        )

    # -- DWT cycle counter ---------------------------------------------------------------------------

    def cycle_count(self) -> int:
        """CYCCNT: CPU cycles, modulo 2**32. It runs always, as with CYCCNTENA set since reset."""
        return (self.cpu.now // TICKS_PER_CPU_CYCLE - self._cycles_from) & WORD

    def set_cycle_count(self, value: int) -> None:
        self._cycles_from = self.cpu.now // TICKS_PER_CPU_CYCLE - value


def _interrupts(word: int, value: int) -> int:
    """Exception bitmap of a word of an NVIC register."""
    return (value << 16 + 32 * word) & (1 << 16 + INTERRUPTS) - (1 << 16)


def _bits(mask: int) -> list[int]:
    return [number for number in range(mask.bit_length()) if mask >> number & 1]


def _constant(value: int) -> int:
    return value


def _zero() -> int:
    return 0


def _ignore(value: int) -> None:
    del value
