"""J-Link probes on nRF52 chips through pynrfjprog, Nordic's Python binding of nrfjprog.

Nordic has archived nrfjprog and pynrfjprog (10.24.2 is the last) in favour of nRF Util: `hil.probe.nrfutil`.
Many benches run on it still. It needs SEGGER's J-Link library beside it.

By its header (nrfjprogdll.h) reading and writing memory leave the core halted, so that a core which ran is
let go again afterwards; the device stands still meanwhile, and a Bluetooth link may not survive that.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hil.errors import BenchError, InputError
from hil.probe.base import Progress, ResetType, Rtt
from hil.probe.nordic import PAGE, check_pages, split, words
from hil.probe.pieces import check_range, compare, pieces, whole_pages

_REGISTERS = (*(f"r{number}" for number in range(13)), "sp", "lr", "pc", "xpsr")
_RESETS = ("default", "system", "pin", "debug")
_REMEDIES = {
    "JLINKARM_DLL_NOT_FOUND": "install SEGGER's J-Link software",
    "JLINKARM_DLL_COULD_NOT_BE_OPENED": "install SEGGER's J-Link software for this processor",
    "JLINKARM_DLL_TOO_OLD": "install a newer J-Link software",
    "NO_EMULATOR_CONNECTED": "connect the J-Link",
    "EMULATOR_NOT_CONNECTED": "is it plugged in, and is its serial number right?",
    "LOW_VOLTAGE": "is the board powered?",
    "NOT_AVAILABLE_BECAUSE_PROTECTION": "the chip is locked (APPROTECT); recover() erases it",
}
_RTT_CHUNK = 4096


def library() -> Any:
    """pynrfjprog's LowLevel module. Raises BenchError when it is not installed."""
    try:
        return importlib.import_module("pynrfjprog.LowLevel")
    except ImportError as error:
        raise BenchError(
            f"probe: the driver nrfjprog needs pynrfjprog ({error}); install it with: pip install 'hil[nrfjprog]'"
        ) from None


class NrfjprogProbe:
    """A J-Link through pynrfjprog; see `Probe` for the methods.

    `unique_id` is the J-Link's serial number, `frequency` the SWD clock in Hz. `auto_unlock` erases a locked
    chip when connecting. `find_library` gives the module whose `API` is called.
    """

    def __init__(
        self,
        *,
        unique_id: str | None = None,
        frequency: int = 4_000_000,
        auto_unlock: bool = False,
        reset_type: ResetType = "default",
        find_library: Callable[[], Any] = library,
    ) -> None:
        if unique_id is not None and not (unique_id.isdecimal() and int(unique_id) < 1 << 32):
            raise InputError(f'probe: unique_id "{unique_id}": a J-Link has a serial number in digits')
        self._unique_id = unique_id
        self._khz = max(1, frequency // 1000)
        self._auto_unlock = auto_unlock
        self._reset_type: ResetType = reset_type
        self._find_library = find_library
        self._api: Any = None
        self._errors: tuple[type[Exception], ...] = ()
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
        if self._api is not None:
            return
        module = self._find_library()
        self._errors = (module.APIError, RuntimeError, ValueError, OSError)
        with self._translated("open the library"):
            api = module.API("NRF52")
            api.open()
        try:
            with self._translated("connect"):
                if self._unique_id is not None:
                    api.connect_to_emu_with_snr(int(self._unique_id), self._khz)
                else:
                    serials = api.enum_emu_snr() or []
                    if len(serials) != 1:
                        listed = ", ".join(str(each) for each in serials) or "none"
                        raise BenchError(f"expected one J-Link, found: {listed}; name one by its unique id")
                    api.connect_to_emu_with_snr(serials[0], self._khz)
                    self._name = str(serials[0])
        except BaseException:
            api.close()
            raise
        self._api = api
        if self._auto_unlock and self.locked():
            self.recover()

    def close(self) -> None:
        api, self._api = self._api, None
        if api is None:
            return
        with self._translated("disconnect"):
            try:
                # A chip that is locked or without power cannot be let go, and need not be.
                with contextlib.suppress(*self._errors):
                    if api.is_connected_to_device():
                        api.go()
                api.disconnect_from_emu()
            finally:
                api.close()

    def identity(self) -> str:
        api = self._opened()
        with self._translated("read the probe's firmware"):
            return f"SEGGER {api.read_connected_emu_fwstr()} {api.read_connected_emu_snr()}"

    def locked(self) -> bool:
        api = self._opened()
        with self._translated("read the lock state"):
            return bool(api.readback_status() != "NONE")

    # ---- Memory ----

    def read(self, address: int, length: int) -> bytes:
        check_range(address, length)
        if not length:
            return b""
        with self._core_goes_on(f"read {length} bytes at 0x{address:08x}") as api:
            return bytes(api.read(address, length))

    def write(self, address: int, data: bytes) -> None:
        check_range(address, len(data))
        if data:
            with self._core_goes_on(f"write {len(data)} bytes at 0x{address:08x}") as api:
                api.write(address, list(data), False)

    def read_words(self, address: int, count: int) -> list[int]:
        check_range(address, 4 * count, align=4)
        if count == 1:  # one access of 32 bits, which a register needs
            with self._core_goes_on(f"read a word at 0x{address:08x}") as api:
                return [int(api.read_u32(address))]
        return words(self.read(address, 4 * count))

    def write_words(self, address: int, values: Sequence[int]) -> None:
        check_range(address, 4 * len(values), align=4)
        with self._core_goes_on(f"write {len(values)} words at 0x{address:08x}") as api:
            for index, value in enumerate(values):
                api.write_u32(address + 4 * index, value, False)

    # ---- Flash ----

    def program(
        self,
        image: Path | bytes,
        address: int | None = None,
        *,
        verify: bool = True,
        progress: Progress | None = None,
    ) -> int:
        wanted = pieces(image, address)
        flash, uicr = split(wanted)
        api = self._opened()
        with self._translated("program"):
            api.halt()
        pages = whole_pages(self, flash, PAGE)
        with self._translated("program"):
            for number, (start, data) in enumerate(pages, start=1):
                api.erase_page(start)
                api.write(start, list(data), True)
                if progress is not None:
                    progress(number / (len(pages) + bool(uicr)))
            for start, data in uicr:
                for index, value in enumerate(words(data)):
                    api.write_u32(start + 4 * index, value, True)
        if progress is not None:
            progress(1.0)
        if verify:
            compare(f"probe {self._name}", self, wanted)
        return sum(len(data) for _, data in wanted)

    def verify(self, image: Path | bytes, address: int | None = None) -> int:
        return compare(f"probe {self._name}", self, pieces(image, address))

    def erase(self, address: int, length: int) -> None:
        check_range(address, length)
        check_pages(address, length)
        api = self._opened()
        with self._translated(f"erase 0x{length:x} bytes at 0x{address:08x}"):
            for start in range(address, address + length, PAGE):
                api.erase_page(start)

    def erase_chip(self) -> None:
        api = self._opened()
        with self._translated("erase the chip"):
            api.erase_all()

    def recover(self) -> None:
        api = self._opened()
        with self._translated("recover"):
            api.recover()

    # ---- The core ----

    def reset(self, *, halt: bool = False, kind: ResetType | None = None) -> None:
        asked = kind or self._reset_type
        if asked not in _RESETS:
            raise InputError(f'probe: reset type "{asked}": nrfjprog has {", ".join(_RESETS)}')
        if halt and asked in ("pin", "debug"):
            raise InputError(
                f"probe: nrfjprog cannot stop the core before its first instruction by a {asked} reset"
            )
        api = self._opened()
        with self._translated(f"reset ({asked})"):
            if asked == "pin":
                api.pin_reset()
            elif asked == "debug":
                api.debug_reset()
            else:
                api.sys_reset()  # leaves the core halted
                if not halt:
                    api.go()

    def halt(self) -> None:
        api = self._opened()
        with self._translated("halt"):
            api.halt()

    def run(self) -> None:
        api = self._opened()
        with self._translated("run"):
            api.go()

    def is_running(self) -> bool:
        api = self._opened()
        with self._translated("read the state"):
            return not api.is_halted()

    def registers(self) -> dict[str, int]:
        api = self._opened()
        with self._translated("read the registers"):
            if not api.is_halted():
                raise BenchError("registers can be read of a halted core only; halt it first")
            return {name: int(api.read_cpu_register(name.upper())) for name in _REGISTERS}

    def rtt(self, start: int, size: int, block: int | None = None) -> Rtt:
        check_range(start, size)
        api = self._opened()
        with self._translated("start RTT"):
            if api.is_rtt_started():
                api.rtt_stop()
            if block is not None:
                api.rtt_set_control_block_address(block)
            api.rtt_start()  # without an address the J-Link searches the RAM that it knows of
        return _Rtt(api, self._translated)

    # ---- Inside ----

    def _opened(self) -> Any:
        if self._api is None:
            raise BenchError(f"probe {self._name}: is not open")
        return self._api

    @contextlib.contextmanager
    def _core_goes_on(self, action: str) -> Iterator[Any]:
        """Do something that leaves the core halted, and let one that ran go on."""
        api = self._opened()
        with self._translated(action):
            halted = bool(api.is_halted())
            try:
                yield api
            finally:
                if not halted:
                    api.go()

    @contextlib.contextmanager
    def _translated(self, action: str) -> Iterator[None]:
        try:
            yield
        except BenchError as error:
            raise BenchError(f"probe {self._name}: cannot {action}: {error}") from None
        except self._errors as error:
            code = getattr(getattr(error, "error_enum", None), "name", "")
            text = code or " ".join(str(error).split())[:300] or type(error).__name__
            remedy = _REMEDIES.get(code)
            raise BenchError(
                f"probe {self._name}: cannot {action}: {text}" + (f": {remedy}" if remedy else "")
            ) from None


class _Rtt:
    """RTT by the J-Link itself, which finds the control block and polls it without halting the core."""

    def __init__(
        self, api: Any, translated: Callable[[str], contextlib.AbstractContextManager[None]]
    ) -> None:
        self._api = api
        self._translated = translated

    def read(self, channel: int) -> bytes:
        with self._translated("read by RTT"):
            if not self._api.rtt_is_control_block_found():
                return b""
            return bytes(self._api.rtt_read(channel, _RTT_CHUNK, None))

    def write(self, channel: int, data: bytes) -> int:
        with self._translated("write by RTT"):
            if not self._api.rtt_is_control_block_found():
                return 0
            return int(self._api.rtt_write(channel, list(data), None))
