"""Nordic's Power Profiler Kit II as the device's supply (source meter mode), through ppk2-api."""

from __future__ import annotations

import contextlib
import logging
import math
import threading
import time
from collections.abc import Callable
from itertools import accumulate
from pathlib import Path
from typing import Any, NoReturn

from ppk2_api.ppk2_api import PPK2_API

from hil.errors import BenchError
from hil.supply.base import Limits, Ramp
from hil.supply.current_trace import CurrentTrace
from hil.supply.steps import play_steps

MIN_VOLTS = 0.8
MAX_VOLTS = 5.0
"""What the kit can source: nRF Connect Power Profiler, source meter; `vdd_low` and `vdd_high` of ppk2-api."""
SAMPLES_PER_SECOND = 100_000
SAMPLE_BYTES = 4
STEP_SECONDS = 0.01
OFF_ATTEMPTS = 3
GUARD_SAMPLES = 1000
"""Samples over whose mean the current is held against the rig's limit: 10 ms."""
MEASURE_SAMPLES = 1000
"""Samples that a measured current is the mean of: 10 ms."""
BACKLOG_LIMIT = 4 * SAMPLES_PER_SECOND * SAMPLE_BYTES
"""Bytes that may wait to be decoded, 4 s; older ones are dropped and counted."""
METADATA_LIMIT = 8192
_DRAIN_S = 0.05

log = logging.getLogger(__name__)


class _Api(PPK2_API):  # type: ignore[misc]  # ppk2-api is not typed
    """ppk2-api, whose errors are raised rather than logged, and whose waiting has an end."""

    patience_s = 2.0

    def _write_serial(self, cmd_tuple: tuple[int, ...]) -> None:
        self.ser.write(bytes(cmd_tuple))

    def _read_metadata(self) -> str:
        end = time.monotonic() + self.patience_s
        data = b""
        while b"END" not in data:
            if time.monotonic() > end or len(data) > METADATA_LIMIT:
                raise TimeoutError(f"no calibration data in {self.patience_s:g} s")
            data += self.ser.read(max(1, min(self.ser.in_waiting, 512)))
        return data.decode("ascii", errors="replace")


class Ppk2:
    """A PPK2 in source meter mode; see `Supply` for the methods and what they raise.

    The kit sources 0.8 to 5 V and measures current, not voltage. It has no current limit of its own: while it samples,
    a mean above `max_amperes` over 10 ms switches the device off, and the next call says so. Ramps are played in steps.
    Sampling begins with the first `on` or measurement; the trace is written to `trace` by `close`.
    """

    def __init__(
        self,
        port: str,
        *,
        max_volts: float,
        max_amperes: float,
        timeout_s: float = 2.0,
        trace: Path | None = None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._limits = Limits(max_volts, max_amperes)
        self._name = f"PPK2 {port}"
        if max_volts < MIN_VOLTS:
            self._cannot(f"give less than {MIN_VOLTS:g} V, and the rig's limit is {max_volts:g} V")
        self._clock = clock
        self._sleep = sleep
        self._timeout_s = timeout_s
        self._path = trace
        self._closed = False
        self._volts = MIN_VOLTS
        self._lock = threading.Lock()
        self._news = threading.Condition()
        self._stop = threading.Event()
        self._backlog = bytearray()
        self._recent: list[float] = []
        self._decoded = 0
        self._lost = 0
        self._tripped = ""
        self._failed = ""
        self._threads: list[threading.Thread] = []
        self._trace = CurrentTrace(1 / SAMPLES_PER_SECOND, SAMPLES_PER_SECOND // 1000)
        try:
            self._api: Any = _Api(port, timeout=0.1, write_timeout=timeout_s, exclusive=True)
        except (OSError, ValueError) as error:
            raise BenchError(f"supply {self._name}: cannot be opened: {_line(error)}") from None
        self._api.patience_s = timeout_s
        try:
            self._begin()
        except BaseException:
            self._api.ser.close()
            raise

    def _begin(self) -> None:
        # It may still be sampling for whoever had it before.
        self._call("stop measuring", self._api.stop_measuring)
        self._call("power off", self._api.toggle_DUT_power, "OFF")
        end = time.monotonic() + self._timeout_s
        while time.monotonic() < end:
            time.sleep(_DRAIN_S)
            waiting = self._call("discard input", lambda: self._api.ser.in_waiting)
            if not waiting:
                break
            self._call("discard input", self._api.ser.read, waiting)
        else:
            raise BenchError(f"supply {self._name}: it goes on sending after 'stop measuring'")
        if not self._call("get metadata", self._api.get_modifiers):
            raise BenchError(f"supply {self._name}: 'get metadata' was answered by nonsense; is it a PPK2?")
        for key, values in self._api.modifiers.items():
            if isinstance(values, dict) and not all(math.isfinite(each) for each in values.values()):
                raise BenchError(f"supply {self._name}: its calibration data {key} are not numbers")
        self._call("source meter", self._api.use_source_meter)
        self._set(MIN_VOLTS)

    @property
    def max_volts(self) -> float:
        return self._limits.max_volts

    @property
    def max_amperes(self) -> float:
        return self._limits.max_amperes

    @property
    def lost_samples(self) -> int:
        """Samples that came faster than they could be decoded."""
        return self._lost

    def identity(self) -> str:
        text = f"Nordic PPK2, hardware {self._api.modifiers['HW']}, calibrated {self._api.modifiers['Calibrated']}"
        return "".join(c if c.isprintable() else "?" for c in text)[:120]

    def set_volts(self, volts: float) -> None:
        checked = self._within(volts)
        self._look()
        self._set(checked)
        self._volts = checked

    def set_current_limit(self, amperes: float) -> None:
        self._limits.amperes(amperes)
        self._cannot("limit the current; it is switched off above max_amperes instead")

    def on(self) -> None:
        self._look()
        self._set(self._volts)
        self._sample()
        self._call("power on", self._api.toggle_DUT_power, "ON")
        if (
            self._tripped or self._failed
        ):  # meanwhile, and its switching off may have come before our switching on
            self.off()
            self._look()

    def off(self) -> None:
        self._call("power off", self._api.toggle_DUT_power, "OFF")

    def ramp(self, start: float, stop: float, seconds: float) -> Ramp:
        first, last = self._within(start), self._within(stop)
        duration = self._limits.seconds(seconds)
        self._look()
        return play_steps(
            self._set, self._limits, (first, last, duration), STEP_SECONDS, self._clock, self._sleep
        )

    def cut(self) -> None:
        self.off()

    def restore(self) -> None:
        self.on()

    def measure_volts(self) -> float:
        self._cannot("measure volts; it measures the current only")

    def measure_amperes(self) -> float:
        self._look()
        self._sample()
        end = time.monotonic() + self._timeout_s
        with self._news:
            wanted = self._decoded + MEASURE_SAMPLES
            while self._decoded < wanted:
                left = end - time.monotonic()
                if self._failed or left <= 0 or not self._news.wait(left):
                    raise BenchError(
                        f"supply {self._name}: {self._failed or f'no samples in {self._timeout_s:g} s'}"
                    )
            return sum(self._recent) / len(self._recent)

    def safe_off(self) -> None:
        for attempt in range(1, OFF_ATTEMPTS + 1):
            try:
                if attempt > 1:
                    self._reopen()
                self.off()
                return
            except BenchError:
                if attempt == OFF_ATTEMPTS:
                    raise

    def close(self) -> None:
        if self._closed:
            return
        self._stop.set()
        for thread in self._threads:
            thread.join(self._timeout_s)
        with contextlib.suppress(BenchError):
            self._call("stop measuring", self._api.stop_measuring)
        self._closed = True
        with contextlib.suppress(OSError):
            self._api.ser.close()
        if self._path is not None and self._threads:
            self._trace.save(self._path)
            if self._lost:
                log.warning("%s: %d samples were lost", self._name, self._lost)

    # ---- Commands ----

    def _within(self, volts: float) -> float:
        checked = self._limits.volts(volts)
        if not MIN_VOLTS <= checked <= MAX_VOLTS:
            # ppk2-api would take the nearest value that the kit can give, which below 0.8 V is a higher one.
            self._cannot(f"give {volts:g} V; it gives {MIN_VOLTS:g} to {MAX_VOLTS:g} V")
        return checked

    def _set(self, volts: float) -> None:
        self._call("set source voltage", self._api.set_source_voltage, int(self._within(volts) * 1000 + 1e-6))

    def _call(self, what: str, function: Callable[..., Any], *arguments: Any) -> Any:
        if self._closed:
            raise BenchError(f"supply {self._name}: '{what}' after the supply was closed")
        try:
            with self._lock:
                return function(*arguments)
        except Exception as error:  # ppk2-api raises bare exceptions, too
            raise BenchError(f"supply {self._name}: '{what}' failed: {_line(error)}") from None

    def _reopen(self) -> None:
        try:
            with self._lock:
                self._api.ser.close()
                self._api.ser.open()
        except OSError as error:
            raise BenchError(f"supply {self._name}: cannot be opened: {_line(error)}") from None

    def _look(self) -> None:
        """Say what the sampling has found meanwhile."""
        if self._tripped:
            raise BenchError(f"supply {self._name}: {self._tripped}")
        if self._failed:
            raise BenchError(f"supply {self._name}: {self._failed}")

    def _cannot(self, what: str) -> NoReturn:
        raise BenchError(f"supply {self._name}: it cannot {what}")

    # ---- Samples ----

    def _sample(self) -> None:
        if self._threads:
            return
        self._trace.begun = self._clock()
        self._call("start measuring", self._api.start_measuring)
        self._threads = [
            threading.Thread(target=each, name=f"{self._name} samples", daemon=True)
            for each in (self._receive, self._decode)
        ]
        for thread in self._threads:
            thread.start()

    def _receive(self) -> None:
        port = self._api.ser
        while not self._stop.is_set():
            try:
                data = port.read(max(SAMPLE_BYTES, min(port.in_waiting, 65_536)))
            except Exception as error:  # whatever a port raises that is pulled out
                self._failed = f"reading samples failed: {_line(error)}"
                with self._news:
                    self._news.notify_all()
                return
            with self._news:
                self._backlog += data
                over = len(self._backlog) - BACKLOG_LIMIT
                if over > 0:
                    dropped = -(-over // SAMPLE_BYTES)
                    del self._backlog[: dropped * SAMPLE_BYTES]
                    self._lost += dropped
                self._news.notify_all()

    def _decode(self) -> None:
        try:
            self._decode_on()
        except Exception as error:
            # Nobody watches the current from here on.
            self._failed = f"decoding samples failed: {_line(error)}"
            with contextlib.suppress(BenchError):
                self.off()
            with self._news:
                self._news.notify_all()

    def _decode_on(self) -> None:
        while not self._stop.is_set():
            with self._news:
                whole = min(len(self._backlog), 40_000) // SAMPLE_BYTES * SAMPLE_BYTES
                if whole == 0:
                    self._news.wait(0.1)
                    continue
                data = bytes(self._backlog[:whole])
                del self._backlog[:whole]
            microamperes, _ = self._api.get_samples(data)
            amperes = [each * 1e-6 for each in microamperes]
            self._trace.add(amperes)
            with self._news:
                held = self._recent + amperes
                self._recent = held[-MEASURE_SAMPLES:]
                self._decoded += len(amperes)
                self._news.notify_all()
            self._guard(held)

    def _guard(self, held: list[float]) -> None:
        """Hold every 10 ms of `held` against the limit, not the last only: a late host decodes many at once."""
        if self._tripped:
            return
        sums = list(accumulate(held, initial=0.0))
        means = [
            (end - begin) / GUARD_SAMPLES for begin, end in zip(sums, sums[GUARD_SAMPLES:], strict=False)
        ]
        # What is not a number is not known to be below the limit.
        mean = next((each for each in means if not each <= self._limits.max_amperes), None)
        if mean is not None:
            self._tripped = (
                f"the device took {mean:.3f} A, above the rig's limit of {self._limits.max_amperes:g} A; "
                "its power was switched off"
            )
            try:
                self.off()
            except BenchError as error:
                self._failed = str(error)


def _line(error: BaseException) -> str:
    return " ".join(str(error).split())[:200] or type(error).__name__
