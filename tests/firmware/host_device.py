"""The application's C code compiled for the computer that tests it, with queues and memory in the place of the chip.

It is the code above ``firmware/soc`` as it runs on the device, with the compiler's checks for undefined
behaviour on: a shift, index or conversion that is not defined stops it, and the test fails. Timing,
interrupts and registers are the virtual kit's matter, not this one's.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import shutil
import struct
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

FIRMWARE = Path(__file__).parents[2] / "firmware"
HOST_SOC = Path(__file__).parent / "host" / "soc.c"

PRIMARY, PRIMARY_SIZE = 0x12000, 0x73000
SECONDARY, SECONDARY_SIZE = 0x85000, 0x74000
UPDATE = SECONDARY + 0x1000
SETTINGS, SETTINGS_SIZE = 0xF9000, 0x2000
BOOT_INFO = 0x2003FF00
CONSOLE, HCI = 0, 1
RESET, POWER_CUT = 1, 2
TRAILER_MAGIC = bytes.fromhex("77c295f360d2ef7f3552500f2cb67980")

_MAPPINGS = ((0x10000, 0xF0000), (0x2003F000, 0x1000))
_SHA256 = ctypes.CFUNCTYPE(None, ctypes.c_void_p, ctypes.c_uint32, ctypes.c_void_p)


class Crash(AssertionError):
    """The C code did something undefined, or touched memory that is not its own."""


def build_library(folder: Path) -> Path:
    """Compiles application, host and zcbor into a shared library in ``folder``; the same sources are compiled once."""
    zcbor = Path(find_spec("zcbor").origin).parent  # type: ignore[union-attr,arg-type]
    sources = [path for path in sorted((FIRMWARE / "app").glob("*.c")) if path.name != "main.c"]
    sources += [*sorted((FIRMWARE / "ble").glob("*.c")), HOST_SOC]
    sources += [zcbor / "src" / f"zcbor_{part}.c" for part in ("common", "decode", "encode")]
    library = folder / "device.so"
    command = [sys.executable, "-m", "ziglang", "cc", "-shared", "-fPIC", "-O1", "-std=gnu11"]
    command += ["-fsanitize=undefined", "-fsanitize-trap=undefined", "-fno-strict-aliasing"]
    command += ["-Wno-int-to-pointer-cast", "-Wno-pointer-to-int-cast"]
    command += [f"-I{FIRMWARE}", f"-I{zcbor / 'include'}", *map(str, sources), "-o", str(library)]
    subprocess.run(command, check=True)
    return library


@functools.cache
def _map_memory() -> None:
    """Maps the flash and the boot information at the device's own addresses, once a process."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.mmap.restype = ctypes.c_void_p
    libc.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    for address, size in _MAPPINGS:
        private_anonymous_fixed_noreplace = 0x2 | 0x20 | 0x100000
        got = libc.mmap(address, size, 3, private_anonymous_fixed_noreplace, -1, 0)
        if got != address:
            raise OSError(ctypes.get_errno(), f"cannot map the device's memory at {address:#x}")


@_SHA256
def _sha256(data: int, length: int, digest: int) -> None:
    ctypes.memmove(digest, hashlib.sha256(ctypes.string_at(data, length)).digest(), 32)


class HostDevice:
    """One device: flash, a library of its own, and the far ends of both UARTs."""

    def __init__(self, library: Path) -> None:
        _map_memory()
        self._template = library
        self._folder = Path(tempfile.mkdtemp(prefix="hil-host-"))
        self._count = 0
        self.now_ms = 0
        self.supply = (3000, False)
        self.erase_flash()
        self.no_boot_info()
        self._lib: ctypes.CDLL

    def close(self) -> None:
        shutil.rmtree(self._folder)

    def erase_flash(self) -> None:
        ctypes.memset(0x10000, 0xFF, 0xF0000)

    def no_boot_info(self) -> None:
        ctypes.memset(0x2003F000, 0xA5, 0x1000)

    def flash(self, address: int, data: bytes) -> None:
        ctypes.memmove(address, data, len(data))

    def read(self, address: int, size: int) -> bytes:
        return ctypes.string_at(address, size)

    def start(self) -> int:
        """A power-on: fresh RAM, by a fresh copy of the library. Returns why it stopped, 0 for running."""
        self._count += 1
        copy = self._folder / f"device{self._count}.so"
        shutil.copyfile(self._template, copy)
        self._lib = ctypes.CDLL(str(copy))
        copy.unlink()
        self._lib.host_output.restype = ctypes.c_size_t
        self._lib.host_input.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t]
        self._lib.host_output.argtypes = [ctypes.c_uint32, ctypes.c_char_p, ctypes.c_size_t]
        self._lib.host_set_supply.argtypes = [ctypes.c_uint32, ctypes.c_bool]
        self._lib.host_run.argtypes = [ctypes.c_bool, ctypes.c_uint32, ctypes.c_uint32]
        self._lib.host_set_sha256(_sha256)
        self.set_supply(*self.supply)
        return self._run(True)

    def run(self, *, after_ms: int = 0, polls: int = 1000) -> int:
        """Lets the application do what there is to do. Returns why it stopped: 0 for idle, RESET or POWER_CUT."""
        self.now_ms += after_ms
        return self._run(False, polls)

    def _run(self, opening: bool, polls: int = 1000) -> int:
        stopped = int(self._lib.host_run(opening, self.now_ms, polls))
        if stopped == 3:
            raise Crash("undefined behaviour or a bad memory access in the application")
        return stopped

    def set_supply(self, millivolts: int, warns: bool = False) -> None:
        self.supply = (millivolts, warns)
        self._lib.host_set_supply(millivolts, warns)

    def cut_after(self, operations: int) -> None:
        """The power goes before the flash operation that follows this many more."""
        self._lib.host_cut_after(ctypes.c_uint32(operations))

    def flash_operations(self) -> int:
        return int(self._lib.host_flash_operations())

    def page_erases(self, address: int) -> int:
        """How often the page was erased, whole, since the last power-on."""
        return int(self._lib.host_page_erases(ctypes.c_uint32(address)))

    def call_bool(self, function: str, data: bytes) -> bool:
        """Calls a C function of (data, length) that returns bool."""
        called = self._lib[function]
        called.restype = ctypes.c_bool
        called.argtypes = [ctypes.c_char_p, ctypes.c_size_t]
        return bool(called(data, len(data)))

    def put(self, port: int, data: bytes) -> None:
        self._lib.host_input(port, data, len(data))

    def take(self, port: int) -> bytes:
        buffer = ctypes.create_string_buffer(65536)
        size = self._lib.host_output(port, buffer, len(buffer))
        return buffer.raw[:size]


class Controller:
    """A minimal HCI controller and the peer behind it: answers the start-up, connects, carries L2CAP both ways."""

    HANDLE = 0x0040

    def __init__(self, device: HostDevice, *, acl_length: int = 27, acl_count: int = 4) -> None:
        self.device = device
        self.acl_length = acl_length
        self.acl_count = acl_count
        self.refuses: set[int] = set()  # opcodes answered with "command disallowed"
        self.commands: list[tuple[int, bytes]] = []
        self.acl: list[tuple[int, bytes]] = []
        self.credits_held = False
        self._pending = b""

    def settle(self, *, polls: int = 1000, after_ms: int = 0) -> int:
        """Runs the device and answers it until neither has anything to say."""
        for _ in range(500):
            stopped = self.device.run(polls=polls, after_ms=after_ms)
            after_ms = 0
            if not self._serve():
                return stopped
            if stopped:
                return stopped
        raise AssertionError("device and controller never come to rest")

    def _serve(self) -> bool:
        self._pending += self.device.take(HCI)
        served = False
        while self._pending:
            served = True
            kind = self._pending[0]
            if kind == 1:
                size = 4 + self._pending[3]
                opcode = struct.unpack_from("<H", self._pending, 1)[0]
                self.commands.append((opcode, self._pending[4:size]))
                self._answer(opcode)
            elif kind == 2:
                field, length = struct.unpack_from("<HH", self._pending, 1)
                size = 5 + length
                assert length <= self.acl_length
                self.acl.append((field, self._pending[5:size]))
                if not self.credits_held:
                    self.complete(1)
            else:
                raise AssertionError(f"the host sent packet type {kind}")
            self._pending = self._pending[size:]
        return served

    def _answer(self, opcode: int) -> None:
        parameters = {
            0x1001: struct.pack("<BHBHH", 13, 1, 13, 0x0059, 1),
            0x1003: bytes(8),
            0x2002: struct.pack("<HB", self.acl_length, self.acl_count),
            0x2003: b"\x20" + bytes(7),
        }.get(opcode, b"")
        status = 0x0C if opcode in self.refuses else 0
        self.event(0x0E, struct.pack("<BHB", 1, opcode, status) + parameters)

    def event(self, code: int, parameters: bytes) -> None:
        self.device.put(HCI, bytes((4, code, len(parameters))) + parameters)

    def complete(self, count: int, handle: int | None = None) -> None:
        self.event(0x13, struct.pack("<BHH", 1, self.HANDLE if handle is None else handle, count))

    def connect(self) -> None:
        peer = struct.pack("<BHBB6sHHHB", 0, self.HANDLE, 1, 0, bytes(6), 24, 0, 100, 0)
        self.event(0x3E, b"\x01" + peer)
        self.settle()

    def disconnect(self) -> None:
        self.event(0x05, struct.pack("<BHB", 0, self.HANDLE, 0x13))
        self.settle()

    def send_fragments(self, *fragments: bytes, first: int = 2) -> None:
        for index, fragment in enumerate(fragments):
            field = self.HANDLE | ((first if index == 0 else 1) << 12)
            self.device.put(HCI, struct.pack("<BHH", 2, field, len(fragment)) + fragment)

    def send(self, channel: int, payload: bytes, *, size: int = 251) -> None:
        pdu = struct.pack("<HH", len(payload), channel) + payload
        self.send_fragments(*(pdu[at : at + size] for at in range(0, len(pdu), size)))

    def received(self) -> list[tuple[int, bytes]]:
        """PDUs the device sent, whole, as (channel, payload)."""
        pdus: list[tuple[int, bytes]] = []
        data = b""
        for field, part in self.acl:
            assert field & 0x0FFF == self.HANDLE
            assert ((field >> 12) & 3) == (1 if data else 0)
            data += part
            length, channel = struct.unpack_from("<HH", data)
            if len(data) == 4 + length:
                pdus.append((channel, data[4:]))
                data = b""
        assert not data
        self.acl.clear()
        return pdus

    def request(self, payload: bytes) -> bytes:
        """One ATT request and its response."""
        self.send(4, payload)
        self.settle()
        ((channel, answer),) = self.received()
        assert channel == 4
        return answer
