"""The nRF52840: memories, CPU and peripherals joined (nRF52840 Product Specification, Memory, Instantiation).

What the chip does as a whole is in files of its own: its supply (supply.py), its resets (resets.py), operations on
its non-volatile memory (nvm_operations.py), and the way in for a debugger (debug_access.py).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import TypeVar

from hil.virtual.kernel import Kernel
from hil.virtual.native.core import LATCH_NVMC_CONFIG, LATCH_POFCON
from hil.virtual.power.rail import Rail
from hil.virtual.soc import ficr, instances
from hil.virtual.soc.aar import Aar
from hil.virtual.soc.acl import Acl
from hil.virtual.soc.aes import AesModule
from hil.virtual.soc.approtect import Approtect
from hil.virtual.soc.bus import Bus
from hil.virtual.soc.ccm import Ccm
from hil.virtual.soc.clock import Clock
from hil.virtual.soc.coresight import CoreSight
from hil.virtual.soc.cpu import Cpu
from hil.virtual.soc.debug_access import DebugAccess
from hil.virtual.soc.easydma import EasyDma
from hil.virtual.soc.ecb import Ecb
from hil.virtual.soc.egu import Egu
from hil.virtual.soc.gpio import Gpio
from hil.virtual.soc.gpiote import Gpiote
from hil.virtual.soc.memory import Memory
from hil.virtual.soc.mx25r64 import Mx25r64
from hil.virtual.soc.nvm_operations import NvmOperations
from hil.virtual.soc.nvmc import Nvmc
from hil.virtual.soc.peripheral import InterruptLines, Peripheral, ResetCause
from hil.virtual.soc.power import Power, share_interrupt_registers
from hil.virtual.soc.ppi import Ppi
from hil.virtual.soc.qspi import Qspi
from hil.virtual.soc.resets import Resets
from hil.virtual.soc.rng import Rng
from hil.virtual.soc.rtc import Rtc
from hil.virtual.soc.saadc import Saadc
from hil.virtual.soc.scs import SystemControl
from hil.virtual.soc.shared_id import SharedId
from hil.virtual.soc.spi import Spi
from hil.virtual.soc.spim import Spim
from hil.virtual.soc.spis import Spis
from hil.virtual.soc.supply import Supply
from hil.virtual.soc.temp import Temp
from hil.virtual.soc.timer import Timer
from hil.virtual.soc.twi import Twi
from hil.virtual.soc.twim import Twim
from hil.virtual.soc.twis import Twis
from hil.virtual.soc.uart import Uart
from hil.virtual.soc.uarte import Uarte
from hil.virtual.soc.uicr import Uicr
from hil.virtual.soc.undocumented import Undocumented
from hil.virtual.soc.wdt import Wdt
from hil.virtual.soc.xip import Xip
from hil.virtual.uart import UartLine

__all__ = ["ResetCause", "Soc"]

P = TypeVar("P", bound=Peripheral)


class Soc:
    """One chip on a supply rail. Without power it is off; ``rail`` above 1.75 V starts it.

    ``revision`` is a name or build code of ``ficr.REVISIONS``; ``without_anomalies`` takes errata away.
    UART lines are the board's, and so is ``external_flash``. ``on_reset`` callbacks get the cause after the chip was
    reset. ``debug`` is what a debug port is connected to.
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
        self.external_flash = Mx25r64(kernel)
        self.on_reset: list[Callable[[ResetCause], None]] = []
        self.peripherals: list[Peripheral] = []
        """In the order in which they are reset and saved."""
        self.nvm_operations = NvmOperations(self)
        self._build(uart_lines)
        self.cpu.take_stores(LATCH_NVMC_CONFIG, self.nvmc.config)
        self.cpu.take_stores(LATCH_POFCON, self.power.pofcon)
        self.debug = DebugAccess(self)
        self.resets = Resets(self)
        self.supply = Supply(self)
        self.cpu.on_sleep = self._slept
        self.supply.begin()

    def _build(self, uart_lines: Sequence[UartLine]) -> None:
        kernel, bus = self.kernel, self.bus
        common = (kernel, bus, self.lines)
        dma = EasyDma(self.memory.ram)
        operations = self.nvm_operations
        # PPI first: a reset disconnects everything before the others come to rest.
        self.ppi = self._add(Ppi(*common, on_change=self._wiring_changed))
        self.p0 = self._add(Gpio(0, 32, *common))
        self.p1 = self._add(Gpio(1, 16, *common))
        self.ports = (self.p0, self.p1)
        self.gpiote = self._add(Gpiote(self.ports, *common))
        self.clock = self._add(Clock(*common))
        self.power = self._add(Power(self.rail, *common, on_system_off=self._enter_system_off))
        share_interrupt_registers(bus, self.clock, self.power)
        self.power.on_pof_change = operations.pof_changed
        self.power.on_ram_off = self.lose_ram_section
        self.approtect = self._add(Approtect(self.uicr, self.revision.hardened_approtect, *common))
        self.acl = self._add(Acl(*common, on_change=operations.acl_changed))
        self.nvmc = self._add(Nvmc(self.name, operations, operations.write_protected, *common))
        bus.register(self.nvmc.base + 0x400, operations.ready, None)
        self.timers = [
            self._add(Timer(index, base, irq, compares, *common))
            for index, base, irq, compares in (
                (0, 0x4000_8000, 8, 4),
                (1, 0x4000_9000, 9, 4),
                (2, 0x4000_A000, 10, 4),
                (3, 0x4001_A000, 26, 6),
                (4, 0x4001_B000, 27, 6),
            )
        ]
        self.rtcs = [
            self._add(Rtc(index, base, irq, compares, self.clock, *common))
            for index, base, irq, compares in (
                (0, 0x4000_B000, 11, 3),
                (1, 0x4001_1000, 17, 4),
                (2, 0x4002_4000, 36, 4),
            )
        ]
        self.temp = self._add(Temp(*common))
        self.rng = self._add(Rng(self.name, *common))
        self.wdt = self._add(Wdt(*common, on_bite=self._watchdog_bit))
        self.saadc = self._add(Saadc(self.name, self.rail.voltage, dma, *common))
        self._build_uarts(uart_lines, dma)
        self._build_serial(dma)
        self._build_aes(dma)
        self.egus = [self._add(Egu(index, *common)) for index in range(6)]
        self.qspi = self._add(Qspi(self.external_flash, dma, *common))
        Xip(self.qspi, bus)
        self._add(Undocumented(*common))
        instances.name_all(bus)

    def _add(self, peripheral: P) -> P:
        self.peripherals.append(peripheral)
        return peripheral

    def _add_shared(self, shared: SharedId) -> None:
        shared.complete()
        self.peripherals += [*shared.members, shared]

    def _build_uarts(self, uart_lines: Sequence[UartLine], dma: EasyDma) -> None:
        common = (self.kernel, self.bus, self.lines)
        shared = SharedId("UARTE0/UART0", 0x4000_2000, *common)
        uarte0 = shared.add(8, partial(Uarte, 0, 0x4000_2000, 2, uart_lines, self.ports, dma))
        self.uart0 = shared.add(4, partial(Uart, 0, 0x4000_2000, 2, uart_lines, self.ports))
        self._add_shared(shared)
        uarte1 = self._add(Uarte(1, 0x4002_8000, 40, uart_lines, self.ports, dma, *common))
        self.uartes = [uarte0, uarte1]

    def _build_serial(self, dma: EasyDma) -> None:
        common = (self.kernel, self.bus, self.lines)
        self.spims: list[Spim] = []
        self.twims: list[Twim] = []
        for index, base, irq in ((0, 0x4000_3000, 3), (1, 0x4000_4000, 4), (2, 0x4002_3000, 35)):
            place = (index, base, irq)
            shared = SharedId(f"SPIM{index}", base, *common)
            self.spims.append(shared.add(7, partial(Spim, *place, self.ports, dma)))
            shared.add(2, partial(Spis, *place))
            shared.add(1, partial(Spi, *place, self.ports))
            if index < 2:
                self.twims.append(shared.add(6, partial(Twim, *place)))
                shared.add(9, partial(Twis, *place))
                shared.add(5, partial(Twi, *place))
            self._add_shared(shared)
        self.spims.append(self._add(Spim(3, 0x4002_F000, 47, self.ports, dma, *common)))

    def _build_aes(self, dma: EasyDma) -> None:
        common = (self.kernel, self.bus, self.lines)
        aes = AesModule()
        self.ecb = self._add(Ecb(aes, dma, *common))
        shared = SharedId("AAR/CCM", 0x4000_F000, *common, mask=3)
        self.ccm = shared.add(2, partial(Ccm, aes, dma))
        self.aar = shared.add(3, partial(Aar, aes, dma))
        self._add_shared(shared)

    @property
    def powered(self) -> bool:
        """Whether the supply keeps the chip out of power reset."""
        return self.cpu.powered

    @property
    def reset_cause(self) -> ResetCause:
        """Cause of the latest reset."""
        return self.resets.cause

    def reset(self, cause: ResetCause) -> None:
        """Reset the running chip; without power nothing happens (power-on resets come from the rail)."""
        self.resets.reset(cause)

    def lose_ram_section(self, block: int, section: int) -> None:
        """A RAM section went without power: what it then holds is noise (nRF52840 PS, Memory, RAM)."""
        address, size = self.power.section(block, section)
        self.memory.write(address, self.kernel.random(f"{self.name}/ram").randbytes(size))

    def _wiring_changed(self) -> None:
        for peripheral in (*self.timers, *self.uartes):
            peripheral.observed_changed()

    def _slept(self, asleep: bool) -> None:
        """The CPU went to sleep in WFI or WFE, or woke up."""
        self.wdt.set_sleeping(asleep)
        self.power.fire(self.power.SLEEPENTER if asleep else self.power.SLEEPEXIT)
        self.supply.running_load()

    def _program_counter(self) -> int:
        return self.cpu.program_counter

    def _enter_system_off(self) -> None:
        self.resets.enter_system_off()

    def _watchdog_bit(self) -> None:
        self.resets.watchdog()

    def save(self) -> object:
        """Everything in the chip, and its external flash; the rail and the kernel are saved by their owner."""
        return (
            (self.supply.save(), self.resets.save(), self.debug.save(), self.external_flash.save()),
            self.memory.save(),
            self.cpu.save(),
            self.scs.save(),
            self.coresight.save(),
            self.lines.save(),
            [peripheral.save() for peripheral in self.peripherals],
            self.bus.save(),
        )

    def restore(self, state: object) -> None:
        """Return to a state this very chip saved."""
        assert isinstance(state, tuple)
        own, memory, cpu, scs, coresight, lines, peripherals, bus = state
        supply, resets, debug, external_flash = own
        self.supply.restore(supply)
        self.resets.restore(resets)
        self.debug.restore(debug)
        self.external_flash.restore(external_flash)
        self.memory.restore(memory)
        for peripheral, saved in zip(self.peripherals, peripherals, strict=True):
            peripheral.restore(saved)
        self.scs.restore(scs)
        self.coresight.restore(coresight)
        self.lines.restore(lines)
        self.cpu.restore(cpu)
        self.bus.restore(bus)
