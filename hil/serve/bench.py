"""`hil serve` from its options to its end."""

from __future__ import annotations

import contextlib
import gc
import logging
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from hil.errors import BenchError, InputError
from hil.rig import files
from hil.rig.schema import DeviceFile, RigFile, VirtualFile
from hil.serve import images
from hil.serve.console import ConsoleSocket
from hil.serve.endpoints import Endpoints
from hil.serve.hci import HciSocket
from hil.serve.loop import PacedLoop
from hil.serve.messages import Told, messages_to, tell_fault, tell_stuck
from hil.serve.scpi import SupplySocket
from hil.serve.sockets import HOST
from hil.serve.state import SAVE_EVERY_S, StateKeeper
from hil.serve.terminal import PseudoTerminal
from hil.serve.wiring import LooseUarts, rewire
from hil.virtual.bench import Bench
from hil.virtual.faultwatch import FaultWatch
from hil.virtual.kernel import TICKS_PER_MS, TICKS_PER_SECOND
from hil.virtual.kit import Kit
from hil.virtual.statefile import KitState
from hil.virtual.stuckwatch import StuckWatch
from hil.virtual.wire import swd as wire_swd

log = logging.getLogger(__name__)

DEFAULT_VOLTS = 3.0
POWER_UP_LIMIT = 1000 * TICKS_PER_MS
POLL_S = 0.1
_COLLECTING = (50_000, 20, 20)
"""As in hil.rig.virtual: the models drop many objects at once, but few in circles."""


@dataclass(frozen=True)
class Options:
    """What was asked for on the command line."""

    rig: str = files.DEFAULT
    images: tuple[Path, ...] = ()
    bundled: bool = False
    """Flash the bundled bootloader and application, provisioned, first."""
    state: Path | None = None
    btsnoop: Path | None = None
    log: Path | None = None
    controller: bool = True
    """The kit's own controller is on its HCI UART; without it that UART is free."""
    console_pins: str | None = None
    """Where the console is wired to, if not as on the DK; see `wiring.rewire`."""
    button_seconds: float = 0.0
    """Button 1 is held down for so long after power-on."""
    seed: int = 0
    swd_port: int = 0
    supply_port: int = 0
    hci_port: int = 0
    console_port: int | None = None
    """The console is raw TCP at this port instead of a pseudo-terminal; 0 is any."""


def serve(options: Options) -> None:
    """Hold a bench open until SIGTERM or Ctrl-C. Raises InputError and BenchError."""
    rig = files.load(options.rig)
    if rig.bench != "virtual":
        raise InputError(
            f"rig {rig.name}: is a {rig.bench} bench; hil serve holds virtual ones open, others are there already"
        )
    if options.btsnoop is not None and not options.controller:
        raise InputError(
            "--btsnoop records what goes between the kit and its controller: not with --no-controller"
        )
    with messages_to(options.log), contextlib.ExitStack() as stack:
        pieces = images.read_pieces(list(options.images))
        if options.bundled:
            pieces += _bundled(rig.device)
        keeper = StateKeeper(options.state) if options.state is not None else None
        if keeper is not None:
            stack.callback(keeper.close)
        state = images.flash(keeper.state if keeper is not None else KitState.blank(), pieces)
        warning = images.cannot_start(state, pieces)
        if warning:
            log.warning("%s", warning)
        _Served(rig, options, state, keeper, stack).run()


class _Served:
    """An open bench and everything around it; what has to be closed is put on `stack`."""

    def __init__(
        self,
        rig: RigFile,
        options: Options,
        state: KitState,
        keeper: StateKeeper | None,
        stack: contextlib.ExitStack,
    ) -> None:
        self._rig = rig
        self._options = options
        settings = rig.virtual or VirtualFile()
        bench = Bench(
            options.seed,
            revision=settings.revision,
            without_anomalies=frozenset(settings.without_anomalies),
            spare_controllers=settings.spare_controllers,
            kit_controllers=options.controller,
            lead_ohms=settings.wire_ohms,
            battery_ohms=settings.battery.internal_ohms if settings.battery is not None else 0.0,
            decoupling_farads=settings.decoupling_farads,
            open_when_off=settings.supply_off == "open",
            fed_by_console="console" in settings.back_power,
        )
        self._bench = stack.enter_context(bench)
        self._kit: Kit = bench.kits[0]
        self._kit.load(state)
        if options.console_pins is not None:
            rewire(self._kit.console, options.console_pins)
        if keeper is not None:
            keeper.keep(self._kit)
        self._loop = loop = PacedLoop(bench.kernel)
        stack.callback(loop.close)
        self._watch = FaultWatch(self._kit.soc, tell_fault)

        self._supply = SupplySocket(loop, bench.psu, options.supply_port)
        stack.callback(self._supply.close)
        self._terminals: dict[str, PseudoTerminal | ConsoleSocket] = {
            "console": PseudoTerminal(loop, self._kit.console)
            if options.console_port is None
            else ConsoleSocket(loop, self._kit.console, options.console_port)
        }
        stack.callback(self._terminals["console"].close)
        if not options.controller:
            self._terminals["uart1"] = PseudoTerminal(loop, self._kit.hci)
            stack.callback(self._terminals["uart1"].close)
        self._hci = {}
        for index, controller in enumerate((*bench.spares, bench.central)):
            served = HciSocket(loop, controller, options.hci_port if index == 0 else 0)
            stack.callback(served.close)
            self._hci[controller.name] = served
        if options.btsnoop is not None:
            self._capture(options.btsnoop, stack)
        bench.swd[0].kernel = loop
        probe = wire_swd.probe_class()(self._kit.name)  # pyOCD first, whose plugin it is
        from hil.serve.swd import SwdServer

        self._swd = SwdServer(loop, probe, options.swd_port)
        stack.callback(self._swd.close)
        # Before the servers close: what their threads still ask for would wait for ever.
        stack.callback(loop.refuse)
        loop.every(POLL_S, self._watch.poll)
        loop.every(POLL_S, StuckWatch(self._kit.soc, tell_stuck, Told("watchdog reset")).poll)
        loop.every(POLL_S, LooseUarts((*self._kit.soc.uartes, self._kit.soc.uart0)).poll)
        if keeper is not None:
            loop.every(SAVE_EVERY_S, keeper.save_changes)

    def run(self) -> None:
        loop = self._loop
        with _stopping(loop), _collecting():
            self._power_up()
            endpoints = self._endpoints()
            log.info("listening on %s only, for everyone on this machine and without a password", HOST)
            for command in endpoints.commands():
                log.info("  %s", command)
            print(endpoints.json(), flush=True)
            try:
                loop.run()
            finally:
                self._summarise()

    def _power_up(self) -> None:
        """Switch the supply on as one does by hand, and wait until the chip is out of its power-on reset."""
        kernel, soc = self._bench.kernel, self._kit.soc
        if self._options.button_seconds:
            self._kit.press_button(True)
            kernel.after(
                round(self._options.button_seconds * TICKS_PER_SECOND), self._kit.press_button, False
            )
        self._loop.at_once(self._bench.psu.receive, f"VOLT {self._volts:.3f};:OUTP ON\n".encode())
        kernel.advance(kernel.now + POWER_UP_LIMIT, lambda: soc.powered)
        if not soc.powered:
            raise BenchError(f"the kit does not start at {self._volts} V")
        self._loop.restart_clock()

    @property
    def _volts(self) -> float:
        return self._rig.supply.nominal_volts if self._rig.supply is not None else DEFAULT_VOLTS

    def _endpoints(self) -> Endpoints:
        controllers = {name: served.transport for name, served in self._hci.items()}
        options = self._options
        return Endpoints(
            swd=self._swd.unique_id,
            target="nrf52840",
            console=self._terminals["console"].path,
            uarts={name: terminal.path for name, terminal in self._terminals.items()},
            supply=self._supply.resource,
            hci=next(iter(controllers.values()), None),
            controllers=controllers,
            btsnoop=str(options.btsnoop) if options.btsnoop is not None else None,
            log=str(options.log) if options.log is not None else None,
            state=str(options.state) if options.state is not None else None,
            pid=os.getpid(),
            volts=self._volts,
        )

    def _capture(self, path: Path, stack: contextlib.ExitStack) -> None:
        from hil.ble.btsnoop import UNIX_EPOCH_US, BtsnoopWriter

        kernel = self._bench.kernel
        start = UNIX_EPOCH_US + _unix_microseconds()

        def clock() -> int:
            return start + kernel.now * 1_000_000 // TICKS_PER_SECOND

        try:
            writer = BtsnoopWriter(path, clock)
        except OSError as error:
            raise InputError(f"{path}: cannot be written: {error.strerror}") from None
        stack.callback(writer.close)
        self._bench.radios[0].h4.tap = writer.write

    def _summarise(self) -> None:
        log.info("%s", self._loop.pacer.summary(self._bench.kernel.now))
        unmodelled = self._kit.soc.bus.unmodelled
        if unmodelled:
            log.info(
                "%d accesses to %d unmodelled registers",
                sum(unmodelled.values()),
                len({a for a, _ in unmodelled}),
            )
        for (kind, pc), count in self._watch.counts.items():
            log.info("%s at %s: %d times", kind, "?" if pc is None else f"0x{pc:08x}", count)


def _unix_microseconds() -> int:
    return time.time_ns() // 1000


def _bundled(device: DeviceFile) -> list[images.Piece]:
    """Bootloader, provisioning page and application 1.0.0 of the bundled device, as on a provisioned kit."""
    from hil.rig.product import bundled_product

    if device.bootloader is None or device.provisioning is None:
        raise InputError("--bundled: the rig's [device] has no bootloader and no provisioning page")
    product = bundled_product(device)
    return [
        images.checked(images.Piece(address, data, f"the bundled {what}"))
        for what, address, data in (
            ("bootloader", device.bootloader.start, product.bootloader),
            ("provisioning page", device.provisioning.start, product.provisioning.page()),
            ("application", device.slot("primary").start, product.images().make("1.0.0").data),
        )
    ]


@contextlib.contextmanager
def _stopping(loop: PacedLoop) -> Iterator[None]:
    """SIGTERM, Ctrl-C and a terminal that goes away end the loop in good order; a second Ctrl-C does not wait."""

    def stop(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        loop.stop()

    kept = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _collecting() -> Iterator[None]:
    kept = gc.get_threshold()
    gc.set_threshold(*_COLLECTING)
    try:
        yield
    finally:
        gc.set_threshold(*kept)
