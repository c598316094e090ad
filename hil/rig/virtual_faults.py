"""`rig.faults` on the virtual bench."""

from __future__ import annotations

from typing import Any

from hil.errors import InputError
from hil.rig.faults import FlashOperation
from hil.virtual.bench import Bench
from hil.virtual.faults import Phase
from hil.virtual.kernel import TICKS_PER_SECOND
from hil.virtual.soc.memory import FLASH_PAGE


class VirtualFaults:
    """Faults of the first kit of a virtual bench; see hil.rig.faults for what each method does."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench
        self._kit = bench.kits[0]

    @property
    def flash_operations(self) -> int:
        return self._kit.faults.operations

    @property
    def last_flash_operation(self) -> FlashOperation | None:
        last = self._kit.soc.cpu.nvm.last
        if last is None:
            return None
        return FlashOperation(
            last.kind, last.address, last.start / TICKS_PER_SECOND, last.end / TICKS_PER_SECOND
        )

    @property
    def flash_erases(self) -> list[FlashOperation]:
        return [
            FlashOperation(
                each.kind, each.address, each.start / TICKS_PER_SECOND, each.end / TICKS_PER_SECOND
            )
            for each in self._kit.soc.cpu.nvm.erases
        ]

    @property
    def flash_wear(self) -> dict[int, int]:
        return {page * FLASH_PAGE: times for page, times in sorted(self._kit.soc.cpu.nvm.page_erases.items())}

    def cut_power_at_flash_operation(self, number: int, phase: Phase = "during", depth: float = 0.5) -> None:
        self._kit.faults.cut_at_operation(number, phase, depth)

    def cancel(self) -> None:
        self._kit.faults.cancel()

    @property
    def cut_happened(self) -> bool:
        return self._kit.faults.cut_happened

    def restore_power(self) -> None:
        self._kit.faults.restore_power()

    def set_packet_loss(self, probability: float) -> None:
        if not 0.0 <= probability <= 1.0:
            raise InputError(f"packet loss {probability}: expected a probability from 0 to 1")
        self._bench.air.set_loss(self._bench.radios[0].controller, self._bench.central, probability)

    def set_supply_resistance(self, ohms: float) -> None:
        if not 0.0 <= ohms <= 1000.0:
            raise InputError(f"supply resistance {ohms}: expected 0 to 1000 ohm")
        self._bench.terminals[0].set_resistance(ohms)

    def save(self) -> Any:
        return self._bench.save()

    def restore(self, state: Any) -> None:
        self._bench.restore(state)
