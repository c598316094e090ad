"""The probes that pyOCD drives: CMSIS-DAP, J-Link, ST-Link, and the virtual kit, through pyOCD's own API."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from pyocd.core import exceptions
from pyocd.core.session import Session
from pyocd.core.target import Target
from pyocd.flash.eraser import FlashEraser
from pyocd.flash.loader import FlashLoader
from pyocd.probe.aggregator import DebugProbeAggregator
from pyocd.probe.tcp_client_probe import TCPClientProbe

from hil.errors import BenchError, InputError
from hil.probe.base import Progress, ResetType, Rtt
from hil.probe.pieces import Piece, check_range, compare, pieces
from hil.probe.remote_socket import BoundedSocket
from hil.probe.rtt import MemoryRtt
from hil.wire import DIRECT, Wires

_REGISTERS = (*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr")
_RESETS = {
    "default": None,
    "system": Target.ResetType.SYSTEM,
    "core": Target.ResetType.CORE,
    "pin": Target.ResetType.HARDWARE,
}
"""pyOCD's own (pyocd.core.target.Target.ResetType); its default is the target's."""


class _WithoutRegisterNames:
    """Keeps pyOCD from reading the chip's SVD file at each connection: a second of work for names of registers
    that nobody here asks for.
    """

    def will_init_target(self, target: Any, init_sequence: Any) -> None:
        if init_sequence.has_task("load_svd"):
            init_sequence.remove_task("load_svd")


class PyocdProbe:
    """A probe through pyOCD; see `Probe` for the methods.

    `reset_type` is how it resets unless told otherwise. `target` is pyOCD's name of the device, `unique_id`
    the probe's serial number (needed where there are several), `frequency` the SWD clock in Hz. `auto_unlock`
    erases a locked chip when connecting, so it is off unless asked. No pyocd.yaml or user script is read: the
    rig file alone decides.
    """

    def __init__(
        self,
        *,
        target: str = "nrf52840",
        unique_id: str | None = None,
        frequency: int = 4_000_000,
        auto_unlock: bool = False,
        reset_type: ResetType = "default",
        wires: Wires = DIRECT,
    ) -> None:
        self._reset_type: ResetType = reset_type
        self._target_name = target
        self._unique_id = unique_id
        self._frequency = frequency
        self._auto_unlock = auto_unlock
        self._wires = wires
        self._session: Any = None
        self._name = unique_id or "(any)"

    def __enter__(self) -> Self:
        self.open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # ---- Connecting ----

    def open(self) -> None:
        if self._session is None:
            self._connect(self._auto_unlock)

    def _connect(self, auto_unlock: bool) -> None:
        _quiet()
        with self._translated("connect"):
            session: Any = Session(
                self._wires.swd("probe", self._find), auto_open=False, options=self._options(auto_unlock)
            )
            session.delegate = _WithoutRegisterNames()
            try:
                session.open()
            except BaseException as error:
                # pyOCD stumbles over a locked chip when it looks for a core; recover() still works on it.
                if not isinstance(error, KeyError) or not self._is_locked(session):
                    session.close()
                    raise
        self._session = session
        self._name = session.probe.unique_id

    @staticmethod
    def _is_locked(session: Any) -> bool:
        target = session.target
        return getattr(target, "ctrl_ap", None) is not None and bool(target.is_locked())

    def _options(self, auto_unlock: bool) -> dict[str, Any]:
        return {
            "auto_unlock": auto_unlock,
            "connect_mode": "attach",
            "frequency": self._frequency,
            "no_config": True,
            "target_override": self._target_name,
            "user_script": None,
            "hide_programming_progress": True,
            "keep_unwritten": True,
            "resume_on_disconnect": True,
            "warning.cortex_m_default": False,
        }

    def _find(self) -> Any:
        """The one probe that is meant; BenchError says what was found instead."""
        if self._unique_id is not None:
            probe = DebugProbeAggregator.get_probe_with_id(self._unique_id)
            if isinstance(probe, TCPClientProbe):
                probe._socket = BoundedSocket(*probe._socket._address)
            if probe is not None:
                return probe
        probes = DebugProbeAggregator.get_all_connected_probes()
        listed = ", ".join(f"{probe.unique_id} ({probe.description})" for probe in probes) or "none"
        if self._unique_id is not None:
            raise BenchError(f"probe {self._unique_id} is not connected; found: {listed}")
        if len(probes) != 1:
            advice = "name one by its unique id" if probes else "connect one"
            raise BenchError(f"expected one debug probe, found: {listed}; {advice}")
        return probes[0]

    def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with self._translated("disconnect"):
                session.close()

    def identity(self) -> str:
        probe: Any = self._opened().probe
        return f"{probe.vendor_name} {probe.product_name} {probe.unique_id}"

    def locked(self) -> bool:
        target = self._opened().target
        with self._translated("read the lock state"):
            return bool(target.is_locked())

    # ---- Memory ----

    def read(self, address: int, length: int) -> bytes:
        check_range(address, length)
        target = self._target()
        with self._translated(f"read {length} bytes at 0x{address:08x}"):
            first = -address % 4 if length >= 8 else length
            words = (length - first) // 4
            head = bytes(target.read_memory_block8(address, first)) if first else b""
            data = target.read_memory_block32(address + first, words) if words else []
            middle = b"".join(value.to_bytes(4, "little") for value in data)
            done = first + 4 * words
            tail = bytes(target.read_memory_block8(address + done, length - done)) if done < length else b""
        return head + middle + tail

    def write(self, address: int, data: bytes) -> None:
        check_range(address, len(data))
        target = self._target()
        with self._translated(f"write {len(data)} bytes at 0x{address:08x}"):
            target.write_memory_block8(address, data)
            target.flush()

    def read_words(self, address: int, count: int) -> list[int]:
        check_range(address, 4 * count, align=4)
        target = self._target()
        with self._translated(f"read {count} words at 0x{address:08x}"):
            return list(target.read_memory_block32(address, count))

    def write_words(self, address: int, values: Sequence[int]) -> None:
        check_range(address, 4 * len(values), align=4)
        target = self._target()
        with self._translated(f"write {len(values)} words at 0x{address:08x}"):
            target.write_memory_block32(address, list(values))
            target.flush()

    # ---- Flash ----

    def program(
        self,
        image: Path | bytes,
        address: int | None = None,
        *,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> int:
        found = self._pieces(image, address)
        target = self._target()
        with self._translated("program"):
            # Not smart_flash: it reads a page first and skips what is the same, and a test wants what it asked for.
            loader = FlashLoader(
                self._session, progress=_Progress(progress), chip_erase="sector", smart_flash=False
            )
            for start, data in found:
                loader.add_data(start, data)
            target.halt()
            loader.commit()
        if progress is not None:
            progress(1.0)
        if verify:
            compare(f"probe {self._name}", self, found)
        return sum(len(data) for _, data in found)

    def verify(self, image: Path | bytes, address: int | None = None) -> int:
        return compare(f"probe {self._name}", self, self._pieces(image, address))

    def _pieces(self, image: Path | bytes, address: int | None) -> list[Piece]:
        found = pieces(image, address)
        for start, data in found:
            self._check_flash(start, len(data))
        return found

    def _check_flash(self, address: int, length: int) -> Any:
        """The flash region that holds the range; InputError when none does."""
        region = self._target().memory_map.get_region_for_address(address)
        if region is None or not region.is_flash or address + length - 1 > region.end:
            raise InputError(
                f"probe: 0x{address:08x} to 0x{address + length - 1:08x} is not in the flash of the target"
            )
        return region

    def erase(self, address: int, length: int) -> None:
        check_range(address, length)
        page = self._check_flash(address, length).blocksize
        if address % page or length % page:
            raise InputError(f"probe: 0x{address:x}+0x{length:x} is not whole flash pages of {page} bytes")
        with self._translated(f"erase 0x{length:x} bytes at 0x{address:08x}"):
            pages = [f"0x{start:x}-0x{start + page:x}" for start in range(address, address + length, page)]
            FlashEraser(self._session, FlashEraser.Mode.SECTOR).erase(pages)

    def erase_chip(self) -> None:
        self._target()
        with self._translated("erase the chip"):
            FlashEraser(self._session, FlashEraser.Mode.CHIP).erase()

    def recover(self) -> None:
        session = self._opened()
        with self._translated("recover"):
            if not session.target.mass_erase():
                raise BenchError(f"probe {self._name}: the mass erase did not end")
        # A locked chip showed no core when connecting, so connect again. With auto_unlock pyOCD also writes the UICR
        # word without which a chip with hardened protection would lock again at the next reset; nothing is left on
        # it that the option could erase.
        self.close()
        self._connect(auto_unlock=True)

    # ---- The core ----

    def reset(self, *, halt: bool = False, kind: ResetType | None = None) -> None:
        asked = kind or self._reset_type
        if asked not in _RESETS:
            raise InputError(f'probe: reset type "{asked}": pyOCD has {", ".join(_RESETS)}')
        target = self._target()
        with self._translated(f"reset ({asked})" if asked != "default" else "reset"):
            if halt:
                target.reset_and_halt(_RESETS[asked])
            else:
                target.reset(_RESETS[asked])

    def halt(self) -> None:
        target = self._target()
        with self._translated("halt"):
            target.halt()

    def run(self) -> None:
        target = self._target()
        with self._translated("run"):
            target.resume()

    def is_running(self) -> bool:
        target = self._target()
        with self._translated("read the state"):
            return target.get_state() in (Target.State.RUNNING, Target.State.SLEEPING, Target.State.RESET)

    def registers(self) -> dict[str, int]:
        target = self._target()
        with self._translated("read the registers"):
            if target.get_state() != Target.State.HALTED:
                raise BenchError(
                    f"probe {self._name}: registers can be read of a halted core only; halt it first"
                )
            values = target.read_core_registers_raw(list(_REGISTERS))
        return dict(zip(_REGISTERS, values, strict=True))

    def rtt(self, start: int, size: int, block: int | None = None) -> Rtt:
        check_range(start, size)
        return MemoryRtt(self, start, size, block)

    # ---- Inside ----

    def _opened(self) -> Any:
        if self._session is None:
            raise BenchError(f"probe {self._name}: is not open")
        return self._session

    def _target(self) -> Any:
        """The target, with a core to work on; BenchError when the chip is locked."""
        target = self._opened().target
        if not target.cores:
            raise BenchError(
                f"probe {self._name}: the chip is locked (APPROTECT); recover() erases and unlocks it"
            )
        return target

    @contextlib.contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        """pyOCD's errors as one line that names probe and action."""
        try:
            yield
        except (exceptions.Error, OSError, ValueError, AssertionError) as error:  # pyOCD raises them all
            text = " ".join(str(error).split()) or type(error).__name__
            raise BenchError(f"probe {self._name}: cannot {action}: {text[:300]}") from None


class _Progress:
    """pyOCD counts to one for the erase and then again for the writing; this makes one rising count of both."""

    def __init__(self, report: Progress | None) -> None:
        self._report = report
        self._last = 0.0
        self._writing = False
        self._told = 0.0

    def __call__(self, fraction: float) -> None:
        self._writing = self._writing or fraction < self._last
        self._last = fraction
        overall = min(0.5 * fraction + (0.5 if self._writing else 0.0), 1.0)
        if self._report is not None and overall >= self._told:
            self._told = overall
            self._report(overall)


def _quiet() -> None:
    """pyOCD logs what it does at INFO and its trouble with other people's probes at WARNING: neither is a
    result.
    """
    logger = logging.getLogger("pyocd")
    if logger.level == logging.NOTSET:
        logger.setLevel(logging.ERROR)
