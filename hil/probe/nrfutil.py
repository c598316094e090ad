"""J-Link probes on nRF52 chips through nRF Util's command `nrfutil device`, Nordic's successor of nrfjprog.

Each call is a process of its own, told what to do by arguments and answering in JSON lines (nRF Util
documentation, "Managing command output for scripting" and "nrfutil device"). That costs about a second a
call, and many of its commands halt the core: a case that looks at a running device by SWD is better off with
pyOCD. It has no RTT, and the form of what `cpu-register-read` answers is not documented, so that registers
are not read.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from intelhex import IntelHex

from hil import hexfile
from hil.errors import BenchError, InputError
from hil.probe.base import Progress, ResetType, Rtt
from hil.probe.nordic import DHCSR, DHCSR_HALTED, PAGE, check_pages, split, words
from hil.probe.pieces import check_range, compare, pieces, whole_pages

_RESETS = {"default": "RESET_DEFAULT", "system": "RESET_SYSTEM", "pin": "RESET_PIN", "debug": "RESET_DEBUG"}
_PROTECTED = "NotAvailableBecauseProtection"
_FICR_PART = 0x1000_0100
_LONGEST_ANSWER = 16 << 20
"""Bytes; what it reads of memory goes to a file of its own."""
_LOOK_S = 0.05
_KILLED_S = 5.0
_MOST_LINES = 100_000
TIMEOUT_S = 60.0
"""Of one command; `recover` and `program` of a whole flash take 10 to 20 s."""


class NrfutilProbe:
    """A J-Link through `nrfutil device`; see `Probe` for the methods.

    `unique_id` is the J-Link's serial number; without it the one that is connected. `program` is the
    program's name or path. The SWD clock is nrfutil's own. `auto_unlock` erases a locked chip when connecting.
    """

    def __init__(
        self,
        *,
        unique_id: str | None = None,
        auto_unlock: bool = False,
        reset_type: ResetType = "default",
        program: str = "nrfutil",
        timeout_s: float = TIMEOUT_S,
    ) -> None:
        if unique_id is not None and not (unique_id.isdecimal() and len(unique_id) <= 12):
            raise InputError(f'probe: unique_id "{unique_id}": a J-Link has a serial number in digits')
        self._unique_id = unique_id
        self._auto_unlock = auto_unlock
        self._reset_type: ResetType = reset_type
        self._program = program
        self._timeout_s = timeout_s
        self._path: str | None = None
        self._folder: tempfile.TemporaryDirectory[str] | None = None
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
        if self._path is not None:
            return
        path = shutil.which(self._program)
        if path is None:
            raise BenchError(
                f"probe: the driver nrfutil needs the program {self._program}, which is not on the PATH; "
                "download it from Nordic, then: nrfutil install device"
            )
        self._path = path
        try:
            self._find()
            self._folder = tempfile.TemporaryDirectory(prefix="hil-nrfutil-")
            if self._auto_unlock and self.locked():
                self.recover()
        except BaseException:
            self._path = None
            raise

    def _find(self) -> None:
        found = self._devices(self._run("list J-Links", "list"))
        known = [str(each.get("serialNumber", "")).lstrip("0") for each in found]
        listed = ", ".join(known) or "none"
        if self._unique_id is None:
            if len(known) != 1:
                raise BenchError(f"expected one J-Link, found: {listed}; name one by its unique id")
            self._name = known[0]
        elif self._unique_id.lstrip("0") not in known:
            raise BenchError(f"probe {self._unique_id} is not connected; found: {listed}")

    def close(self) -> None:
        if self._path is None:
            return
        try:
            self._device("let the core run", "go")
        finally:
            self._path = None
            folder, self._folder = self._folder, None
            if folder is not None:
                folder.cleanup()

    def identity(self) -> str:
        self._opened()
        return f"SEGGER J-Link {self._name} (nrfutil device)"

    def locked(self) -> bool:
        self._opened()
        try:
            self._read(_FICR_PART, 4)
        except BenchError as error:
            if _PROTECTED in str(error):
                return True
            raise
        return False

    # ---- Memory ----

    def read(self, address: int, length: int) -> bytes:
        check_range(address, length)
        return self._read(address, length) if length else b""

    def _read(self, address: int, length: int) -> bytes:
        """By whole words, to a HEX file: the one form of the answer that is documented."""
        first = address & ~3
        count = (address + length - first + 3) & ~3
        file = self._file("read.hex")
        file.unlink(missing_ok=True)
        action = f"read {length} bytes at 0x{address:08x}"
        what = ("--address", hex(first), "--bytes", str(count), "--width", "32", "--direct")
        self._device(action, "read", *what, "--to-file", str(file))
        try:
            found = hexfile.read_image(file)
        except InputError as error:
            raise BenchError(
                f"probe {self._name}: cannot {action}: what nrfutil wrote is not sound: {error}"
            ) from None
        for start, data in found:
            if start <= address and address + length <= start + len(data):
                return data[address - start :][:length]
        raise BenchError(
            f"probe {self._name}: cannot {action}: nrfutil wrote other addresses than were asked for"
        )

    def write(self, address: int, data: bytes) -> None:
        check_range(address, len(data))
        if not data:
            return
        first, end = address & ~3, (address + len(data) + 3) & ~3
        whole = (first, end) == (address, address + len(data))
        content = bytearray(data if whole else self._read(first, end - first))
        content[address - first : address - first + len(data)] = data
        self.write_words(first, words(bytes(content)))

    def read_words(self, address: int, count: int) -> list[int]:
        check_range(address, 4 * count, align=4)
        return words(self.read(address, 4 * count))

    def write_words(self, address: int, values: Sequence[int]) -> None:
        check_range(address, 4 * len(values), align=4)
        for index, value in enumerate(values):
            where = address + 4 * index
            what = ("--address", hex(where), "--value", hex(value), "--direct")
            self._device(f"write a word at 0x{where:08x}", "write", *what)

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
        self._opened()
        pages = whole_pages(self, flash, PAGE)
        if pages:
            content = IntelHex()
            for start, data in pages:
                content.frombytes(data, start)
            file = self._file("program.hex")
            content.write_hex_file(str(file))
            options = "chip_erase_mode=ERASE_RANGES_TOUCHED_BY_FIRMWARE,verify=VERIFY_NONE,reset=RESET_NONE"
            self._device("program", "program", "--firmware", str(file), "--options", options)
        for start, data in uicr:
            for index, value in enumerate(words(data)):
                where = start + 4 * index
                what = ("--address", hex(where), "--value", hex(value))
                self._device(f"write the UICR at 0x{where:08x}", "write", *what)
        self.halt()
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
        if length:
            # The end is the address after the last page, which is not erased ("nrfutil device erase", --pages).
            span = f"{hex(address)}-{hex(address + length)}" if length > PAGE else hex(address)
            self._device(f"erase 0x{length:x} bytes at 0x{address:08x}", "erase", "--pages", span)
        self.halt()

    def erase_chip(self) -> None:
        # Not `erase --all`: a bootloader that has run since the reset may protect its flash from the flash controller
        # (ACL), and there is no reset that stops before it has. The access port erases whatever is protected.
        self._device("erase the chip", "recover")
        self.halt()

    def recover(self) -> None:
        self._device("recover", "recover")

    # ---- The core ----

    def reset(self, *, halt: bool = False, kind: ResetType | None = None) -> None:
        asked = kind or self._reset_type
        if asked not in _RESETS:
            raise InputError(f'probe: reset type "{asked}": nrfutil has {", ".join(_RESETS)}')
        self._device(f"reset ({asked})", "reset", "--reset-kind", _RESETS[asked])
        if halt:
            # There is no reset that stops in front of the first instruction: this is some milliseconds later.
            self.halt()

    def halt(self) -> None:
        self._device("halt", "halt")

    def run(self) -> None:
        self._device("run", "go")

    def is_running(self) -> bool:
        return not self.read_words(DHCSR, 1)[0] & DHCSR_HALTED

    def registers(self) -> dict[str, int]:
        raise BenchError(
            f"probe {self._name}: the driver nrfutil does not read registers, since the form of its answer is "
            'not documented; use driver = "pyocd"'
        )

    def rtt(self, start: int, size: int, block: int | None = None) -> Rtt:
        raise BenchError(
            f'probe {self._name}: the driver nrfutil has no RTT; use driver = "pyocd" or "nrfjprog"'
        )

    # ---- Inside ----

    def _opened(self) -> str:
        if self._path is None:
            raise BenchError(f"probe {self._name}: is not open")
        return self._path

    def _file(self, name: str) -> Path:
        self._opened()
        if self._folder is None:
            raise BenchError(f"probe {self._name}: is not open")
        return Path(self._folder.name) / name

    def _device(self, action: str, command: str, *arguments: str) -> list[dict[str, Any]]:
        return self._run(action, command, *arguments, "--serial-number", self._name)

    def _run(self, action: str, command: str, *arguments: str) -> list[dict[str, Any]]:
        """Run one command; returns what it said. Raises BenchError with its own words when it failed."""
        who = f"probe {self._name}: cannot {action}: nrfutil device {command}"
        code, output, errors = self._execute(who, [self._opened(), "--json", "device", command, *arguments])
        said = _messages(output)
        failed = _failure(said)
        if code or failed:
            text = failed or " ".join(errors.decode("utf-8", "replace").split())[:300]
            end = f"ended with {code}" if code else "failed"
            raise BenchError(f"{who} {end}: {text or 'without a word'}{_remedy(text)}")
        if not said:
            raise BenchError(
                f"{who} said nothing that is JSON; is its command installed (nrfutil install device)?"
            )
        return said

    def _execute(self, who: str, command: list[str]) -> tuple[int, bytes, bytes]:
        """Exit code and output, in bounded time and memory. What the program has started ends with it, or is left
        behind: its output goes to files, so that nobody waits for the other end of a pipe.
        """
        with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
            try:
                process = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, stdout=output, stderr=errors, start_new_session=True
                )
            except OSError as error:
                raise BenchError(f"{who}: {error.strerror or error}") from None
            limit = time.monotonic() + self._timeout_s
            try:
                while True:
                    with contextlib.suppress(subprocess.TimeoutExpired):
                        process.wait(min(_LOOK_S, max(0.0, limit - time.monotonic())))
                        break
                    if time.monotonic() >= limit:
                        raise BenchError(f"{who} did not end within {self._timeout_s:g} s")
                    if sum(os.fstat(each.fileno()).st_size for each in (output, errors)) > _LONGEST_ANSWER:
                        raise BenchError(f"{who} wrote more than {_LONGEST_ANSWER >> 20} MiB")
            except BaseException:
                with contextlib.suppress(OSError):
                    if hasattr(os, "killpg"):
                        os.killpg(process.pid, signal.SIGKILL)
                    else:
                        process.kill()
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_KILLED_S)
                raise
            output.seek(0)
            errors.seek(0)
            return process.returncode, output.read(_LONGEST_ANSWER), errors.read(_LONGEST_ANSWER)

    @staticmethod
    def _devices(said: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """The devices that `list` names, in an info message or at the end of its task."""
        for message in reversed(said):
            data = message.get("data")
            for holder in (data, data.get("data") if isinstance(data, dict) else None):
                found = holder.get("devices") if isinstance(holder, dict) else None
                if isinstance(found, list):
                    return [each for each in found if _is_jlink(each)]
        return []


def _is_jlink(device: Any) -> bool:
    if not isinstance(device, dict):
        return False
    traits = device.get("traits")
    return isinstance(traits, dict) and bool(traits.get("jlink"))


def _messages(output: bytes) -> list[dict[str, Any]]:
    """The JSON lines of an answer; what is none is left out."""
    found: list[dict[str, Any]] = []
    for line in output.splitlines()[:_MOST_LINES]:
        try:
            message = json.loads(line)
        except (ValueError, RecursionError):
            continue
        if isinstance(message, dict) and isinstance(message.get("type"), str):
            found.append(message)
    return found


def _failure(said: list[dict[str, Any]]) -> str:
    """What a task that failed says of it; "" when none did."""
    for message in said:
        data = message.get("data")
        if not isinstance(data, dict):
            continue
        error = data.get("error")
        if data.get("result") == "fail" or error:
            parts = [data.get("message")]
            if isinstance(error, dict):
                parts += [error.get("description"), error.get("message"), error.get("code")]
            else:
                parts.append(error)
            text = " ".join(" ".join(str(part) for part in parts if part).split())
            return text[:300] or "a task failed"
    return ""


def _remedy(text: str) -> str:
    return "; the chip is locked (APPROTECT): recover() erases it" if _PROTECTED in text else ""
