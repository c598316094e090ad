"""An open rig: the instruments of a bench, one case at a time, and a safe state on every way out."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import signal
import threading
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from hil.errors import BenchError, HilError
from hil.rig import drivers
from hil.rig.bench import Bench
from hil.rig.faults import Faults
from hil.rig.power_log import LoggedSupply
from hil.rig.schema import RigFile

if TYPE_CHECKING:
    from hil.ble.btsnoop import BtsnoopWriter
    from hil.ble.central import Central
    from hil.ble.radio import Radio
    from hil.console.serial import SerialConsole
    from hil.probe.base import Probe, Rtt

T = TypeVar("T")

SERIAL_LOG = "serial.log"
CAPTURE = "link.btsnoop"
POWER_TRACE = "power.csv"
CURRENT_TRACE = "current.csv"
FLASH = "flash.bin"
ERASES = "flash.csv"
_POWER_UP_S = 0.001
_LET_GO_S = 0.5
"""After the probe was let go of, how long the console does not take it again: the power may be about to go."""
_FED = 0.9
"""Share of the nominal voltage below which a debug probe may not reach the device."""


class Rig:
    """The instruments of a bench. A case begins with `begin_case` and ends with `end_case`; in between the
    instruments are there, opened at their first use.

    An instrument that the rig file does not have, or that is used outside of a case, raises BenchError.
    """

    def __init__(self, file: RigFile, bench: Bench) -> None:
        self.file = file
        self._bench = bench
        self._folder: Path | None = None
        self._in_case = False
        self._probe: Probe | None = None
        self._supply: LoggedSupply | None = None
        self._console: SerialConsole | None = None
        self._rtt: Rtt | None = None
        self._released_at = float("-inf")
        self._central: Central | None = None
        self._spare: Radio | None = None
        self._capture: BtsnoopWriter | None = None
        self.left_on = False
        """The supply could not be switched off when a case ended."""

    @property
    def name(self) -> str:
        """The rig's name."""
        return self.file.name

    @property
    def kind(self) -> str:
        """Bench kind: virtual or real."""
        return self.file.kind

    @property
    def capabilities(self) -> frozenset[str]:
        """What a case may need and this rig has."""
        return self.file.capabilities()

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop of the present case."""
        return self._bench.loop

    @property
    def faults(self) -> Faults | None:
        """Faults beyond the reach of instruments; None when this bench cannot or the rig file says so."""
        return self._bench.faults if "faults" in self.capabilities else None

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine to its end, on the bench's clock. Only the thread that runs the tests may call this."""
        return self._bench.run(main)

    def clock(self) -> float:
        """Bench time since the case began, s."""
        return self._bench.seconds()

    def sleep(self, seconds: float) -> None:
        """Let bench time pass: on a virtual bench no time of yours does."""
        self._bench.sleep(seconds)

    # ---- Instruments ----

    @property
    def probe(self) -> Probe:
        """The debug probe, connected to the device, which must have power."""
        if self._probe is None:
            probe = drivers.open_probe(_present(self.file.probe, "probe", self._in_case), self._bench.wires)
            probe.open()
            self._probe = probe
        return self._probe

    def release_probe(self) -> None:
        """Let go of the device, which runs free; the next use of the probe connects again. Do so before power goes."""
        probe, self._probe = self._probe, None
        self._rtt = None
        self._released_at = self.clock()
        if probe is not None:
            probe.close()

    def _powered_rtt(self) -> Rtt | None:
        """The device's RTT, for its console; None while the device has no power. Raises BenchError when the probe does
        not reach it, or was let go of a moment ago.
        """
        table = self.file.supply
        fed = table is None or (self.supply.feeds and self.supply.volts >= _FED * table.nominal_volts)
        if not fed or (self.faults is not None and self.faults.cut_happened):
            self._rtt = None
            return None
        if self._probe is None and self.clock() - self._released_at < _LET_GO_S:
            raise BenchError("probe: was let go of a moment ago")
        if self._rtt is None:
            console = self.file.console
            assert console is not None
            self._rtt = self.probe.rtt(console.ram_start, console.ram_size, console.control_block)
        return self._rtt

    @property
    def supply(self) -> LoggedSupply:
        """The power supply."""
        if self._supply is None:
            table = _present(self.file.supply, "supply", self._in_case)
            folder = self._folder
            opened = drivers.open_supply(
                table,
                self._bench.wires,
                path=self.file.path,
                clock=self.clock,
                sleep=self.sleep,
                current_trace=folder / CURRENT_TRACE if folder is not None else None,
            )
            self._supply = LoggedSupply(
                opened,
                self.clock,
                folder / POWER_TRACE if folder is not None else None,
                sleep=self.sleep,
                max_volts=table.max_volts,
                max_amperes=table.max_amperes,
            )
        return self._supply

    @property
    def console(self) -> SerialConsole:
        """The serial console."""
        if self._console is None:
            table = _present(self.file.console, "console", self._in_case)
            log = self._folder / SERIAL_LOG if self._folder is not None else None
            self._console = drivers.open_console(
                table, log, self._bench.wires, rtt=self._powered_rtt, clock=self.clock, sleep=self.sleep
            )
            self._console.attach(self.loop)
        return self._console

    @property
    def central(self) -> Central:
        """The Bluetooth LE adapter."""
        if self._central is None:
            table = _present(self.file.central, "central", self._in_case)
            self._central = self.run(drivers.open_central(table, self._bench.wires))
            if self._folder is not None and self._central.controls_link:
                self._capture = drivers.open_capture(self._folder / CAPTURE, self.clock)
                self._central.capture_to(self._capture)
        return self._central

    @property
    def hardware(self) -> Any:
        """The hardware of a virtual bench, for what opens it to outside programs; None on a real bench."""
        return getattr(self._bench, "hardware", None)

    def release_console(self) -> None:
        """Close the console, whose transmit line is then no longer driven; it is opened anew at its next use."""
        console, self._console = self._console, None
        if console is not None:
            console.close()

    def release_central(self) -> None:
        """Let go of the adapter, so that another program can have it; it is opened anew at its next use."""
        central, self._central = self._central, None
        capture, self._capture = self._capture, None
        if central is not None:
            self.run(central.close())
        if capture is not None:
            capture.close()

    def restart_central(self) -> None:
        """Reset the adapter without ending its links first, as when a host's Bluetooth crashes; it is opened anew at
        its next use. Only for an adapter of our own (the capability link.phy).
        """
        central, self._central = self._central, None
        capture, self._capture = self._capture, None
        if central is not None:
            self.run(central.crash())
        if capture is not None:
            capture.close()

    @property
    def spare(self) -> Radio:
        """The second Bluetooth LE controller, with a host of our own on it."""
        if self._spare is None:
            table = _present(self.file.spare, "spare", self._in_case)
            self._spare = self.run(drivers.open_spare(table, self._bench.wires))
        return self._spare

    # ---- Cases ----

    def begin_case(self, case_id: str, seed: int, folder: Path | None = None) -> None:
        """Make the bench ready: a fresh virtual bench from `seed`, or a real one with the device's power off.

        Logs and captures go to `folder`. Raises BenchError when an instrument does not answer.
        """
        self.end_case(failed=False)
        self._folder = folder
        self._released_at = float("-inf")
        self._bench.begin(seed, folder)
        self._in_case = True
        if self.file.supply is not None:
            self.supply.off()
            self.supply.set_volts(self.file.supply.nominal_volts)
            if self.file.bench != "virtual":
                # A device that exists keeps its RAM for a while, and with it what the case before left there.
                self.sleep(self.file.supply.off_seconds)
        if self.file.console is not None:
            self.console.pump()

    def end_case(self, *, failed: bool) -> dict[str, Any]:
        """Close everything, power off. With `failed`, the device's flash is kept for the one who looks for the reason.

        Returns what the case's record should hold besides. Raises the first BenchError after all is closed.
        """
        if not self._in_case:
            return {}
        notes: dict[str, Any] = {}
        trouble: list[Exception] = []
        try:
            if failed:
                with _collecting(trouble):
                    self._keep_erases()
                with _collecting(trouble):
                    self._keep_flash(notes)
            with _collecting(trouble):
                notes |= self._bench.notes()
            with _collecting(trouble):
                if self._console is not None:
                    self._console.pump()
                    if self._console.panics.lines:
                        notes["panics"] = list(self._console.panics.lines)
            with _collecting(trouble):
                if self._probe is not None and self.file.supply is None:
                    self._probe.reset()  # it keeps its power, and may stand in the middle of a flash loader
            with _collecting(trouble):
                # In good order the debugger leaves before the power does; pyOCD complains otherwise.
                self.release_probe()
        finally:
            self._in_case = False
            trouble += self._close_all()
            with _collecting(trouble):
                self._bench.end()
            self._folder = None
        if trouble:
            raise _as_bench_error(trouble[0])
        return notes

    def unmodelled(self) -> dict[str, int]:
        """What the firmware touched that the bench does not model, and how often; nothing on a real bench."""
        return dict(self._bench.notes().get("unmodelled", {})) if self._in_case else {}

    def ailing(self) -> str | None:
        """Which instrument of a bench that exists no longer answers, in one line; None when those in use all do.

        Asked before a failure is laid to the device: a link is lost, too, when the adapter is unplugged.
        """
        if self.file.bench == "virtual" or not self._in_case:
            return None
        trouble: list[Exception] = []
        if self._supply is not None:
            with _collecting(trouble):
                self._supply.measure_volts()
        if self._console is not None:
            with _collecting(trouble):
                self._console.pump()
        if self._central is not None:
            with _collecting(trouble):
                self.run(self._central.check())
        if self._spare is not None:
            with _collecting(trouble):
                self.run(self._spare.check())
        return next((str(error) for error in trouble if isinstance(error, BenchError)), None)

    def safe_state(self) -> None:
        """Output off, link closed, everything let go of. Never raises but BenchError for a supply that stays on."""
        self._in_case = False
        trouble = self._close_all()
        with _collecting(trouble):
            self._bench.end()
        if trouble:
            raise _as_bench_error(trouble[0])

    def _keep_erases(self) -> None:
        """Write down when which page was erased, where the bench knows: a lane of the report's timeline."""
        if self._folder is None or self.faults is None:
            return
        rows = ["start_s,end_s,kind,address"]
        rows += [
            f"{each.start:.6f},{each.end:.6f},{each.kind.replace(',', '')},0x{each.address:x}"
            for each in self.faults.flash_erases
        ]
        (self._folder / ERASES).write_text("\n".join(rows) + "\n", encoding="utf-8")

    def _keep_flash(self, notes: dict[str, Any]) -> None:
        """Read the flash of a device that failed, as it is if it has power, else after it is given some."""
        if self._folder is None or self.file.probe is None:
            return
        size = self.file.device.flash_size
        try:
            try:
                data = self.probe.read(0, size)
            except BenchError:
                self._power_up()
                data = self.probe.read(0, size)
                notes["flash"] = "read after the power was given back, so the device had a moment to run"
        except HilError as error:
            # A locked or lifeless chip is no reason to lose the rest of the record.
            notes["flash"] = f"could not be read: {error}"
            return
        (self._folder / FLASH).write_bytes(data)

    def _power_up(self) -> None:
        self.release_probe()
        if self.file.supply is not None:
            if self.faults is not None:
                self.faults.restore_power()
            self.supply.set_volts(self.file.supply.nominal_volts)
            self.supply.on()
            self.sleep(_POWER_UP_S)

    def _close_all(self) -> list[Exception]:
        trouble: list[Exception] = []
        with _shielded():
            supply, self._supply = self._supply, None
            central, self._central = self._central, None
            spare, self._spare = self._spare, None
            probe, self._probe = self._probe, None
            self._rtt = None
            console, self._console = self._console, None
            capture, self._capture = self._capture, None
            # The supply first: whatever else goes wrong, the output must be off.
            if supply is not None:
                self.left_on = True
                with _collecting(trouble):
                    supply.safe_off()
                    self.left_on = False
                for step in (supply.save, supply.close):
                    with _collecting(trouble):
                        step()
            if central is not None:
                with _collecting(trouble):
                    self.run(central.close())
            if spare is not None:
                with _collecting(trouble):
                    self.run(spare.close())
            if capture is not None:
                with _collecting(trouble):
                    capture.close()
            if probe is not None:
                with _collecting(trouble):
                    probe.close()
            if console is not None:
                with _collecting(trouble):
                    console.close()
        return trouble


@contextlib.contextmanager
def open_rig(file: RigFile, folder: Path | None = None, *, record: bool = False) -> Iterator[Rig]:
    """A rig, brought into its safe state however the block is left, or the process that is in it.

    A bench of instruments that exist is claimed for this process; the guardian that switches it off should the process
    be killed writes to `folder` what it did. `record` keeps a log of what crosses the wires in the folder of each case,
    for `hil replay`. Raises BenchError when another process has the bench.
    """
    bench = _bench_for(file)
    if record and file.replays is None:
        from hil.rig.recorded import RecordedBench

        bench = RecordedBench(bench, file.bench)
    rig = Rig(file, bench)
    last_resort = rig.safe_state  # for an interpreter that ends without the block having been left
    with _guarded(rig, folder):
        atexit.register(last_resort)
        try:
            yield rig
        finally:
            atexit.unregister(last_resort)
            rig.safe_state()


@contextlib.contextmanager
def _guarded(rig: Rig, folder: Path | None) -> Iterator[None]:
    from hil.rig import guardian
    from hil.rig.claim import Claim

    file = rig.file
    replayed = file.replays is not None
    if replayed or file.bench == "virtual" or (file.supply is None and file.probe is None):
        yield  # nothing of it outlives this process
        return
    claim = Claim(file)
    try:
        watching = guardian.Guardian(file, claim, folder / guardian.LOG if folder is not None else None)
        try:
            watching.wait_ready()
            yield
        finally:
            # What could not be switched off it tries on, for a while.
            watching.dismiss(safe=not rig.left_on)
    finally:
        claim.release()


def _bench_for(file: RigFile) -> Bench:
    if file.replays is not None:
        from hil.rig.replayed import ReplayBench

        return ReplayBench(file.replays)
    if file.bench != "virtual":
        from hil.rig.real import RealBench

        return RealBench()
    from hil.rig.virtual import VirtualBench

    return VirtualBench(file)


def _present(table: T | None, name: str, in_case: bool) -> T:
    if table is None:
        raise BenchError(f'this rig has no [{name}]: a case that uses it says so by needs=["{name}"]')
    if not in_case:
        raise BenchError(f"the {name} was used outside of a case")
    return table


def _as_bench_error(error: Exception) -> BenchError:
    if isinstance(error, BenchError):
        return error
    return BenchError(f"closing the bench: {type(error).__name__}: {error}")


@contextlib.contextmanager
def _collecting(trouble: list[Exception]) -> Iterator[None]:
    """One step of a shutdown: its trouble is kept, and the next step is taken."""
    try:
        yield
    except Exception as error:
        trouble.append(error)


@contextlib.contextmanager
def _shielded() -> Iterator[None]:
    """A second Ctrl-C must not leave the output on: it is taken when the block is done."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    pending: list[int] = []
    before = {
        number: signal.signal(number, lambda n, _: pending.append(n))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if pending:
        raise KeyboardInterrupt
