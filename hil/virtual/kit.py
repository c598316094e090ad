"""A virtual nRF52840 DK: the chip, its supply rail, and the wires on the board."""

from __future__ import annotations

from hil.virtual.faults import PowerFaults
from hil.virtual.kernel import Kernel
from hil.virtual.power.rail import Rail
from hil.virtual.soc.memory import FLASH_SIZE, UICR_BASE, UICR_SIZE
from hil.virtual.soc.nrf52840 import Soc
from hil.virtual.statefile import KitState
from hil.virtual.uart import UartLine, pin

LED = 13
"""LED1 on P0.13, lit by a low level."""
BUTTON = 11
"""Button 1 on P0.11, low while pressed."""


class Kit:
    """One kit. ``console`` and ``hci`` are its UART connections; ``rail`` feeds it; ``debug_port`` is its
    SWD header.

    The pins are the DK's for the console (P0.06 TXD, P0.08 RXD, P0.05 RTS, P0.07 CTS) and P1.02 TXD, P1.01
    RXD, P1.04 RTS, P1.03 CTS for the controller of the two-chip kit.
    """

    def __init__(
        self,
        kernel: Kernel,
        name: str = "kit0",
        *,
        rail: Rail | None = None,
        revision: str = "Rev2",
        without_anomalies: frozenset[int] = frozenset(),
    ) -> None:
        self.kernel = kernel
        self.name = name
        self.rail = rail if rail is not None else Rail(kernel, f"{name} VDD")
        self.console = UartLine(f"{name}/console", txd=pin(0, 6), rxd=pin(0, 8), rts=pin(0, 5), cts=pin(0, 7))
        self.hci = UartLine(
            f"{name}/hci", txd=pin(1, 2), rxd=pin(1, 1), rts=pin(1, 4), cts=pin(1, 3), flow_control=True
        )
        self.soc = Soc(
            kernel,
            self.rail,
            name=name,
            revision=revision,
            without_anomalies=without_anomalies,
            uart_lines=(self.console, self.hci),
        )
        self.faults = PowerFaults(self.soc)

    @property
    def led(self) -> bool:
        """LED1 is lit."""
        return self.soc.powered and self.soc.p0.is_output(LED) and not self.soc.p0.level(LED)

    def press_button(self, pressed: bool) -> None:
        """Press or let go of button 1."""
        self.soc.p0.drive(BUTTON, False if pressed else None)

    def load(self, state: KitState) -> None:
        """Put flash and UICR in place, as a kit that was programmed earlier has them."""
        self.soc.memory.write(0, state.flash)
        self.soc.memory.write(UICR_BASE, state.uicr)

    def dump(self) -> KitState:
        """What is in flash and UICR now."""
        memory = self.soc.memory
        return KitState(memory.read(0, FLASH_SIZE), memory.read(UICR_BASE, UICR_SIZE))

    def save(self) -> object:
        """Everything on the board, its rail included; the kernel is saved by its owner."""
        self.soc.supply.follow_stores()
        state = (self.rail.save(), self.soc.save(), self.console.save(), self.hci.save(), self.faults.save())
        self.soc.supply.changed()
        return state

    def restore(self, state: object) -> None:
        """Return to a state this very kit saved."""
        assert isinstance(state, tuple)
        rail, soc, console, hci, faults = state
        self.rail.restore(rail)
        self.soc.restore(soc)
        self.console.restore(console)
        self.hci.restore(hci)
        self.faults.restore(faults)
        self.soc.supply.changed()
