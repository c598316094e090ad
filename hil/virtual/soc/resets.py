"""Resets of the running chip, lockup and System OFF (nRF52840 Product Specification, POWER, Reset behavior)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.virtual.kernel import TICKS_PER_MS, Event
from hil.virtual.soc.cpu import HaltReason
from hil.virtual.soc.peripheral import ResetCause

if TYPE_CHECKING:
    from hil.virtual.soc.nrf52840 import Soc

LOCKUP_RESTART = TICKS_PER_MS
"""From lockup to the reset that follows from it. Assumed, no source found."""
LOCKUP_RESET = TICKS_PER_MS
"""From that reset to the first instruction: firmware that locks up over and over leaves time for the bench."""


class Resets:
    """``cause`` is the cause of the latest reset."""

    def __init__(self, soc: Soc) -> None:
        self._soc = soc
        self.cause = ResetCause.POWER_ON
        self.system_off = False
        self._restarting: Event | None = None
        soc.cpu.on_system_reset = self._soft
        soc.cpu.on_lockup = self._locked_up
        for port in (soc.p0, soc.p1):
            port.on_detect.append(self._wake)

    def reset(self, cause: ResetCause) -> None:
        """Reset the running chip; without power nothing happens (power-on resets come from the rail)."""
        soc = self._soc
        if not soc.powered:
            return
        soc.nvmc.settle_cells()
        self._reset_peripherals(cause)
        self.system_off = False
        soc.cpu.held_in_reset = False
        if cause is ResetCause.PIN:
            # Breakpoints and vector catch go too; only the debug port itself is left (nRF52820 Product
            # Specification, Reset behavior; Black Magic Probe keeps off nRESET for it, issue 230). Watchdog and
            # System OFF do the same, but, it is assumed, not in debug interface mode: nothing to be seen here.
            soc.coresight.power_on_reset()
        else:
            soc.coresight.core_reset()
        soc.cpu.reset()
        soc.supply.running_load()
        self._tell(cause)

    def power_on(self, cause: ResetCause, ram: bytes | None) -> None:
        """The supply is up: start the chip, with what RAM has kept, or noise."""
        soc = self._soc
        soc.nvmc.settle_cells()
        self._reset_peripherals(cause)
        soc.coresight.power_on_reset()
        soc.cpu.held_in_reset = False
        soc.cpu.power_on()
        if ram is not None:
            soc.memory.ram[:] = ram
        soc.supply.running_load()
        self._tell(cause)

    def power_lost(self) -> None:
        """The supply is gone: every peripheral stops."""
        self._reset_peripherals(ResetCause.BROWN_OUT)
        self.system_off = False

    def enter_system_off(self) -> None:
        """POWER.SYSTEMOFF: only pins that sense wake the chip up, by a reset."""
        soc = self._soc
        self.system_off = True
        self._lose_ram()
        self._reset_peripherals(ResetCause.SYSTEM_OFF)
        soc.cpu.held_in_reset = True
        soc.cpu.reset()
        soc.supply.system_off_load()

    def watchdog(self) -> None:
        """The watchdog bit."""
        self.reset(ResetCause.WATCHDOG)

    def save(self) -> object:
        return self.cause, self.system_off, self._restarting

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        self.cause, self.system_off, self._restarting = state

    def _reset_peripherals(self, cause: ResetCause) -> None:
        self.cause = cause
        for peripheral in self._soc.peripherals:
            peripheral.reset(cause)

    def _tell(self, cause: ResetCause) -> None:
        for listener in self._soc.on_reset:
            listener(cause)

    def _soft(self) -> None:
        self.reset(ResetCause.SOFT)

    def _locked_up(self) -> None:
        # "Reset from CPU lockup is disabled if the device is in debug interface mode" (POWER, Reset behavior). Not
        # at once: firmware that locks up again and again must leave time for the rest of the bench.
        self._soc.kernel.cancel(self._restarting)
        self._restarting = self._soc.kernel.after(LOCKUP_RESTART, self._reset_from_lockup)

    def _reset_from_lockup(self) -> None:
        # A blank chip would only lock up again: it is left in that state.
        soc = self._soc
        blank = soc.memory.read(0, 8) == b"\xff" * 8
        if soc.cpu.lockup and not soc.cpu.debug_enabled and not blank:
            self.reset(ResetCause.LOCKUP)
            soc.cpu.stall(LOCKUP_RESET)
        elif soc.coresight.stepping:
            soc.cpu.debug_halt(HaltReason.STEP)  # the step has ended, where nothing can be fetched

    def _wake(self) -> None:
        if self.system_off:
            self.reset(ResetCause.SYSTEM_OFF)

    def _lose_ram(self) -> None:
        """RAM sections without retention lose their content in System OFF."""
        power = self._soc.power
        for block, section in power.sections():
            if not power.ram_retained(block, section):
                self._soc.lose_ram_section(block, section)
