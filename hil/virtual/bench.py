"""A whole virtual bench: one clock, kits with their supplies, the air, and controllers with nobody behind
them yet.

The parts are published in the registry while the bench is open, so that the files of ``hil.virtual.wire``
find them: ``kit0``, ``kit0/swd``, ``kit0/console``, ``psu0``, ``central``, ``spare``, and so on by number.
"""

from __future__ import annotations

from functools import partial
from typing import Any

from hil.virtual import registry
from hil.virtual.air.controller import Controller
from hil.virtual.air.h4 import H4
from hil.virtual.air.medium import Medium
from hil.virtual.instruments.psu import PowerSupply
from hil.virtual.instruments.terminals import BOARD_FARADS, RailTerminals
from hil.virtual.kernel import Kernel
from hil.virtual.kit import Kit
from hil.virtual.swdlink import SwdLink

CONTROLLER_VOLTS = 1.7
CONTROLLER_HYSTERESIS = 0.05


class KitRadio:
    """The controller on a kit's board: it lives on the kit's rail and speaks H4 on the kit's HCI UART."""

    def __init__(self, kit: Kit, medium: Medium, address: bytes) -> None:
        self.controller = Controller(kit.kernel, medium, kit.name, address)
        self.h4 = H4(kit.kernel, self.controller, kit.hci)
        watch = kit.rail.watch(CONTROLLER_VOLTS, self._power_crossed, CONTROLLER_HYSTERESIS)
        # Off until the rail comes up, and told so by the crossing.
        watch.below = True
        self.h4.power(False)
        kit.rail.changed()

    def _power_crossed(self, below: bool) -> None:
        self.h4.power(not below)

    def save(self) -> object:
        return self.controller.save(), self.h4.save()

    def restore(self, state: object) -> None:
        assert isinstance(state, tuple)
        controller, h4 = state
        self.controller.restore(controller)
        self.h4.restore(h4)


class Bench:
    """Kits, supplies and controllers on one kernel; all supplies are off at first.

    ``supplies[n]`` is the programmable supply on the rail of ``kits[n]``; ``central`` and ``spares`` are
    controllers for hosts on the bench. A supply reaches its kit by leads of ``lead_ohms``; with
    ``battery_ohms`` it plays a battery of that internal resistance. ``open_when_off`` supplies open their
    terminals instead of pulling them down, and ``decoupling_farads`` then keeps the board up for a moment;
    ``fed_by_console`` has the host's end of the console hold it up for as long as that is open.
    ``kit_controllers=False`` leaves the controllers off the kits' boards, so that their HCI UARTs are free
    for something else; ``radios`` is then empty. Use as a context manager, or call ``close``.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        kits: int = 1,
        spare_controllers: int = 1,
        kit_controllers: bool = True,
        revision: str = "Rev2",
        without_anomalies: frozenset[int] = frozenset(),
        lead_ohms: float = 0.0,
        battery_ohms: float = 0.0,
        decoupling_farads: float = BOARD_FARADS,
        open_when_off: bool = False,
        fed_by_console: bool = False,
    ) -> None:
        self.kernel = Kernel(seed)
        self.air = Medium(self.kernel)
        self.kits = [
            Kit(self.kernel, f"kit{index}", revision=revision, without_anomalies=without_anomalies)
            for index in range(kits)
        ]
        self.terminals = [
            RailTerminals(
                self.kernel,
                kit.rail,
                lead_ohms,
                battery_ohms,
                decoupling_farads,
                partial(_held_by_console, kit) if fed_by_console else _held_by_nothing,
            )
            for kit in self.kits
        ]
        self.supplies = [
            PowerSupply(self.kernel, terminals, f"{index + 1:04}", open_when_off=open_when_off)
            for index, terminals in enumerate(self.terminals)
        ]
        self.radios = [
            KitRadio(kit, self.air, _address(1, index))
            for index, kit in enumerate(self.kits)
            if kit_controllers
        ]
        self.swd = [SwdLink(self.kernel, kit.soc.debug) for kit in self.kits]
        self.central = self._controller("central", 2, 0)
        self.spares = [
            self._controller(_numbered("spare", index), 3, index) for index in range(spare_controllers)
        ]
        self._published: list[str] = []
        self._publish()

    @property
    def psu(self) -> PowerSupply:
        """The supply of the first kit."""
        return self.supplies[0]

    @property
    def rails(self) -> list[Any]:
        """The rails of the kits."""
        return [kit.rail for kit in self.kits]

    def close(self) -> None:
        """Take the parts out of the registry; harmless when called again."""
        for name in self._published:
            registry.unregister(name)
        self._published.clear()

    def __enter__(self) -> Bench:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def save(self) -> object:
        """The state of everything on the bench and of the clock. Not inside ``Kernel.advance``."""
        return (
            self.kernel.save(),
            self.air.save(),
            [kit.save() for kit in self.kits],
            [supply.save() for supply in self.supplies],
            [radio.save() for radio in self.radios],
            [controller.save() for controller in (self.central, *self.spares)],
        )

    def restore(self, state: object) -> None:
        """Return to a state this very bench saved; the hosts on it have to be in step with it themselves."""
        assert isinstance(state, tuple)
        kernel, air, kits, supplies, radios, controllers = state
        for kit, saved in zip(self.kits, kits, strict=True):
            kit.restore(saved)
        for supply, saved in zip(self.supplies, supplies, strict=True):
            supply.restore(saved)
        for radio, saved in zip(self.radios, radios, strict=True):
            radio.restore(saved)
        for controller, saved in zip((self.central, *self.spares), controllers, strict=True):
            controller.restore(saved)
        self.air.restore(air)
        self.kernel.restore(kernel)

    def _controller(self, name: str, kind: int, index: int) -> Controller:
        controller = Controller(self.kernel, self.air, name, _address(kind, index))
        controller.power(True)
        return controller

    def _publish(self) -> None:
        parts: list[tuple[str, object]] = []
        for index, kit in enumerate(self.kits):
            parts.append((kit.name, kit))
            parts.append((f"{kit.name}/swd", self.swd[index]))
            parts.append((kit.console.name, kit.console))
            parts.append((f"psu{index}", self.supplies[index]))
        parts.append(("central", self.central))
        parts += [(_numbered("spare", index), spare) for index, spare in enumerate(self.spares)]
        try:
            for name, part in parts:
                registry.register(name, part, self.kernel)
                self._published.append(name)
        except Exception:
            self.close()
            raise


def _numbered(name: str, index: int) -> str:
    """The first has no number."""
    return name if index == 0 else f"{name}{index}"


def _address(kind: int, index: int) -> bytes:
    """A public device address, least significant octet first, distinct for each controller of a bench."""
    return bytes((index + 1, kind, 0x00, 0x52, 0x48, 0xC0))


PIN_FEEDS_VOLTS = 2.6
"""What a 3.3 V output that idles high leaves behind the protection diode of the input that it drives. Assumed."""


def _held_by_console(kit: Kit) -> float:
    return PIN_FEEDS_VOLTS if kit.console.far_end is not None else 0.0


def _held_by_nothing() -> float:
    return 0.0
