"""The chip and its supply: power-on, brown-out, what RAM keeps, and the currents the chip draws.

(nRF52840 Product Specification, POWER, Reset, and Current consumption.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from hil.virtual.kernel import TICKS_PER_MS, Event
from hil.virtual.soc.nvmc import Kind
from hil.virtual.soc.peripheral import ResetCause
from hil.virtual.soc.power import HIGHEST_THRESHOLD, POF_HYSTERESIS

if TYPE_CHECKING:
    from hil.virtual.soc.nrf52840 import Soc

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

# Currents in amperes at 3 V: assumed, no source found (known are IS0 and IS2 of the specification, 8.1 mA by DC/DC and
# 15.4 mA by LDO, but they are of CPU and radio together).
CPU_RUN_LDO, CPU_RUN_DCDC = 6.3e-3, 3.3e-3
CPU_SLEEP = 3.2e-6
SYSTEM_OFF = 0.4e-6
FLASH_ERASE, FLASH_WRITE = 7.0e-3, 5.0e-3


class Supply:
    """Watches the rail for one chip, and starts and stops it; made last, when the chip is complete."""

    def __init__(self, soc: Soc) -> None:
        self._soc = soc
        self._rail = rail = soc.rail
        self.ram_lost = True
        """RAM has been without power since the chip last ran."""
        self.power_cycles = 0
        self._starting: Event | None = None
        rail.on_changed = self.changed
        rail.settle_loads = self._settle_loads
        self._ram_watch = rail.watch(RAM_LOSS_VOLTS, self._ram_crossed)
        self._power_watch = rail.watch(BROWN_OUT_VOLTS, self._power_crossed, RELEASE_HYSTERESIS)

    def begin(self) -> None:
        """Start the chip if the rail is up already."""
        if self._rail.voltage() >= BROWN_OUT_VOLTS + RELEASE_HYSTERESIS:
            self._power_crossed(False)
        else:
            # A rail between the two levels has never been above the upper one.
            self._power_watch.below = True
            self._rail.changed()

    def cut(self) -> None:
        """Take the supply away now, between two instructions or inside an operation; see
        ``Rail.set_connected``.
        """
        self._rail.set_connected(False)
        self.ram_lost = True
        self._lost()

    def changed(self) -> None:
        """Firmware writes POFCON and NVMC.CONFIG around each word of flash. As long as the supply is such that
        neither has an effect on VDD or on the comparator, the native core takes the stores by itself.
        """
        above = self._rail.stays_above(HIGHEST_THRESHOLD + POF_HYSTERESIS, more=FLASH_ERASE)
        calm = above and not self._soc.power.pof_warning
        self._take_stores(calm)

    def follow_stores(self) -> None:
        """Bring supply and comparator up to date, as for a save; ``changed`` undoes it."""
        self._take_stores(False)

    def running_load(self) -> None:
        """Tell the rail what the CPU draws now."""
        dcdc = bool(self._soc.power.values[self._soc.power.DCDCEN])
        run = CPU_RUN_DCDC if dcdc else CPU_RUN_LDO
        self._rail.set_load("CPU", CPU_SLEEP if self._soc.cpu.sleeping else run)

    def system_off_load(self) -> None:
        """Tell the rail that the chip is in System OFF."""
        self._rail.set_load("CPU", SYSTEM_OFF)

    def flash_load(self, erasing: bool, writing: bool) -> None:
        """Tell the rail what the flash draws now."""
        self._rail.set_load("flash", FLASH_ERASE if erasing else FLASH_WRITE if writing else 0.0)

    def save(self) -> object:
        return self.power_cycles, self.ram_lost, self._starting

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        self.power_cycles, self.ram_lost, self._starting = state

    def _take_stores(self, calm: bool) -> None:
        config = self._soc.nvmc.config
        if calm == bool(config.direct):
            return
        self._settle_loads()
        config.direct = calm
        self._soc.power.leave_comparator(calm)

    def _settle_loads(self) -> None:
        soc = self._soc
        if soc.nvmc.config.direct and soc.powered and not soc.debug.erasing:
            soc.nvmc.tell_load()

    def _ram_crossed(self, below: bool) -> None:
        if below:
            self.ram_lost = True

    def _power_crossed(self, below: bool) -> None:
        if below:
            self._lost()
        elif not self._soc.powered and self._starting is None:
            self._starting = self._soc.kernel.after(POWER_UP, self._start)

    def _lost(self) -> None:
        soc = self._soc
        soc.kernel.cancel(self._starting)
        self._starting = None
        if not soc.powered:
            return
        self._tear_word_write()
        soc.debug.abandon_erase()
        soc.cpu.power_off()
        # The chip is off: every peripheral stops here (an erase under way is torn); the start resets them
        # again.
        soc.resets.power_lost()
        soc.external_flash.power_lost()
        for consumer in ("CPU", "flash", "System OFF"):
            self._rail.set_load(consumer, 0.0)

    def _tear_word_write(self) -> None:
        operation = self._soc.cpu.nvm.last
        now = self._soc.kernel.now
        if (
            operation is None
            or operation.kind != Kind.WRITE.value
            or not operation.start <= now < operation.end
        ):
            return
        fraction = (now - operation.start) / (operation.end - operation.start)
        old, new = (int.from_bytes(content, "little") for content in (operation.old, operation.new))
        self._soc.nvmc.tear_word(operation.address, old, new, fraction)

    def _start(self) -> None:
        soc = self._soc
        self._starting = None
        cause = ResetCause.POWER_ON if self.ram_lost else ResetCause.BROWN_OUT
        kept = None if self.ram_lost else bytes(soc.memory.ram)
        self.ram_lost = False
        self.power_cycles += 1
        soc.resets.power_on(cause, kept)
