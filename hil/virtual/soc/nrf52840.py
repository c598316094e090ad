"""The nRF52840: memories, CPU and peripherals joined, its power, its resets, and the way in for a
debugger.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Sequence

from hil.virtual.debugport import TargetBusError
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_US, Event, Kernel
from hil.virtual.native.core import LATCH_NVMC_CONFIG, LATCH_POFCON
from hil.virtual.power.rail import Rail
from hil.virtual.soc import ficr
from hil.virtual.soc.acl import Acl
from hil.virtual.soc.approtect import Approtect
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.clock import Clock
from hil.virtual.soc.coresight import CoreSight
from hil.virtual.soc.cpu import BUS_RANGES, Cpu, HaltReason
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.egu import Egu
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.gpiote import Gpiote
from hil.virtual.soc.memory import (
    FLASH_PAGE,
    FLASH_SIZE,
    RAM_BASE,
    RAM_SIZE,
    UICR_BASE,
    UICR_SIZE,
    BusFault,
    Memory,
)
from hil.virtual.soc.nvm import WriteMode
from hil.virtual.soc.nvmc import ERASE_ALL, Kind, Nvmc, PofMode
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.power import HIGHEST_THRESHOLD, POF_HYSTERESIS, Power, share_interrupt_registers
from hil.virtual.soc.ppi import Ppi
from hil.virtual.soc.rng import Rng
from hil.virtual.soc.rtc import Rtc
from hil.virtual.soc.saadc import Saadc
from hil.virtual.soc.scs import SystemControl
from hil.virtual.soc.temp import Temp
from hil.virtual.soc.timer import Timer
from hil.virtual.soc.uarte import Uarte
from hil.virtual.soc.uicr import Uicr
from hil.virtual.soc.wdt import Wdt
from hil.virtual.uart import UartLine

log = logging.getLogger(__name__)

__all__ = ["ResetCause", "Soc"]

BROWN_OUT_VOLTS = 1.6
"""VBOR,ON, typical (1.57 to 1.63 V; nRF52820 Product Specification, POWER, taken over here): below it the chip is
in reset. The level of System OFF, VBOR,OFF, is not modelled.
"""
RELEASE_HYSTERESIS = 0.15
"""The chip starts at 1.75 V: VDD,POR, the voltage needed during power-on reset (nRF52820 Product Specification,
Recommended operating conditions). That a brown-out reset ends there too is assumed, no source found.
"""
RAM_LOSS_VOLTS = 1.2
"""Below it RAM no longer holds. Assumed, no source found: nothing is specified below VBOR."""
POWER_UP = 1 * TICKS_PER_MS
"""Power-on reset. Assumed, no source found; on the chip it depends on the rise time of VDD."""
LOCKUP_RESTART = 1 * TICKS_PER_MS
WORD_WRITE = 41 * TICKS_PER_US
FIRST_OUTSIDE_MEMORY = 0x4000_0000
READY_POLL = TICKS_PER_MS // 2
"""Code in RAM that polls NVMC.READY during an erase advances in steps of this, instead of 100,000 reads."""
LOCKUP_RESET = TICKS_PER_MS
"""From lockup to the next instruction: a blank chip resets itself over and over at this pace."""

# Currents in amperes at 3 V: assumed, no source found (known are IS0 and IS2 of the specification, 8.1 mA by DC/DC and
# 15.4 mA by LDO, but they are of CPU and radio together).
CPU_RUN_LDO, CPU_RUN_DCDC = 6.3e-3, 3.3e-3
CPU_SLEEP = 3.2e-6
SYSTEM_OFF = 0.4e-6
FLASH_ERASE, FLASH_WRITE = 7.0e-3, 5.0e-3


class Soc:
    """One chip on a supply rail. Without power it is off; ``rail`` above 1.75 V starts it.

    ``revision`` is a name or build code of ``ficr.REVISIONS``; ``without_anomalies`` takes errata away.
    UART lines are the board's. ``on_reset`` callbacks get the cause after the chip was reset.
    """

    def __init__(
        self,
        kernel: Kernel,
        rail: Rail,
        *,
        name: str = "kit0",
        revision: str = "Rev2",
        without_anomalies: frozenset[int] = frozenset(),
        uart_lines: Sequence[UartLine] = (),
    ) -> None:
        self.kernel = kernel
        self.rail = rail
        self.name = name
        self.revision = ficr.revision(revision, without_anomalies)
        self.memory = Memory()
        self.memory.ficr[:] = ficr.content(self.revision, kernel.random(f"{name}/ficr"))
        self.bus = Bus()
        self.cpu = Cpu(kernel, self.memory, self.bus, name=name)
        self.bus.program_counter = self._program_counter
        self.lines = InterruptLines(self.cpu.set_irq_line)
        self.scs = SystemControl(self.cpu, self.bus)
        self.coresight = CoreSight(self.cpu, self.bus)
        self.uicr = Uicr(self.memory.uicr)
        self.on_reset: list[Callable[[ResetCause], None]] = []
        self.power_cycles = 0
        self.reset_cause = ResetCause.POWER_ON
        """Cause of the latest reset."""
        self._ram_lost = True
        self._system_off = False
        self._starting: Event | None = None
        self._erasing: Event | None = None
        self._restarting: Event | None = None
        self._duration = WORD_WRITE
        self.nvm_hook: Callable[[int], None] | None = None
        """Called with the duration in ticks in front of the operation chosen by ``cpu.nvm.stop_at``."""
        self._build(uart_lines)
        self.cpu.on_system_reset = self._soft_reset
        self.cpu.on_lockup = self._locked_up
        self.cpu.on_sleep = self._slept
        self.cpu.nvm.on_stop = self.on_nvm_operation
        self.cpu.take_stores(LATCH_NVMC_CONFIG, self.nvmc.config)
        self.cpu.take_stores(LATCH_POFCON, self.power.pofcon)
        rail.on_changed = self.supply_changed
        rail.settle_loads = self._settle_loads
        for port in (self.p0, self.p1):
            port.on_detect.append(self._wake_from_off)
        self._ram_watch = rail.watch(RAM_LOSS_VOLTS, self._ram_crossed)
        self._power_watch = rail.watch(BROWN_OUT_VOLTS, self._power_crossed, RELEASE_HYSTERESIS)
        if rail.voltage() >= BROWN_OUT_VOLTS + RELEASE_HYSTERESIS:
            self._power_crossed(False)
        else:
            # A rail between the two levels has never been above the upper one.
            self._power_watch.below = True
            rail.changed()

    def _build(self, uart_lines: Sequence[UartLine]) -> None:
        kernel, bus, lines = self.kernel, self.bus, self.lines
        common = (kernel, bus, lines)
        dma = EasyDma(self.memory.ram)
        self.p0 = Gpio(0, 32, *common)
        self.p1 = Gpio(1, 16, *common)
        self.gpiote = Gpiote((self.p0, self.p1), *common)
        self.clock = Clock(*common)
        self.power = Power(self.rail, *common, on_system_off=self._enter_system_off)
        share_interrupt_registers(bus, self.clock, self.power)
        self.power.on_pof_change = self._pof_changed
        self.approtect = Approtect(self.uicr, self.revision.hardened_approtect, *common)
        self.acl = Acl(*common, on_change=self._acl_changed)
        self.nvmc = Nvmc(self.name, self, self._write_protected, *common)
        bus.register(self.nvmc.base + 0x400, self._nvmc_ready, None)
        self.timers = [
            Timer(index, base, irq, compares, *common)
            for index, base, irq, compares in (
                (0, 0x4000_8000, 8, 4),
                (1, 0x4000_9000, 9, 4),
                (2, 0x4000_A000, 10, 4),
                (3, 0x4001_A000, 26, 6),
                (4, 0x4001_B000, 27, 6),
            )
        ]
        self.rtcs = [
            Rtc(index, base, irq, compares, self.clock, *common)
            for index, base, irq, compares in (
                (0, 0x4000_B000, 11, 3),
                (1, 0x4001_1000, 17, 4),
                (2, 0x4002_4000, 36, 4),
            )
        ]
        self.temp = Temp(*common)
        self.rng = Rng(self.name, *common)
        self.wdt = Wdt(*common, on_bite=self._watchdog_bit)
        self.saadc = Saadc(self.name, self.rail.voltage, dma, *common)
        ports = (self.p0, self.p1)
        self.uartes = [
            Uarte(0, 0x4000_2000, 2, uart_lines, ports, dma, *common),
            Uarte(1, 0x4002_8000, 40, uart_lines, ports, dma, *common),
        ]
        self.egus = [Egu(index, *common) for index in range(6)]
        self.ppi = Ppi(*common, on_change=self._wiring_changed)
        self.peripherals: list[Peripheral] = [
            # PPI first: a reset disconnects everything before the others come to rest.
            self.ppi,
            self.p0,
            self.p1,
            self.gpiote,
            self.clock,
            self.power,
            self.approtect,
            self.acl,
            self.nvmc,
            *self.timers,
            *self.rtcs,
            self.temp,
            self.rng,
            self.wdt,
            self.saadc,
            *self.uartes,
            *self.egus,
        ]
        for peripheral in self.peripherals:
            bus.name_block(peripheral.base, 0x1000, peripheral.name)

    # -- power ----------------------------------------------------------------------------------------

    @property
    def powered(self) -> bool:
        """Whether the supply keeps the chip out of power reset."""
        return self.cpu.powered

    def cut_power(self) -> None:
        """Take the supply away now, between two instructions or inside an operation; see
        ``Rail.set_connected``.
        """
        self.rail.set_connected(False)
        self._ram_lost = True
        self._power_lost()

    def supply_changed(self) -> None:
        """Firmware writes POFCON and NVMC.CONFIG around each word of flash. As long as the supply is such that
        neither has an effect on VDD or on the comparator, the native core takes the stores by itself.
        """
        above = self.rail.stays_above(HIGHEST_THRESHOLD + POF_HYSTERESIS, more=FLASH_ERASE)
        calm = above and not self.power.pof_warning
        self._take_stores(calm)

    def follow_stores(self) -> None:
        """Bring supply and comparator up to date, as for a save; `supply_changed` undoes it."""
        self._take_stores(False)

    def _take_stores(self, calm: bool) -> None:
        if calm == bool(self.nvmc.config.direct):
            return
        self._settle_loads()
        self.nvmc.config.direct = calm
        self.power.leave_comparator(calm)

    def _settle_loads(self) -> None:
        if self.nvmc.config.direct and self.powered and self._erasing is None:
            self.nvmc.tell_load()

    def _ram_crossed(self, below: bool) -> None:
        if below:
            self._ram_lost = True

    def _power_crossed(self, below: bool) -> None:
        if below:
            self._power_lost()
        elif not self.powered and self._starting is None:
            self._starting = self.kernel.after(POWER_UP, self._start)

    def _power_lost(self) -> None:
        self.kernel.cancel(self._starting)
        self._starting = None
        if not self.powered:
            return
        self._tear_word_write()
        self.kernel.cancel(self._erasing)
        self._erasing = None
        self.cpu.power_off()
        # The chip is off: every peripheral stops here (an erase under way is torn); the start resets them
        # again.
        self._reset_peripherals(ResetCause.BROWN_OUT)
        self._system_off = False
        for consumer in ("CPU", "flash", "System OFF"):
            self.rail.set_load(consumer, 0.0)

    def _tear_word_write(self) -> None:
        operation = self.cpu.nvm.last
        now = self.kernel.now
        if (
            operation is None
            or operation.kind != Kind.WRITE.value
            or not operation.start <= now < operation.end
        ):
            return
        fraction = (now - operation.start) / (operation.end - operation.start)
        old, new = (int.from_bytes(content, "little") for content in (operation.old, operation.new))
        self.nvmc.tear_word(operation.address, old, new, fraction)

    def _start(self) -> None:
        self._starting = None
        cause = ResetCause.POWER_ON if self._ram_lost else ResetCause.BROWN_OUT
        kept = None if self._ram_lost else bytes(self.memory.ram)
        self._ram_lost = False
        self.power_cycles += 1
        self.nvmc.settle_cells()
        self._reset_peripherals(cause)
        self.coresight.power_on_reset()
        self.cpu.held_in_reset = False
        self.cpu.power_on()
        if kept is not None:
            self.memory.ram[:] = kept
        self._running_load()
        self._tell_reset(cause)

    def _running_load(self) -> None:
        dcdc = bool(self.power.values[self.power.DCDCEN])
        run = CPU_RUN_DCDC if dcdc else CPU_RUN_LDO
        self.rail.set_load("CPU", CPU_SLEEP if self.cpu.sleeping else run)

    def _slept(self, asleep: bool) -> None:
        """The CPU went to sleep in WFI or WFE, or woke up."""
        self.wdt.set_sleeping(asleep)
        self.power.fire(self.power.SLEEPENTER if asleep else self.power.SLEEPEXIT)
        self._running_load()

    # -- resets ---------------------------------------------------------------------------------------

    def reset(self, cause: ResetCause) -> None:
        """Reset the running chip; without power nothing happens (power-on resets come from the rail)."""
        if not self.powered:
            return
        self.nvmc.settle_cells()
        self._reset_peripherals(cause)
        self._system_off = False
        self.cpu.held_in_reset = False
        if cause is ResetCause.PIN:
            # Breakpoints and vector catch go too; only the debug port itself is left (nRF52820 Product
            # Specification, Reset behavior; Black Magic Probe keeps off nRESET for it, issue 230). Watchdog and
            # System OFF do the same, but, it is assumed, not in debug interface mode: nothing to be seen here.
            self.coresight.power_on_reset()
        else:
            self.coresight.core_reset()
        self.cpu.reset()
        self._running_load()
        self._tell_reset(cause)

    def _reset_peripherals(self, cause: ResetCause) -> None:
        self.reset_cause = cause
        for peripheral in self.peripherals:
            peripheral.reset(cause)

    def _tell_reset(self, cause: ResetCause) -> None:
        for listener in self.on_reset:
            listener(cause)

    def _soft_reset(self) -> None:
        self.reset(ResetCause.SOFT)

    def _watchdog_bit(self) -> None:
        self.reset(ResetCause.WATCHDOG)

    def _locked_up(self) -> None:
        # "Reset from CPU lockup is disabled if the device is in debug interface mode" (POWER, Reset behavior). Not
        # at once: firmware that locks up again and again must leave time for the rest of the bench.
        self.kernel.cancel(self._restarting)
        self._restarting = self.kernel.after(LOCKUP_RESTART, self._reset_from_lockup)

    def _reset_from_lockup(self) -> None:
        # A blank chip would only lock up again: it is left in that state.
        blank = self.memory.read(0, 8) == b"\xff" * 8
        if self.cpu.lockup and not self.cpu.debug_enabled and not blank:
            self.reset(ResetCause.LOCKUP)
            self.cpu.stall(LOCKUP_RESET)
        elif self.coresight.stepping:
            self.cpu.debug_halt(HaltReason.STEP)  # the step has ended, where nothing can be fetched

    def _enter_system_off(self) -> None:
        self._system_off = True
        self._reset_peripherals(ResetCause.SYSTEM_OFF)
        self.cpu.held_in_reset = True
        self.cpu.reset()
        self.rail.set_load("CPU", SYSTEM_OFF)

    def _wake_from_off(self) -> None:
        if self._system_off:
            self.reset(ResetCause.SYSTEM_OFF)

    # -- what the NVMC needs (nvmc.Chip) --------------------------------------------------------------

    def on_nvm_operation(self) -> None:
        """The chosen NVM operation is about to begin."""
        if self.nvm_hook is not None:
            self.nvm_hook(self._duration)

    def nvm_starting(self, kind: Kind, address: int, duration: int) -> bool:
        self._duration = duration
        now = self.kernel.now
        self.cpu.nvm.begin(kind.value, address, now, now + duration)
        self._duration = WORD_WRITE
        return self.powered

    def nvm_stall(self, ticks: int) -> None:
        # Only code in flash waits for it; a flash loader in RAM polls READY.
        if not self.cpu.halted and self.cpu.program_counter < FLASH_SIZE:
            self.cpu.stall(ticks)

    def _nvmc_ready(self) -> int:
        """NVMC.READY; a loader in RAM that polls it is held a little, which keeps the polls countable."""
        operation = self.nvmc.operation
        if operation is None:
            self.bus.steady.add(self.nvmc.base + 0x400)
            return 1
        self.bus.steady.discard(self.nvmc.base + 0x400)
        if self.cpu.in_access:
            self.cpu.stall(min(operation.end - self.kernel.now, READY_POLL))
        return 0

    def nvm_hang(self) -> None:
        log.warning("%s: NVMC operation during POFWARN hangs the CPU (anomaly 242)", self.name)
        self.cpu.hang()

    def nvm_load(self, erasing: bool, writing: bool) -> None:
        self.rail.set_load("flash", FLASH_ERASE if erasing else FLASH_WRITE if writing else 0.0)

    def nvm_bytes(self, address: int, size: int) -> bytes:
        return self.memory.read(address, size)

    def nvm_replace(self, address: int, data: bytes) -> None:
        self.memory.write(address, data)

    def nvm_write_enable(self, enabled: bool) -> None:
        self.cpu.nvm.write_enable = enabled

    def _write_protected(self) -> int:
        return self.acl.write_protected

    def _acl_changed(self) -> None:
        self.cpu.nvm.write_protect_pages = self.acl.write_protected
        self.cpu.nvm.read_protect_pages = self.acl.read_protected

    def nvm_uicr_locked(self) -> bool:
        return self.approtect.closed

    def _pof_changed(self) -> None:
        hangs = 242 in self.revision.anomalies
        if not self.power.pof_warning:
            mode, native = PofMode.NORMAL, WriteMode.NORMAL
        elif hangs:
            mode, native = PofMode.HANG, WriteMode.HANG
        else:
            mode, native = PofMode.PREVENTED, WriteMode.IGNORE
        self.cpu.nvm.write_mode = native
        self.nvmc.set_mode(mode)

    def _wiring_changed(self) -> None:
        for peripheral in (*self.timers, *self.uartes):
            peripheral.observed_changed()

    def _program_counter(self) -> int:
        return self.cpu.program_counter

    # -- the debugger's way in (debugport.DebugTarget) -------------------------------------------------

    @property
    def locked(self) -> bool:
        """Access port protection keeps the debugger out."""
        return self.approtect.closed

    approtected = locked

    @property
    def running(self) -> bool:
        """The core executes or sleeps, so that waiting for it to halt makes sense."""
        cpu = self.cpu
        return self.powered and not (cpu.halted or cpu.held_in_reset or cpu.lockup or cpu.hung)

    def drive_reset_pin(self, asserted: bool) -> None:
        """Pull nRESET low, or let it go; without PSELRESET in UICR the pin is an ordinary one."""
        if not self.uicr.reset_pin_enabled:
            return
        if asserted:
            self.cpu.held_in_reset = True
        else:
            self.reset(ResetCause.PIN)

    @property
    def erasing(self) -> bool:
        """A CTRL-AP erase is under way."""
        return self._erasing is not None

    def bus_read(self, address: int, size: int) -> int:
        """1, 2 or 4 bytes from the system bus as a debugger sees it; raises TargetBusError."""
        if address >= FIRST_OUTSIDE_MEMORY:
            try:
                _check_bus(address, write=False)
                return self.bus.read(address, size)
            except BusFault as fault:
                raise TargetBusError(str(fault)) from None
        return int.from_bytes(self._read_memory(address, size), "little")

    def bus_write(self, address: int, size: int, value: int) -> None:
        """Write to the system bus; flash and UICR take words under the NVMC's rules. Raises
        TargetBusError.
        """
        try:
            if address >= FIRST_OUTSIDE_MEMORY:
                _check_bus(address, write=True)
                self.bus.write(address, size, value)
            elif address < FLASH_SIZE or UICR_BASE <= address < UICR_BASE + UICR_SIZE:
                self._program(address, size, value)
            else:
                self.memory.write(address, (value & ((1 << 8 * size) - 1)).to_bytes(size, "little"))
        except BusFault as fault:
            raise TargetBusError(str(fault)) from None

    def bus_read_block(self, address: int, words: int) -> Sequence[int]:
        """That many aligned words; raises TargetBusError."""
        if address >= FIRST_OUTSIDE_MEMORY:
            return [self.bus_read(address + 4 * index, 4) for index in range(words)]
        data = self._read_memory(address, 4 * words)
        return memoryview(data).cast("I").tolist()

    def bus_write_block(self, address: int, values: Sequence[int]) -> None:
        """Write aligned words; raises TargetBusError."""
        if address >= RAM_BASE and address + 4 * len(values) <= RAM_BASE + RAM_SIZE:
            self.memory.write(address, struct.pack(f"<{len(values)}I", *values))
            return
        for index, value in enumerate(values):
            self.bus_write(address + 4 * index, 4, value)

    def erase_all(self) -> None:
        """CTRL-AP ERASEALL: flash, UICR and RAM, whatever ACL and APPROTECT say; takes 169 ms."""
        if not self.powered or self._erasing is not None:
            return
        self.cpu.held_in_reset = True
        self.rail.set_load("flash", FLASH_ERASE)
        self._erasing = self.kernel.after(ERASE_ALL, self._erased)

    ctrl_ap_erase_all = erase_all

    def hold_reset(self, asserted: bool) -> None:
        """CTRL-AP RESET: a soft reset for as long as it is asserted."""
        if asserted:
            self.cpu.held_in_reset = True
        else:
            self.reset(ResetCause.DEBUG)

    ctrl_ap_reset = hold_reset

    def _erased(self) -> None:
        self._erasing = None
        self.nvmc.erase_everything()
        self.memory.write(0x2000_0000, bytes(len(self.memory.ram)))
        self.approtect.erased()
        self.rail.set_load("flash", 0.0)
        self.reset(ResetCause.DEBUG)

    def _read_memory(self, address: int, size: int) -> bytes:
        if address < FLASH_SIZE and self.acl.read_protected:
            pages = range(address // FLASH_PAGE, (address + size - 1) // FLASH_PAGE + 1)
            if any(self.acl.read_protected >> page & 1 for page in pages):
                raise TargetBusError(f"ACL protects 0x{address:08x} from being read")
        try:
            return self.memory.read(address, size)
        except BusFault as fault:
            raise TargetBusError(str(fault)) from None

    def _program(self, address: int, size: int, value: int) -> None:
        protected = address < FLASH_SIZE and self.acl.write_protected >> (address // FLASH_PAGE) & 1
        if size != 4 or address & 3 or protected or not self.cpu.nvm.write_enable:
            raise BusFault(address, write=True)
        if self.nvmc.mode is not PofMode.NORMAL:
            return
        old = self.memory.read(address, 4)
        new = (value & int.from_bytes(old, "little")).to_bytes(4, "little")
        now = self.kernel.now
        self.cpu.nvm.begin(Kind.WRITE.value, address, now, now + WORD_WRITE, old=old, new=new)
        if self.powered:
            self.memory.write(address, new)

    # -- save and restore -----------------------------------------------------------------------------

    def save(self) -> object:
        """Everything in the chip; the rail and the kernel are saved by their owner."""
        own = (
            self.power_cycles,
            self.reset_cause,
            self._ram_lost,
            self._system_off,
            self._starting,
            self._erasing,
            self._restarting,
        )
        return (
            own,
            self.memory.save(),
            self.cpu.save(),
            self.scs.save(),
            self.coresight.save(),
            self.lines.save(),
            [peripheral.save() for peripheral in self.peripherals],
            dict(self.bus.unmodelled),
        )

    def restore(self, state: object) -> None:
        """Return to a state this very chip saved."""
        assert isinstance(state, tuple)
        own, memory, cpu, scs, coresight, lines, peripherals, unmodelled = state
        (
            self.power_cycles,
            self.reset_cause,
            self._ram_lost,
            self._system_off,
            self._starting,
            self._erasing,
            self._restarting,
        ) = own
        self.memory.restore(memory)
        for peripheral, saved in zip(self.peripherals, peripherals, strict=True):
            peripheral.restore(saved)
        self.scs.restore(scs)
        self.coresight.restore(coresight)
        self.lines.restore(lines)
        self.cpu.restore(cpu)
        self.bus.unmodelled.clear()
        self.bus.unmodelled.update(unmodelled)


def _check_bus(address: int, write: bool) -> None:
    """Outside the memories and the peripheral ranges nothing answers: the bus makes it an error."""
    if not any(base <= address < base + size for base, size in BUS_RANGES):
        raise BusFault(address, write)
